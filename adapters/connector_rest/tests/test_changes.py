"""Lists of changes, paged in the ways in which rows can move."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from connector.sdk import Invalid, Transient
from connector.sdk.testing import ids

from .conftest import Source, document, listed, row

SAME = "2026-03-01T10:00:00Z"


class ByNumber:
    """A list that is paged by number. gone: the row that leaves when page `leaves` was read, each time anew."""

    def __init__(self, count: int) -> None:
        self.rows: list[dict[str, Any]] = [row(number, SAME) for number in range(1, count + 1)]
        self.moves = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        number, since = int(request.url.params["p"]), request.url.params.get("since", "")
        rows = sorted((each for each in self.rows if each["at"] >= since), key=lambda each: each["at"])
        answer = listed(*rows[2 * number - 2 : 2 * number], total=len(rows))
        if number == 1 and since and self.moves:
            self.moves -= 1
            self.touch(rows[0])
        return answer

    def touch(self, changed: dict[str, Any]) -> None:
        """The row changes, and goes to the end of the list."""
        changed["at"] = f"2026-03-01T11:00:{59 - self.moves:02}Z"


def paged(**changes: Any) -> dict[str, Any]:
    pages = {"kind": "page", "param": "p", "size": 2, "total": "total"}
    return document(pages=pages, changes={"param": "since", **changes})


async def test_a_row_that_moves_to_the_page_before_is_not_lost():
    desk = ByNumber(7)
    desk.moves = 1
    source = Source(desk, paged())

    assert sorted(set(ids(await source.pull()))) == ["1", "2", "3", "4", "5", "6", "7"]


async def test_a_list_that_never_stands_still_is_read_another_time():
    desk = ByNumber(30)
    desk.moves = 25
    source = Source(desk, paged())

    with pytest.raises(Transient, match="rows move faster than their pages can be read"):
        await source.pull()


async def test_a_source_in_which_nothing_happens_is_asked_no_longer_for_the_window():
    desk = ByNumber(1)
    source = Source(desk, paged())

    since = None
    for _ in range(3):
        since = (await source.pull(since=since))[-1].resume
        source.clock.advance(timedelta(minutes=6))
    source.sent.clear()
    await source.pull(since=since)

    assert [request.url.params["since"] for request in source.sent] == [SAME]


async def test_a_list_that_leaves_the_very_time_out_is_asked_from_a_second_before():
    source = Source(ByNumber(1), paged(inclusive=False, overlap="PT0S", value="gt:{time}"))

    end = (await source.pull())[-1].resume
    source.sent.clear()
    await source.pull(since=end)

    assert source.sent[0].url.params["since"] == "gt:2026-03-01T09:59:59Z"


@pytest.mark.parametrize("cursor", ["x", "[]", '{"token": 1}', '{"at": "yesterday"}', "1"])
async def test_a_cursor_of_somebody_else_is_refused(cursor: str):
    source = Source(ByNumber(1), paged())

    with pytest.raises(Invalid, match="is not one of the REST adapter"):
        await source.pull(since=cursor)
