"""Answers that need no database: what a query answered, for as long as the change log says that it still holds.

An answer is kept with the length that the log had before it was read, and with the kinds of change that can make it
another. It is given again only when a look at the log, begun after it was asked for, finds none of those since. So it
is never older than what anybody was told is done before they asked, in whichever process that was; time plays no part.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import orjson

from connector.api.answer import PART_FOR_CODINGS, Answer
from connector.model.refs import EntityKind
from connector.storage.database.growth import LogGrowth
from connector.storage.query import Sight

MOST_KEPT: Final = 2_000
MOST_BYTES: Final = 32_000_000
LARGEST_SHARE: Final = 8
"""An answer that would take more than such a part of all bytes is not kept: it would push too many others out."""
OVERHEAD: Final = 700
"""Bytes that an answer takes beside its own, its query's and its variables'."""

Key: TypeAlias = tuple[str, str | None, bytes, Sight, str, bool]
"""Document, operation, variables as JSON, sight, address by which the hub was called, whether its cost is told."""


def key_of(
    query: str, operation: str | None, variables: Mapping[str, Any] | None, sight: Sight, address: str, *, told: bool
) -> Key:
    """What an answer is kept by."""
    return query, operation, _trimmed(orjson.dumps(variables or {}, option=orjson.OPT_SORT_KEYS)), sight, address, told


def _trimmed(written: bytes) -> bytes:
    """The bytes without the memory behind them that orjson leaves there, which is as much again."""
    return bytes(memoryview(written))


@dataclass(frozen=True, slots=True)
class _Kept:
    """length: that of the log at some look before it was read."""

    answer: Answer
    length: int
    size: int


class KeptAnswers:
    """The answers that were last given, up to a number of them and of bytes; those not asked for longest go first."""

    def __init__(self, growth: LogGrowth, *, most: int = MOST_KEPT, most_bytes: int = MOST_BYTES) -> None:
        self._growth = growth
        self._most = most
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self.bytes = 0
        """That are taken now."""

    def __len__(self) -> int:
        return len(self._kept)

    async def answer(self, key: Key, kinds: frozenset[EntityKind], read: Callable[[], Awaitable[bytes]]) -> Answer:
        """The answer that is kept, if it still holds; else the one that is read, which is kept then.

        kinds: of change without which it stays as it is. Raises NotAnswered when the log cannot be looked at.
        """
        if key in self._kept or self._growth.length is None:
            await self._growth.look()
        found = self._kept.get(key)
        if found is not None and self._growth.is_same(kinds, found.length):
            self._kept.move_to_end(key)
            return found.answer
        length = self._growth.length or 0
        answer = Answer(_trimmed(await read()))
        self._keep(key, answer, length)
        return answer

    def _keep(self, key: Key, answer: Answer, length: int) -> None:
        self._drop(key)
        size = OVERHEAD + len(answer.body) + len(answer.body) // PART_FOR_CODINGS + len(key[0]) + len(key[2])
        if size > self._most_bytes // LARGEST_SHARE:
            return
        self._kept[key] = _Kept(answer, length, size)
        self.bytes += size
        while len(self._kept) > self._most or self.bytes > self._most_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Key) -> None:
        dropped = self._kept.pop(key, None)
        if dropped is not None:
            self.bytes -= dropped.size
