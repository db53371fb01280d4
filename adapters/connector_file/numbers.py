"""Numbers as people write them, with a point or a comma, with or without groups of thousands."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal

_GROUP_SIGNS = re.compile(r"(?<=\d)[ \u00a0\u202f'’](?=\d{3}(?!\d))")
_PLAIN = re.compile(r"[+-]?\d+(\.\d+)?")
LONGEST_NUMBER = 40


class Ambiguous(ValueError):  # noqa: N818 - says what is so
    """A number that can be read in two ways; the text says what to write."""


def read_number(text: str, *, decimal: Literal[".", ","] | None = None, groups: bool = True) -> Decimal:
    """The number that a text writes.

    decimal: the decimal sign if it is known, the other sign then being one of groups. groups: whether groups of
    thousands may occur; where they cannot, one sign is always the decimal sign.
    Raises Ambiguous for `1,200` when nothing tells what the comma is; ValueError for what is no number.
    """
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"{text[:LONGEST_NUMBER]!r}… is no number")
    plain = _GROUP_SIGNS.sub("", text.strip()) if groups else text.strip()
    sign = decimal or _decimal_sign(plain, groups=groups)
    if sign is not None:
        whole, _, part = plain.partition(sign) if plain.count(sign) <= 1 else (plain, "", "")
        other = "," if sign == "." else "."
        plain = _ungrouped(whole, other) + (f".{part}" if part else "")
    else:
        plain = _ungrouped(_ungrouped(plain, ","), ".")
    if not _PLAIN.fullmatch(plain):
        raise ValueError(f"{text!r} is no number")
    return Decimal(plain)


def _decimal_sign(text: str, *, groups: bool) -> Literal[".", ","] | None:
    """The later of the two signs, or the only one where it occurs once; None where there is no decimal part."""
    points, commas = text.count("."), text.count(",")
    if points and commas:
        return "." if text.rindex(".") > text.rindex(",") else ","
    if points + commas != 1:
        return None
    sign: Literal[".", ","] = "." if points else ","
    if groups and re.fullmatch(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", text):
        digits = text.replace(sign, "")
        raise Ambiguous(
            f"{digits} or {text.replace(',', '.')}0, whichever is meant: a sign before three digits can be either "
            "(or say which sign is decimal in the settings: decimal)"
        )
    return sign


def _ungrouped(text: str, sign: str) -> str:
    """Without the signs between groups of three digits; a sign elsewhere stays, and makes it no number."""
    return text.replace(sign, "") if re.fullmatch(rf"[+-]?\d{{1,3}}(\{sign}\d{{3}})+", text) else text
