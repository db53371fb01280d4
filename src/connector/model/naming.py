"""Names as different systems write them, folded so that the same thing compares equal.

Folded names are for matching only; people are shown the name as its source writes it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from connector.model.records import ProductKey

_APART = re.compile(r"[^\w+]+|_+")
_HOST = re.compile(r"[a-z0-9_-]{1,63}", re.ASCII)
_LEGAL_FORMS = frozenset(
    {"ab", "ag", "bv", "co", "company", "corp", "corporation", "gmbh", "inc", "incorporated", "limited", "llc", "ltd"}
    | {"nv", "oy", "oyj", "plc", "sa", "sarl", "spa", "srl"}
)

MANUFACTURER_ALIASES: Mapping[str, str] = {
    "aruba networks": "aruba",
    "cisco systems": "cisco",
    "dell computer": "dell",
    "dell emc": "dell",
    "dell technologies": "dell",
    "extreme": "extreme networks",
    "hewlett packard": "hp",
    "hewlett packard enterprise": "hpe",
    "hp enterprise": "hpe",
    "huawei technologies": "huawei",
    "juniper networks": "juniper",
    "lenovo group": "lenovo",
    "palo alto": "palo alto networks",
    "super micro computer": "supermicro",
    "ubiquiti networks": "ubiquiti",
}
"""Bare name -> the bare name that it is kept under: what is shipped, below what a hub's people have said."""

SERIAL_PLACEHOLDERS = frozenset(
    {"0", "00000000", "12345678", "default string", "n a", "na", "no serial", "none", "not available", "not specified"}
    | {"null", "system serial number", "tbd", "to be filled by o e m", "unknown", "unspecified", "xxxxxxxx"}
)
"""Folded texts that devices and people enter where there is no serial."""

HOST_PLACEHOLDERS = frozenset(
    {"android", "computer", "default", "desktop", "host", "idrac-", "ilo", "iphone", "ipad", "laptop", "localhost"}
    | {
        "mac",
        "macbook",
        "monitor",
        "n-a",
        "na",
        "none",
        "notebook",
        "null",
        "pc",
        "phone",
        "printer",
        "router",
        "server",
    }
    | {"switch", "tbd", "test", "unassigned", "undefined", "unknown", "unnamed", "workstation"}
)
"""Host names that devices have until somebody gives them one, and words for kinds of devices."""


def fold(text: str) -> str:
    """Lower case, one space for any run of spaces and punctuation; `+` stays, it tells models apart."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return _APART.sub(" ", plain).strip() or plain.strip()


def bare_name(name: str) -> str:
    """A manufacturer's name folded and without its legal form."""
    words = fold(name).split()
    while len(words) > 1 and words[-1] in _LEGAL_FORMS:
        words.pop()
    return " ".join(words)


@dataclass(frozen=True, slots=True)
class Makers:
    """Under which key each manufacturer is kept.

    own: bare name -> key, as a hub's people have said; it goes above what is shipped, and nothing that it leads to is
    led on. As long as no own key is an own name, a key is its own key: to look it up once more changes nothing.
    """

    own: Mapping[str, str] = field(default_factory=dict)

    def key_of(self, name: str) -> str:
        """The key of a manufacturer that a source writes so."""
        bare = bare_name(name)
        if bare in self.own or bare in self.own.values():
            return self.own.get(bare, bare)
        shipped = MANUFACTURER_ALIASES.get(bare, bare)
        return self.own.get(shipped, shipped)


SHIPPED: Final = Makers()
"""Only what is shipped."""


def manufacturer_key(name: str, makers: Makers = SHIPPED) -> str:
    """A manufacturer's name for matching: folded, without its legal form, under its usual name."""
    return makers.key_of(name)


def product_key(key: ProductKey, makers: Makers = SHIPPED) -> tuple[str, str]:
    """(manufacturer, model) for matching; a model that repeats its manufacturer's name is taken without it."""
    manufacturer = makers.key_of(key.manufacturer)
    model = fold(key.model)
    for prefix in (manufacturer, fold(key.manufacturer)):
        shorter = model.removeprefix(f"{prefix} ")
        if shorter != model:
            return manufacturer, shorter
    return manufacturer, model


def possible_models(key: ProductKey) -> set[str]:
    """Every model that `product_key` may come to, whatever its manufacturer is kept under."""
    model = fold(key.model)
    words = model.split(" ")
    return {
        model,
        model.removeprefix(f"{fold(key.manufacturer)} "),
        *(" ".join(words[n:]) for n in range(1, min(len(words), _LONGEST_MAKER + 1))),
    }


_LONGEST_MAKER: Final = 5
"""Words of a manufacturer's key before a model that are looked for; no alias of one leads to a longer key."""


def serial_key(serial: str | None) -> str | None:
    """A serial as the hub keeps it: trimmed, upper case; None when it is a placeholder or empty."""
    return None if serial is None or fold(serial) in SERIAL_PLACEHOLDERS | {""} else serial.strip().upper()


def tag_key(asset_tag: str | None) -> str | None:
    """An asset tag as the hub keeps it: trimmed, upper case; None when it is empty."""
    return (asset_tag or "").strip().upper() or None


def host_names(name: str) -> tuple[str, ...]:
    """The ways in which a device may be written: as given, in either case, and without its domain."""
    words = (name.strip(), short_host_name(name))
    return tuple(dict.fromkeys(text for word in words for text in (word, word.lower(), word.upper()) if text))


def host_key(name: str | None) -> str | None:
    """A host name for matching: without its domain, lower case; None for an address, and for what names no one host.

    A host name is letters, digits, `-` and `_` (RFC 1123 section 2.1, with the underscore that Windows allows):
    "Reception printer" is a name for people.
    """
    short = short_host_name(name or "").lower()
    return short if _HOST.fullmatch(short) and not short.isdigit() and short not in HOST_PLACEHOLDERS else None


def short_host_name(name: str) -> str:
    """A host name without its domain; an address stays whole."""
    given = name.strip()
    first = given.split(".", 1)[0]
    return given if first.isdigit() else first
