from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.model.errors import InvalidInput
from connector.model.refs import EntityKind
from connector.storage.database.changes import (
    LoggedChange,
    NewChange,
    claim_reader,
    last_position,
    log_changes,
    move_reader,
    parse_cursor,
    publish_changes,
    read_changes,
    reader_position,
)
from connector.storage.database.engine import reading, transaction

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)


def ticket_change(number: int) -> NewChange:
    return NewChange(EntityKind.TICKET, number, "created", {"number": (None, str(number))})


async def published(engine: AsyncEngine, after: int = 0, limit: int = 500) -> list[LoggedChange]:
    async with transaction(engine) as tx:
        await publish_changes(tx)
    async with reading(engine) as tx:
        return await read_changes(tx, after, limit=limit)


async def test_a_reader_sees_each_change_once_and_in_order(engine: AsyncEngine):
    async with transaction(engine) as tx:
        await log_changes(tx, [ticket_change(n) for n in (1, 2, 3)], actor="test", at=NOW)

    first = await published(engine, limit=2)
    rest = await published(engine, first[-1].position)

    assert [c.entity_id for c in first + rest] == [1, 2, 3]
    assert [c.position for c in first + rest] == [1, 2, 3]
    assert first[0].fields == {"number": [None, "1"]}
    assert first[0].at == NOW


async def test_a_rolled_back_change_was_never_there(engine: AsyncEngine):
    async def fail_half_way() -> None:
        async with transaction(engine) as tx:
            await log_changes(tx, [ticket_change(1)], actor="test", at=NOW)
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        await fail_half_way()

    assert await published(engine) == []
    async with reading(engine) as tx:
        assert await last_position(tx) == 0


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_late_commit_with_a_lower_serial_is_not_skipped(engine: AsyncEngine):
    async with engine.connect() as slow:
        await slow.begin()
        await log_changes(slow, [ticket_change(1)], actor="slow", at=NOW)
        async with transaction(engine) as fast:
            await log_changes(fast, [ticket_change(2)], actor="fast", at=NOW)

        early = await published(engine)
        await slow.commit()

    late = await published(engine, early[-1].position)

    assert [c.entity_id for c in early] == [2]
    assert [c.entity_id for c in late] == [1]


async def test_publishing_at_the_same_time_numbers_each_change_once(engine: AsyncEngine):
    for number in range(20):
        async with transaction(engine) as tx:
            await log_changes(tx, [ticket_change(number)], actor="test", at=NOW)

    await asyncio.gather(*(published(engine) for _ in range(5)))

    assert [c.position for c in await published(engine)] == list(range(1, 21))


async def test_a_durable_reader_goes_on_where_it_was(engine: AsyncEngine):
    async with transaction(engine) as tx:
        assert await reader_position(tx, "rules") is None
        await move_reader(tx, "rules", 7)
        await move_reader(tx, "rules", 9)

    async with reading(engine) as tx:
        assert await reader_position(tx, "rules") == 9


async def test_two_processes_never_deal_with_the_same_change(engine: AsyncEngine):
    dealt: list[int] = []

    async def deal_with(position: int) -> None:
        async with transaction(engine) as tx:
            if await claim_reader(tx, "rules") < position:
                dealt.append(position)
                await move_reader(tx, "rules", position)

    await asyncio.gather(*(deal_with(1) for _ in range(5)))

    assert dealt == [1]


@pytest.mark.parametrize("text", ["", "-1", "1.2", "a", "²", "1" * 19])
def test_a_cursor_that_is_not_ours_is_refused(text: str):
    with pytest.raises(InvalidInput, match="is not one of ours"):
        parse_cursor(text)


def test_a_cursor_names_its_position():
    assert parse_cursor("1234") == 1234
