"""Whatever the order in which a source's past arrives, the present is the same."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.factories import NOW
from tests.ingest.records import asset, deferred, gone, hub, ref, site, version

from connector.ingest.apply import Applied, apply
from connector.model.kinds import Lane
from connector.model.lifecycle import AssetState
from connector.sdk import AssetRecord, Batch, Deferred, Record, Tombstone
from connector.storage.database.engine import open_engine
from connector.storage.sources.sources import register_source
from connector.storage.tables import asset as asset_table
from connector.storage.tables import change, stock

STATES = (AssetState.IN_STOCK, AssetState.RESERVED, AssetState.DEPLOYED, AssetState.IN_TRANSIT, AssetState.REPAIR)


@st.composite
def histories(draw: st.DrawFn) -> list[Record]:
    """The past of a few devices, each version once: what a source said of it, or that it was deleted."""
    records: list[Record] = []
    for name in draw(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3, unique=True)):
        for number in range(draw(st.integers(1, 4))):
            if draw(st.integers(0, 5)) == 0:
                records.append(gone("asset", name, v=number))
                continue
            records.append(
                asset(
                    name,
                    v=number,
                    name=draw(st.sampled_from([f"sw-{name}", "renamed"])),
                    holder=draw(st.sampled_from([None, "Lee", "Kim"])),
                    state=draw(st.sampled_from(STATES)),
                    lane=draw(st.sampled_from(list(Lane))),
                    place=draw(st.sampled_from([ref("site", "s1"), ref("hub", "h1"), ref("hub", "h2")])),
                )
            )
    return records


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[Record], list[list[Record | Deferred]]]:
    """A history, and batches in which it arrives: in any order, with repetitions, made or deferred."""
    history = draw(histories())
    repeated = draw(st.lists(st.sampled_from(history), max_size=4))
    is_deferred = draw(st.booleans())
    order = [
        deferred(record) if is_deferred and isinstance(record, AssetRecord) else record
        for record in draw(st.permutations([*history, *repeated]))
    ]
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=4)))
    edges = [0, *cuts, len(order)]
    return history, [order[start:end] for start, end in itertools.pairwise(edges)]


async def take(tx: AsyncConnection, records: Sequence[Record | Deferred]) -> Applied:
    source_id = await register_source(tx, name="cmdb", adapter="test", at=NOW)
    return await apply(tx, source_id, "things", Batch(records=tuple(records)), actor="test", at=NOW)


async def present(tx: AsyncConnection) -> dict[str, tuple[Any, ...]]:
    c = asset_table.c
    statement = select(c.serial, c.name, c.holder, c.state, c.lane, c.site_id, c.hub_id, c.retired_at)
    return {row[0]: tuple(row[1:]) for row in await tx.execute(statement)}


async def books(tx: AsyncConnection) -> dict[tuple[Any, ...], tuple[int, int]]:
    c = stock.c
    rows = await tx.execute(select(c.hub_id, c.product_id, c.lane, c.on_hand, c.reserved))
    return {tuple(row[:3]): (row[3], row[4]) for row in rows if row[3] or row[4]}


async def counted(tx: AsyncConnection) -> dict[tuple[Any, ...], tuple[int, int]]:
    """The books, counted one unit after the other."""
    on_hand, reserved = Counter[tuple[Any, ...]](), Counter[tuple[Any, ...]]()
    for row in (await tx.execute(select(asset_table))).mappings():
        shelf = (row["hub_id"], row["product_id"], row["lane"])
        if row["hub_id"] is not None and row["state"] in (AssetState.IN_STOCK, AssetState.RESERVED):
            on_hand[shelf] += 1
            reserved[shelf] += row["state"] is AssetState.RESERVED
    return {shelf: (number, reserved[shelf]) for shelf, number in on_hand.items()}


def newest(history: Sequence[Record]) -> dict[str, Record]:
    last: dict[str, Record] = {}
    for record in sorted(history, key=lambda record: record.updated_at or version(0)):
        last[record.ref.external_id] = record
    return last


async def check(engine: AsyncEngine, history: list[Record], batches: list[list[Record | Deferred]]) -> None:
    """Everything happens in one transaction that is rolled back, so that each example finds the hub empty."""
    async with engine.connect() as tx:
        tx = await tx.execution_options(writes=True)
        await tx.begin()
        await take(tx, [site(), hub("h1"), hub("h2")])
        for batch in batches:
            await take(tx, batch)
            assert await books(tx) == await counted(tx)

        now = await present(tx)
        places = {("site", "s1"): 1, ("hub", "h1"): 1, ("hub", "h2"): 2}
        base = {kind: min(ids) for kind, ids in (await place_ids(tx)).items()}
        for name, record in newest(history).items():
            row = now.get(f"SN-{name.upper()}")
            if isinstance(record, Tombstone):
                assert row is None or row[-1] is not None
                continue
            assert isinstance(record, AssetRecord)
            assert row is not None
            assert record.place is not None
            place_id = base[record.place.kind.value] + places[record.place.kind.value, record.place.external_id] - 1
            site_id, hub_id = (place_id, None) if record.place.kind.value == "site" else (None, place_id)
            assert row == (record.name, record.holder, record.state, record.lane, site_id, hub_id, None)

        count = len((await tx.execute(select(change.c.id))).all())
        totals = await total_changes(tx)
        for batch in batches:
            again = await take(tx, batch)
            assert (again.created, again.updated, again.deleted) == (0, 0, 0)
        assert len((await tx.execute(select(change.c.id))).all()) == count
        assert await total_changes(tx) == totals
        await tx.rollback()


async def place_ids(tx: AsyncConnection) -> dict[str, list[int]]:
    from connector.storage.tables import hub as hubs
    from connector.storage.tables import site as sites

    return {
        "site": list((await tx.execute(select(sites.c.id))).scalars()),
        "hub": list((await tx.execute(select(hubs.c.id))).scalars()),
    }


async def total_changes(tx: AsyncConnection) -> int:
    """Rows that this connection has ever written, by SQLite's own count; 0 on PostgreSQL."""
    if tx.dialect.name != "sqlite":
        return 0
    raw = await tx.get_raw_connection()
    assert raw.driver_connection is not None
    return int(raw.driver_connection.total_changes)


def test_any_order_of_a_history_ends_in_its_newest_versions_and_the_books_agree(database: str):
    examples = 40 if database.startswith("sqlite") else 15

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(arrivals())
    def holds(arrived: tuple[list[Record], list[list[Record]]]) -> None:
        async def run() -> None:
            engine = open_engine(database, pool_size=1)
            try:
                await check(engine, *arrived)
            finally:
                await engine.dispose()

        asyncio.run(run())

    holds()
