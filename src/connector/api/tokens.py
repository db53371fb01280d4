"""Tokens of keys that the hub makes: what they look like, and the digest that is kept of them."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from typing import Final
from zlib import crc32

PREFIX: Final = "cnk_"
PATTERN: Final = re.compile(r"cnk_[0-9A-Za-z]{36}", re.ASCII)
"""By which a secret scanner finds them; the last six signs are a checksum of the thirty before."""
START: Final = 10
"""So many signs of a token are shown to tell keys apart."""

_SIGNS: Final = string.digits + string.ascii_letters
_SECRET, _CHECK = 30, 6


def new_token() -> str:
    """A token that nobody can guess: 30 signs of 62, which is 178 bits, and their checksum."""
    secret = "".join(secrets.choice(_SIGNS) for _ in range(_SECRET))
    return f"{PREFIX}{secret}{_checksum(secret)}"


def is_token(text: str) -> bool:
    """Whether a text is written as tokens are, checksum included."""
    if PATTERN.fullmatch(text) is None:
        return False
    secret = text.removeprefix(PREFIX)[:_SECRET]
    return text.endswith(_checksum(secret))


def digest_of(token: str) -> str:
    """SHA-256, hexadecimal. Tokens have so many bits that a slow hash would guard nothing."""
    return hashlib.sha256(token.encode()).hexdigest()


def _checksum(secret: str) -> str:
    number, signs = crc32(secret.encode()), ""
    for _ in range(_CHECK):
        number, place = divmod(number, len(_SIGNS))
        signs = _SIGNS[place] + signs
    return signs
