from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.model.errors import InvalidInput
from connector.model.refs import EntityKind
from connector.storage.changes import (
    NewChange,
    Position,
    last_position,
    log_changes,
    move_reader,
    read_changes,
    reader_position,
)
from connector.storage.engine import reading, transaction

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)


def ticket_change(number: int) -> NewChange:
    return NewChange(EntityKind.TICKET, number, "created", {"number": (None, str(number))})


async def test_a_reader_sees_each_change_once_and_in_order(engine: AsyncEngine):
    async with transaction(engine) as tx:
        await log_changes(tx, [ticket_change(n) for n in (1, 2, 3)], actor="test", at=NOW)

    async with reading(engine) as tx:
        first = await read_changes(tx, Position(), limit=2)
        rest = await read_changes(tx, first[-1].position)

    assert [c.entity_id for c in first + rest] == [1, 2, 3]
    assert first[0].fields == {"number": [None, "1"]}
    assert first[0].at == NOW


async def test_a_rolled_back_change_was_never_there(engine: AsyncEngine):
    async def fail_half_way() -> None:
        async with transaction(engine) as tx:
            await log_changes(tx, [ticket_change(1)], actor="test", at=NOW)
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        await fail_half_way()

    async with reading(engine) as tx:
        assert await read_changes(tx, Position()) == []
        assert await last_position(tx) == Position()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_late_commit_with_a_lower_serial_is_not_skipped(engine: AsyncEngine):
    async with engine.connect() as slow:
        await slow.begin()
        await log_changes(slow, [ticket_change(1)], actor="slow", at=NOW)
        async with transaction(engine) as fast:
            await log_changes(fast, [ticket_change(2)], actor="fast", at=NOW)

        async with reading(engine) as tx:
            early = await read_changes(tx, Position())
        await slow.commit()

    after = early[-1].position if early else Position()
    async with reading(engine) as tx:
        late = await read_changes(tx, after)

    assert sorted(c.entity_id for c in early + late) == [1, 2]


async def test_a_durable_reader_goes_on_where_it_was(engine: AsyncEngine):
    async with transaction(engine) as tx:
        assert await reader_position(tx, "rules") is None
        await move_reader(tx, "rules", Position(3, 7))
        await move_reader(tx, "rules", Position(4, 1))

    async with reading(engine) as tx:
        assert await reader_position(tx, "rules") == Position(4, 1)


@pytest.mark.parametrize("text", ["", "1", "1.", "a.b", "1.2.3", "-1.2", "1.²"])
def test_a_cursor_that_is_not_ours_is_refused(text: str):
    with pytest.raises(InvalidInput, match="is not one of ours"):
        Position.parse(text)


def test_a_cursor_survives_being_written_and_read():
    assert Position.parse(str(Position(12, 34))) == Position(12, 34)
