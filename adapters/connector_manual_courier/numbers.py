"""Tracking numbers of one's own: letters of the source, twelve digits, two check digits. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from connector.sdk import IdempotencyKey
from connector.sdk.codes import check_digits, digits_fit

DIGITS = 12
FORM = re.compile(rf"[A-Z]{{1,4}}\d{{{DIGITS + 2}}}", re.ASCII)


def numbers_for(key: IdempotencyKey, prefix: str) -> Iterator[str]:
    """The numbers that a parcel of this key may have, the same each time: the first that no other parcel has."""
    turn = 0
    while True:
        digest = hashlib.sha256(f"{turn}\x1f{key}".encode()).digest()
        body = f"{prefix}{int.from_bytes(digest) % 10**DIGITS:0{DIGITS}}"
        yield body + check_digits(body)
        turn += 1


def read_number(text: str) -> str | None:
    """A number as people type it, or None: spaces, hyphens and case do not matter, a wrong digit is noticed."""
    number = re.sub(r"[\s-]", "", text).upper()
    return number if FORM.fullmatch(number) and digits_fit(number) else None
