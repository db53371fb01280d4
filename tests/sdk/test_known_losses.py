"""Losses that other connectors had are named cases of the kit, each with the public thread that tells of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connector.sdk.testing.check import Check
from connector.sdk.testing.checks import ALL_CHECKS, losing

PAGE = Path(__file__).parents[2] / "docs" / "adapter-quality.md"
NAMED = {
    "equal times at a page boundary": 16,
    "a cap that ends a list silently": 46,
    "offsets that move under deletions": 17,
    "events lost between webhook and pull": 51,
    "doubles by the overlap": 53,
    "clocks that differ": 49,
    "deletions never seen": 18,
    "the cursor's time zone": 50,
    "an empty page that is not the end": 47,
    "a cursor ahead of what is stored": 14,
    "a list without end": 48,
    "an error that ends a list quietly": 26,
    "the first page taken for all": 10,
    "an order that is not that of the cursor": 52,
    "a snapshot resumed in its middle": 54,
    "one null that ends a sync": 55,
    "a record from the future": 56,
}


@pytest.mark.parametrize("loss", NAMED)
def test_each_loss_has_a_check_that_names_where_it_was_seen(loss: str):
    (check,) = [check for check in ALL_CHECKS if check.number == NAMED[loss]]

    assert check.seen_in
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", thread) for thread in check.seen_in)
    for thread in check.seen_in:
        assert f"[{thread}](https://github.com/" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("check", losing.CHECKS, ids=lambda check: check.name)
def test_every_case_of_its_own_says_where_it_comes_from(check: Check):
    assert check.seen_in
    assert check.number in NAMED.values()
