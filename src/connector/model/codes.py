"""Codes that stand on paper: a scanner reads them, or a person types them, and a misreading is noticed.

`R-4711-77` is a letter for the kind, the hub's number of the thing, and two check digits (ISO/IEC 7064, MOD 97-10, as
in bank account numbers), which find every single wrong digit and every two neighbours that changed places.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from connector.model.refs import EntityKind

LETTERS: Final[Mapping[EntityKind, str]] = {
    EntityKind.RESERVATION: "R",
    EntityKind.TASK: "T",
    EntityKind.APPROVAL: "A",
    EntityKind.RMA: "M",
}
"""The kinds of thing that codes are about."""
_KINDS: Final = {letter: kind for kind, letter in LETTERS.items()}
_CODE: Final = re.compile(r"([A-Z])[\s-]*(\d{1,18})[\s-]+(\d{2})")


def code_of(kind: EntityKind, number: int) -> str:
    """The code of a thing."""
    letter = LETTERS[kind]
    return f"{letter}-{number}-{check_digits(f'{letter}{number}')}"


def read_code(text: str) -> tuple[EntityKind, int]:
    """What a code is about. Upper and lower case, and what separates its parts, do not matter. Raises ValueError."""
    match = _CODE.fullmatch(text.strip().upper())
    if match is None or match[1] not in _KINDS:
        letters = ", ".join(sorted(_KINDS))
        raise ValueError(f"code {text!r} cannot be read: it is a letter ({letters}), a number and two check digits")
    if not digits_fit("".join(match.groups())):
        raise ValueError(f"code {text!r} was misread: its check digits do not fit, look at the paper again")
    return _KINDS[match[1]], int(match[2])


def check_digits(text: str) -> str:
    """The two digits that vouch for digits and letters from A (10) to Z (35) before them (ISO/IEC 7064, MOD 97-10)."""
    return f"{98 - _value(f'{text}00') % 97:02}"


def digits_fit(text: str) -> bool:
    """Whether digits and letters end in the check digits of what is before them."""
    return _value(text) % 97 == 1


def _value(text: str) -> int:
    return int("".join(str(int(sign, 36)) for sign in text))
