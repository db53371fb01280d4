"""Lists that are cut into pages by number: any part of them, and a walk that no removal makes pass over a row.

Rows go away while a list is read, and what comes behind moves up, over the edge of a page. So each page is asked for
such that it begins with a row that was read already; where it does not, the place is looked for among the last rows
that were. The list's order must stay as it is; which it is does not matter.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from connector.sdk.errors import UnexpectedResponse
from connector.sdk.rest.listing import MOST_SEARCHES, ListedRow, row_number


class Cut(NamedTuple):
    """A page that has the row of an offset. number: from 1. size: of the page. skip: rows of it before the offset."""

    number: int
    size: int
    skip: int


def cut_at(offset: int, most: int) -> Cut:
    """The page of at most `most` rows that shows most of what comes at an offset and behind it.

    With 20 or more it is always more than the row at the offset.
    """
    size = max(range(1, most + 1), key=lambda each: (each - offset % each, each))
    return Cut(offset // size + 1, size, offset % size)


class NumberedPage(NamedTuple):
    """Rows of one page, and whether it is the last."""

    rows: list[ListedRow]
    is_last: bool


AskForPage: TypeAlias = Callable[[int, int], Awaitable[NumberedPage]]
"""A page by its number, from 1, and its size."""


@dataclass
class PageWalk:
    """One list. operation: for people.

    offset, last: where it stopped: how many rows there were up to the last one read, and its id.
    """

    ask: AskForPage
    size: int
    operation: str
    offset: int = 0
    last: int | None = None
    _recent: list[int] = field(default_factory=list)

    async def rows(self) -> AsyncGenerator[list[ListedRow], None]:
        """All rows, or those behind where it stopped, at most a page at once; `offset` and `last` go along.

        A row that comes into the list behind its back, before the place, is not shown. Raises UnexpectedResponse where
        the place is not found again.
        """
        self._recent = [] if self.last is None else [self.last]
        searches = stalls = 0
        while True:
            start = max(0, self.offset - 1) if self._recent else 0
            cut = cut_at(start, self.size)
            page = await self.ask(cut.number, cut.size)
            here = start - cut.skip
            found = self._place_in(page.rows)
            if found is None and here > 0:
                searches += 1
                if searches > MOST_SEARCHES:
                    raise UnexpectedResponse(
                        f"{self.operation}: the rows of the list change faster than they can be read",
                        operation=self.operation, hint="The next pull begins again.",
                    )  # fmt: skip
                self.offset = max(0, self.offset - self.size)
                continue
            fresh = page.rows[found or 0 :]
            stalls = 0 if fresh or page.is_last else stalls + 1
            if stalls > MOST_SEARCHES:
                raise UnexpectedResponse(
                    f"{self.operation}: page {cut.number} of {cut.size} has {len(page.rows)} rows, none of them new, "
                    "and is not the last",
                    operation=self.operation, hint="The system may give shorter pages: lower the source's page_size.",
                )  # fmt: skip
            self.offset = here + len(page.rows)
            if fresh:
                self._recent = [*self._recent, *(row_number(row, self.operation) for row in fresh)][-2 * self.size :]
                self.last = self._recent[-1]
                yield fresh
            if page.is_last:
                return

    def _place_in(self, rows: list[ListedRow]) -> int | None:
        """How many rows of a page were read: up to the one that was read last of those that are there."""
        numbers = [row_number(row, self.operation) for row in rows]
        for number in reversed(self._recent):
            if number in numbers:
                return numbers.index(number) + 1
        return None if self._recent else 0
