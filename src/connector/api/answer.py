"""The JSON of an answer, with what is worked out of it once."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

PART_FOR_CODINGS: Final = 4
"""What an answer is in codings may take this part of its own length. Compressed it is a sixth of it or less."""


class Answer:
    """The JSON of an answer. encoded: coding -> what it is in that."""

    __slots__ = ("_tag", "body", "encoded")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.encoded: dict[str, bytes] = {}
        self._tag: str | None = None

    @property
    def tag(self) -> str:
        """Its entity tag."""
        if self._tag is None:
            self._tag = f'"{blake2b(self.body, digest_size=16).hexdigest()}"'
        return self._tag

    def remember(self, coding: str, encoded: bytes) -> None:
        """Hold what it is in a coding, as long as all of them take no more than a part of the answer itself."""
        if sum(map(len, self.encoded.values())) + len(encoded) <= len(self.body) // PART_FOR_CODINGS:
            self.encoded[coding] = encoded
