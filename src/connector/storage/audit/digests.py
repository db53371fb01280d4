"""What the links of the chain are made of: the digest of a change, and that of a link."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import orjson

from connector.storage.tables import change

SALT: Final = 16
DIGEST: Final = 32
NOTHING: Final = bytes(DIGEST)
"""In place of the digest of a change that was not there when its position was sealed."""
BEGINNING: Final = NOTHING.hex()
"""What the first link names as the one before."""

SEALED: Final = tuple(
    change.c[name] for name in ("position", "id", "kind", "entity_id", "operation", "fields", "actor", "cause", "at")
)
"""The columns of a change that its digest is of: all that there are."""
_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z


def digest_of_change(values: Iterable[Any], salt: bytes) -> bytes:
    """SHA-256 of a salt and of a change, as JSON: the list of its `SEALED`, the names within `fields` in order."""
    return sha256(salt + orjson.dumps(list(values), option=_OPTIONS)).digest()


def digest_of_seal(*, number: int, first: int, last: int, digests: bytes, previous: str, sealed_at: datetime) -> str:
    """SHA-256 of what a link says and of the link before it, hexadecimal. The salts are no part of it."""
    said = [number, first, last, previous, sealed_at]
    return sha256(orjson.dumps(said, option=_OPTIONS) + digests).hexdigest()
