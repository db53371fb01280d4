"""Lists without an order are read by ranges of ids."""

from __future__ import annotations

import random

import pytest

from connector_itop.client import Found
from connector_itop.walking import IdWalk


class Objects:
    """Answers as iTop does: whichever it likes, and how many there are."""

    def __init__(self, ids: set[int]) -> None:
        self.ids = ids
        self.asked = 0

    async def __call__(self, condition: str, limit: int) -> Found:
        self.asked += 1
        words = condition.split()
        above, until = int(words[2]), int(words[6]) if len(words) > 3 else max(self.ids, default=0)
        fit = [each for each in self.ids if above < each <= until]
        random.Random(self.asked).shuffle(fit)  # noqa: S311 - any order
        return Found([{"id": each} for each in fit[:limit]], len(fit))


SPARSE = {7, 1000, 1001, 1002, 1003, 1004, 50_000, 900_000, 900_001}


@pytest.mark.parametrize("ids", [set(), {3}, set(range(1, 6)), set(range(1, 7)), set(range(1, 60)), SPARSE])
async def test_every_object_comes_once_in_the_order_of_the_ids_and_at_most_a_page_at_once(ids: set[int]):
    pages = [[row["id"] for row in page] async for page in IdWalk(Objects(ids), 5).objects()]

    assert [each for page in pages for each in page] == sorted(ids)
    assert all(0 < len(page) <= 5 for page in pages)


async def test_a_walk_goes_on_behind_an_id_and_sees_what_is_added_behind_it():
    objects = Objects(set(range(1, 31)))
    walked = IdWalk(objects, 5).objects(10)
    first = await anext(walked)
    objects.ids -= {15, 16, 17, 18, 19, 20}
    objects.ids.add(99)
    rest = [row["id"] async for page in walked for row in page]

    assert [row["id"] for row in first] == [11, 12, 13, 14, 15]
    assert rest == [*range(21, 31), 99]


async def test_a_long_list_costs_little_more_than_its_pages():
    objects = Objects(set(range(1, 2001)))
    pages = [page async for page in IdWalk(objects, 100).objects()]

    assert (len(pages), objects.asked) == (20, 21)


@pytest.mark.parametrize("ids", [set(), {3}, set(range(1, 6)), set(range(1, 60)), SPARSE, {4, 1_000_000}])
async def test_the_last_objects_are_found_by_halving(ids: set[int]):
    objects = Objects(ids)
    last = [row["id"] for row in await IdWalk(objects, 5).last()]

    assert last == sorted(ids)[-len(last) :] if ids else last == []
    assert last or not ids
    assert objects.asked < 40
