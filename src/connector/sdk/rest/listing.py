"""Lists that are cut into parts by offset, walked along their ids.

There is no filter by time or id, and offsets move while rows come and go. In the order of the ids a page is exact all
the same: where its first row is not behind the last that was read, nothing lies between. Where it is, rows before it
are gone, and the place is looked for anew by halving.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from connector.sdk.errors import UnexpectedResponse

MOST_SEARCHES = 20
"""Times that a place is looked for anew in one walk."""

ListedRow: TypeAlias = dict[str, Any]
"""A row with a whole number as `id`."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A part of a list. total: of the whole list, as it was then.

    Where the system only tells whether more follows, it is one more than was shown up to there.
    """

    rows: list[ListedRow]
    total: int


AskForPart: TypeAlias = Callable[[bool, int, int], Awaitable[Listing]]
"""A part: latest change first, or else along the ids; offset; limit, which the system may undercut."""


@dataclass
class ListWalk:
    """One list. name: for people. hint: of a list that does not go on. seen: rows that were read. total: at last."""

    ask: AskForPart
    size: int
    name: str
    operation: str
    hint: str = ""
    seen: int = 0
    total: int = 0
    _first: int | None = None

    async def newest(self) -> list[ListedRow]:
        """The rows that changed last, latest first: one page, true to one instant."""
        listing = await self.ask(True, 0, self.size)
        self.total = listing.total
        return listing.rows

    async def along_ids(self, after: int | None = None) -> AsyncGenerator[list[ListedRow], None]:
        """Rows behind an id, at most a page at once. Raises UnexpectedResponse where the list does not go on."""
        offset, last, searches = 0, -1, 0
        if after is not None:
            last, offset = after, await self._place_behind(after)
        while True:
            start = max(0, offset - 1)
            rows = await self._part(start, self.size + (offset - start))
            ids = [row_number(row, self.operation) for row in rows]
            is_gapless = start == 0 or (bool(ids) and ids[0] <= last)
            fresh = [row for row, number in zip(rows, ids, strict=True) if number > last]
            is_end = start + len(rows) >= self.total
            if is_gapless and (fresh or is_end):
                self.seen += len(fresh)
                if fresh:
                    last = ids[-1]
                    yield fresh
                if is_end:
                    return
                offset = start + len(rows)
                continue
            searches += 1
            if searches > MOST_SEARCHES:
                raise self._stuck()
            offset = await self._place_behind(last)

    async def _place_behind(self, last: int) -> int:
        """How many rows have no greater id, at the moment; found with about as many requests as the total has bits."""
        await self._part(0, 1)
        low, high, is_bound = 0, self.total, False
        while low < high or (not is_bound and low < self.total):
            if low == high:  # the total was not that of the whole list
                high = 2 * low
            middle = (low + high) // 2
            rows = await self._part(middle, 1)
            if rows and row_number(rows[0], self.operation) <= last:
                low = middle + 1
            else:
                high, is_bound = middle, True
        return low

    async def _part(self, offset: int, limit: int) -> list[ListedRow]:
        listing = await self.ask(False, offset, limit)
        self.total = listing.total
        if listing.rows:
            number = row_number(listing.rows[0], self.operation)
            if offset == 0:
                self._first = number
            elif number == self._first:
                raise self._stuck()
        return listing.rows

    def _stuck(self) -> UnexpectedResponse:
        return UnexpectedResponse(
            f"{self.operation}: {self.name} does not go on behind row {self.seen} of {self.total}",
            operation=self.operation,
            hint=self.hint,
        )


def row_number(row: ListedRow, operation: str) -> int:
    """A row's id. Raises UnexpectedResponse: without it nothing can be walked along."""
    number = row.get("id")
    if isinstance(number, int) and not isinstance(number, bool):
        return number
    raise UnexpectedResponse(f"{operation}: a row has the id {number!r:.60}", operation=operation)
