"""All objects of a query, along their ids.

OQL has no ORDER BY, and `limit` and `page` cut a list that is sorted by the objects' names: names that are equal have
no order, and pages move while people work. But every answer says how many objects fit the whole query. So ids are
asked for in ranges, and a range of which more fit than are shown is asked for again in parts. What was seen is then
exact, whatever the order.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from connector.sdk import UnexpectedResponse
from connector.sdk.rest import ListedRow
from connector_itop.client import Found

AskRange: TypeAlias = Callable[[str, int], Awaitable[Found]]
"""Objects that fit a condition on their ids, at most so many."""
GROWTH = 4
HIGHEST = 2**63
"""No id is higher."""


@dataclass(frozen=True)
class IdWalk:
    """Walks one query. size: objects that one answer shows, at most."""

    ask: AskRange
    size: int

    async def objects(self, after: int = 0) -> AsyncGenerator[list[ListedRow], None]:
        """Those behind an id, by their ids, at most `size` at once; the next are asked for when they are wanted."""
        width, left = self.size, 0
        while True:
            if left <= self.size:  # all that is left may fit, and if not, it is counted
                found = await self.ask(f"id > {after}", self.size)
                left = found.total
                if left <= len(found.rows):
                    if found.rows:
                        yield _sorted(found.rows)
                    return
            found = await self.ask(f"id > {after} AND id <= {after + width}", self.size)
            if found.total > len(found.rows):
                if width == 1:
                    raise _nonsense(found)
                width = max(1, width * len(found.rows) // (2 * found.total))
                continue
            after, left = after + width, left - found.total
            if not found.rows:
                left = 0  # some may have gone meanwhile: count again
            if 2 * found.total <= self.size:
                width *= GROWTH if not found.rows else 2
            if found.rows:
                yield _sorted(found.rows)

    async def last(self) -> list[ListedRow]:
        """The objects with the highest ids, at most `size`; found by halving, since no order can be asked for."""
        found = await self.ask("id > 0", self.size)
        low, high = 0, self.size
        while found.total > len(found.rows):
            if high > HIGHEST:
                raise _nonsense(found)
            found = await self.ask(f"id > {high}", self.size)
            if found.total > len(found.rows):
                low, high = high, high * GROWTH
        while not found.rows and high - low > 1:
            middle = (low + high) // 2
            found = await self.ask(f"id > {middle}", self.size)
            if found.total > len(found.rows):
                low, found = middle, Found([], found.total)
            else:
                high = middle
        return _sorted(found.rows)


def _sorted(rows: list[ListedRow]) -> list[ListedRow]:
    return sorted(rows, key=lambda row: int(row["id"]))


def _nonsense(found: Found) -> UnexpectedResponse:
    return UnexpectedResponse(
        f"iTop says that {found.total} objects fit a range of ids, and shows {len(found.rows)} whatever the range is",
        operation="pull", hint="Compare it with the API version in the adapter's README.",
    )  # fmt: skip
