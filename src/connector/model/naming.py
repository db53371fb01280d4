"""Names as different systems write them, folded so that the same thing compares equal.

Folded names are for matching only; people are shown the name as its source writes it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from connector.model.records import ProductKey

_APART = re.compile(r"[^\w+]+|_+")
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
"""Folded name, without legal form -> the folded name that it is kept under."""

SERIAL_PLACEHOLDERS = frozenset(
    {"0", "00000000", "12345678", "default string", "n a", "na", "no serial", "none", "not available", "not specified"}
    | {"null", "system serial number", "tbd", "to be filled by o e m", "unknown", "unspecified", "xxxxxxxx"}
)
"""Folded texts that devices and people enter where there is no serial."""


def fold(text: str) -> str:
    """Lower case, one space for any run of spaces and punctuation; `+` stays, it tells models apart."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return _APART.sub(" ", plain).strip() or plain.strip()


def manufacturer_key(name: str) -> str:
    """A manufacturer's name for matching: folded, without its legal form, under its usual name."""
    words = fold(name).split()
    while len(words) > 1 and words[-1] in _LEGAL_FORMS:
        words.pop()
    key = " ".join(words)
    return MANUFACTURER_ALIASES.get(key, key)


def product_key(key: ProductKey) -> tuple[str, str]:
    """(manufacturer, model) for matching; a model that repeats its manufacturer's name is taken without it."""
    manufacturer = manufacturer_key(key.manufacturer)
    model = fold(key.model)
    for prefix in (manufacturer, fold(key.manufacturer)):
        shorter = model.removeprefix(f"{prefix} ")
        if shorter != model:
            return manufacturer, shorter
    return manufacturer, model


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


def short_host_name(name: str) -> str:
    """A host name without its domain; an address stays whole."""
    given = name.strip()
    first = given.split(".", 1)[0]
    return given if first.isdigit() else first
