from __future__ import annotations

from collections.abc import Sequence

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.rules.sourcing.many_hubs import FEW, hubs_of, recorded_hubs


def kept(hubs: Sequence[int]) -> Sequence[int]:
    """As the database gives it back."""
    return hubs_of(orjson.loads(orjson.dumps(recorded_hubs(hubs))))


@given(st.lists(st.integers(1, 2**53 - 1), max_size=3 * FEW) | st.lists(st.integers(1, 20 * FEW), max_size=3 * FEW))
def test_no_shelf_is_lost_or_told_twice(hubs: list[int]):
    assert sorted(kept(hubs)) == sorted(hubs)


def test_the_order_of_a_few_stays():
    assert kept([7, 3, 3, 9]) == [7, 3, 3, 9]


def test_thousands_of_shelves_take_less_room_than_a_letter():
    hubs = [hub for hub in range(1, 6_000) if hub % 3] * 2

    assert len(orjson.dumps(recorded_hubs(hubs))) < 2_100 < len(orjson.dumps(hubs)) / 15


def test_ids_far_apart_are_written_out():
    hubs = [1_000 * number for number in range(1, 2 * FEW)]

    assert recorded_hubs(hubs) == hubs


@pytest.mark.parametrize("times", [8, 9, 300])
def test_a_hub_that_has_many_shelves_is_told_once_per_shelf(times: int):
    hubs = [*range(1, 2 * FEW), *[7] * (times - 1)]

    assert sorted(kept(hubs)) == sorted(hubs)
    assert isinstance(recorded_hubs(hubs), dict) == (times <= 8)
