"""Lists by numbered pages, which change while they are read."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.sdk import InvalidRecord, UnexpectedResponse
from connector.sdk.rest import Listing, ListWalk, NumberedPage, PageWalk, cut_at
from connector.sdk.ticket_fields import units_wanted


class Numbers:
    """Rows of a server, in its order. then: what happens to them after each answer."""

    def __init__(self, *numbers: int, then: Callable[[list[int]], None] = lambda _: None) -> None:
        self.numbers = list(numbers)
        self.then = then
        self.asked: list[tuple[int, int]] = []

    async def page(self, number: int, size: int) -> NumberedPage:
        self.asked.append((number, size))
        start = (number - 1) * size
        rows = [{"id": each} for each in self.numbers[start : start + size]]
        is_last = start + size >= len(self.numbers)
        self.then(self.numbers)
        return NumberedPage(rows, is_last)

    async def part(self, newest: bool, offset: int, limit: int) -> Listing:
        """Along the ids, of a system that only tells whether more follows."""
        assert not newest
        cut = cut_at(offset, min(limit, 20))
        page = await self.page(cut.number, cut.size)
        rows = page.rows[cut.skip :]
        return Listing(rows, offset + len(rows) + (not page.is_last))


async def read(walk: PageWalk) -> list[int]:
    return [row["id"] async for rows in walk.rows() for row in rows]


@given(st.integers(0, 30_000), st.integers(20, 100))
def test_a_cut_shows_the_row_at_the_offset_and_more(offset: int, most: int) -> None:
    cut = cut_at(offset, most)

    assert (cut.number - 1) * cut.size + cut.skip == offset
    assert cut.skip + 5 <= cut.size <= most


async def test_each_page_begins_with_the_last_row_of_the_page_before() -> None:
    server = Numbers(*range(12))

    assert await read(PageWalk(server.page, 5, "read")) == list(range(12))
    assert server.asked == [(1, 5), (2, 4), (2, 5), (3, 4)]


@pytest.mark.parametrize("gone", [(0,), (0, 1, 2), (4,), (3, 4), (0, 1, 2, 3, 4)])
async def test_no_row_is_passed_over_where_rows_before_the_place_go_away(gone: tuple[int, ...]) -> None:
    def remove(numbers: list[int]) -> None:
        numbers[:] = [each for each in numbers if each not in gone]

    server = Numbers(*range(12), then=remove)

    assert sorted(set(await read(PageWalk(server.page, 5, "read"))))[-7:] == [5, 6, 7, 8, 9, 10, 11]


async def test_a_walk_goes_on_where_another_stopped_though_the_row_it_stopped_at_is_gone() -> None:
    server = Numbers(*range(20))
    walk = PageWalk(server.page, 5, "read")
    rows = walk.rows()
    await anext(rows)
    await anext(rows)
    await rows.aclose()
    assert walk.last is not None
    rest = set(range(walk.last + 1, 20))
    server.numbers.remove(walk.last)

    again = await read(PageWalk(server.page, 5, "read", offset=walk.offset, last=walk.last))

    assert rest <= set(again)


async def test_a_list_that_runs_away_is_given_up() -> None:
    def renew(numbers: list[int]) -> None:
        numbers[:] = range(numbers[0] + 1000, numbers[0] + 2000)

    server = Numbers(*range(1000), then=renew)

    with pytest.raises(UnexpectedResponse, match="change faster than they can be read"):
        await read(PageWalk(server.page, 5, "read", offset=800, last=799))


@pytest.mark.parametrize("after", [-1, 0, 1, 2, 3, 30, 61, 98, 99, 150])
async def test_a_place_is_found_where_the_total_is_not_told(after: int) -> None:
    server = Numbers(*range(100))
    walk = ListWalk(server.part, 20, "list", "read")

    rows = [row["id"] async for page in walk.along_ids(after) for row in page]

    assert rows == list(range(after + 1, 100))
    assert walk.total == 100


def test_units_are_a_number_up_to_ten_thousand_or_nobody_said_so() -> None:
    assert units_wanted(None, ticket="ticket 1", field="n", path="/n") is None
    assert units_wanted("10000", ticket="ticket 1", field="n", path="/n") == 10_000
    for wrong in ("0", "10001", "two", "²", "-1"):
        with pytest.raises(InvalidRecord, match="number from 1 to 10000"):
            units_wanted(wrong, ticket="ticket 1", field="n", path="/n")
