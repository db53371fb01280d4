from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime

import pytest

from connector.sdk import Batch, EntityKind, InvalidRecord, SourceRef, Tombstone, UnexpectedResponse
from connector.sdk.ahead import MOST_REPEATS, going_on, read_ahead


class Pages:
    """Gives numbered pages and remembers what was asked of it, and by which tasks."""

    def __init__(self, count: int, failure: Exception | None = None) -> None:
        self.count = count
        self.failure = failure
        self.begun = 0
        self.is_closed = False
        self.tasks: set[asyncio.Task[object] | None] = set()

    async def read(self) -> AsyncGenerator[int, None]:
        try:
            for page in range(self.count):
                self.begun += 1
                self.tasks.add(asyncio.current_task())
                await asyncio.sleep(0)
                yield page
            if self.failure is not None:
                raise self.failure
        finally:
            self.tasks.add(asyncio.current_task())
            self.is_closed = True


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.mark.parametrize("count", [0, 1, 7])
async def test_every_item_comes_once_and_in_order(count: int):
    pages = Pages(count)

    assert [page async for page in read_ahead(pages.read())] == list(range(count))
    assert pages.is_closed


async def test_the_next_is_read_while_one_is_in_use_and_no_more_than_that():
    pages = Pages(9)
    async with aclosing(read_ahead(pages.read())) as ahead:
        for used in range(1, 4):
            await anext(ahead)
            await settle()
            assert pages.begun == used + 1


async def test_a_failure_comes_after_what_was_given_before_it():
    pages = Pages(2, RuntimeError("the source went away"))

    async with aclosing(read_ahead(pages.read())) as ahead:
        assert await anext(ahead) == 0
        await settle()
        assert await anext(ahead) == 1
        await settle()
        with pytest.raises(RuntimeError, match="the source went away"):
            await anext(ahead)


async def test_who_stops_early_closes_what_is_read():
    pages = Pages(9)

    async with aclosing(read_ahead(pages.read())) as ahead:
        await anext(ahead)

    assert pages.is_closed


async def test_one_task_reads_and_closes_everything():
    pages = Pages(5)

    async with aclosing(read_ahead(pages.read())) as ahead:
        assert [await anext(ahead), await anext(ahead)] == [0, 1]

    assert len(pages.tasks) == 1
    assert asyncio.current_task() not in pages.tasks


async def test_cancelling_ends_a_read_that_hangs():
    entered, is_closed = asyncio.Event(), asyncio.Event()

    async def hang() -> AsyncGenerator[int, None]:
        try:
            entered.set()
            await asyncio.Event().wait()
            yield 0
        finally:
            is_closed.set()

    async def use() -> None:
        async for _ in read_ahead(hang()):
            pass

    task = asyncio.create_task(use())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert is_closed.is_set()


async def batches_of(*batches: Batch) -> AsyncGenerator[Batch, None]:
    for batch in batches:
        yield batch


def shown(*numbers: int, resume: str | None = None) -> Batch:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    refs = [SourceRef(kind=EntityKind.SITE, external_id=str(number)) for number in numbers]
    return Batch(tuple(Tombstone(ref=ref, updated_at=at) for ref in refs), resume=resume)


@pytest.mark.parametrize("circle", [1, 2, 7])
async def test_a_pull_that_goes_round_in_a_circle_ends(circle: int):
    pages = [shown(number, number + 1) for number in range(circle)]
    seen = 0

    async def read() -> None:
        nonlocal seen
        async for _ in going_on(batches_of(*pages * 100), "sites"):
            seen += 1

    with pytest.raises(UnexpectedResponse, match="pull sites: the system gives the same records again and again"):
        await read()
    assert seen == circle + MOST_REPEATS


async def test_an_empty_batch_that_leads_to_itself_ends_the_pull_and_one_that_leads_on_does_not():
    on = [shown(resume=str(number)) for number in range(50)]

    assert len([batch async for batch in going_on(batches_of(*on), "sites")]) == 50
    with pytest.raises(UnexpectedResponse):
        _ = [batch async for batch in going_on(batches_of(*[shown(resume="1")] * 50), "sites")]


async def test_pages_that_come_twice_now_and_then_are_no_circle():
    pages = [shown(number // 2) for number in range(400)]

    assert len([batch async for batch in going_on(batches_of(*pages), "sites")]) == 400


async def test_a_row_that_others_depend_on_is_an_unexpected_answer():
    async def pull() -> AsyncGenerator[Batch, None]:
        yield shown(1)
        raise InvalidRecord("the type has no name", path="/name")

    with pytest.raises(UnexpectedResponse, match="the type has no name"):
        _ = [batch async for batch in going_on(pull(), "sites")]
