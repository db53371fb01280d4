from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import NOW

from connector.model.kinds import SourceState
from connector.storage.database.engine import transaction
from connector.storage.sources.sources import (
    LEASE,
    Condition,
    StreamPosition,
    drop_lease,
    hold_lease,
    register_source,
    save_resume,
    set_condition,
    source_condition,
    source_ids,
    take_lease,
)
from connector.storage.tables import change, source, source_stream


async def test_a_source_is_registered_once(engine: AsyncEngine):
    async with transaction(engine) as tx:
        first = await register_source(tx, name="itsm", adapter="request_tracker", at=NOW)
        again = await register_source(tx, name="itsm", adapter="jira", at=NOW)
        other = await register_source(tx, name="cmdb", adapter="nautobot", at=NOW)

        assert first == again
        assert await source_ids(tx) == {"itsm": first, "cmdb": other}
        row = (await tx.execute(select(source).where(source.c.id == first))).mappings().one()
        assert (row["adapter"], row["state"]) == ("jira", SourceState.NEW)


async def test_a_source_that_stopped_gets_another_chance_at_the_next_start(engine: AsyncEngine):
    async with transaction(engine) as tx:
        source_id = await register_source(tx, name="itsm", adapter="a", at=NOW)
        await set_condition(tx, source_id, state=SourceState.PAUSED, at=NOW, error="401", failures=1)
        await register_source(tx, name="itsm", adapter="a", at=NOW, is_start=True)

        assert await source_condition(tx, source_id) == Condition(source_id, SourceState.NEW, 1, None)


async def test_a_source_that_stopped_stays_so_for_whoever_only_looks(engine: AsyncEngine):
    async with transaction(engine) as tx:
        source_id = await register_source(tx, name="itsm", adapter="a", at=NOW)
        await set_condition(tx, source_id, state=SourceState.PAUSED, at=NOW, error="401", failures=1)
        await register_source(tx, name="itsm", adapter="a", at=NOW)

        assert await source_condition(tx, source_id) == Condition(source_id, SourceState.PAUSED, 1, None)


async def test_a_change_of_condition_is_logged_and_a_passing_one_is_not(engine: AsyncEngine):
    async with transaction(engine) as tx:
        source_id = await register_source(tx, name="itsm", adapter="a", at=NOW)
        for state in (SourceState.RUNNING, SourceState.OK, SourceState.RUNNING):
            await set_condition(tx, source_id, state=state, at=NOW)
        await set_condition(tx, source_id, state=SourceState.BACKING_OFF, at=NOW, error="no answer", failures=1)
        logged = [row[0] for row in await tx.execute(select(change.c.fields).order_by(change.c.id))]

    assert logged == [
        {"name": [None, "itsm"], "adapter": [None, "a"]},
        {"state": ["running", "backing_off"], "last_error": [None, "no answer"]},
    ]


async def test_a_lease_is_held_by_one_until_it_is_dropped_or_over(engine: AsyncEngine):
    async with transaction(engine) as tx:
        source_id = await register_source(tx, name="cmdb", adapter="a", at=NOW)

        async def take(token: str, minutes: float = 0) -> StreamPosition | None:
            return await take_lease(tx, source_id, "devices", token=token, at=NOW + timedelta(minutes=minutes))

        assert await take("one") == StreamPosition(None, None)
        assert await take("two") is None
        assert await take("two", minutes=LEASE.total_seconds() / 60 + 1) == StreamPosition(None, None)
        assert not await hold_lease(tx, source_id, "devices", token="one", at=NOW)
        await drop_lease(tx, source_id, "devices", token="one")
        assert await take("one", minutes=6) is None
        await drop_lease(tx, source_id, "devices", token="two")
        assert await take("one", minutes=6) == StreamPosition(None, None)


async def test_a_lease_is_renewed_only_when_half_of_it_is_gone(engine: AsyncEngine):
    until = select(source_stream.c.lease_until)
    async with transaction(engine) as tx:
        source_id = await register_source(tx, name="cmdb", adapter="a", at=NOW)
        await take_lease(tx, source_id, "devices", token="one", at=NOW)
        for part, expected in ((0.4, NOW + LEASE), (0.6, NOW + LEASE * 1.6)):
            assert await hold_lease(tx, source_id, "devices", token="one", at=NOW + LEASE * part)
            assert (await tx.execute(until)).scalar_one() == expected


async def test_a_stream_goes_on_where_it_was_left(engine: AsyncEngine):
    async with transaction(engine) as tx:
        source_id = await register_source(tx, name="cmdb", adapter="a", at=NOW)
        await save_resume(tx, source_id, "devices", "1")
        await save_resume(tx, source_id, "devices", "2")

        assert await take_lease(tx, source_id, "devices", token="one", at=NOW) == StreamPosition("2", None)
