"""Whatever is merged, taken back and split: a merge that is taken back leaves no trace, and shelves always add up."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.factories import NOW
from tests.ingest.conftest import Intake
from tests.ingest.merging import Desk, everything, miscounted
from tests.ingest.records import SWITCH, asset, hub, ref, site, ticket

from connector.ingest.overriding import override_field
from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.lifecycle import AssetState, ReservationState, RmaState
from connector.model.refs import EntityKind
from connector.sdk import AssetRelation, ProductKey, RelationKind
from connector.storage import tables
from connector.storage.database.engine import open_engine, reading, transaction
from connector.storage.stock.book import recount_shelves, shelf_of

DEVICES = st.integers(0, 40)
SOURCES = ("cmdb", "mdm", "itsm")
PRODUCTS = (None, SWITCH, ProductKey(manufacturer="Acme", model="X"))
WORDS = st.sampled_from([None, "one", "two", "three"])
PLACES = st.sampled_from([None, ref("site", "s1"), ref("hub", "h1"), ref("hub", "h2")])
STATES = st.sampled_from([None, AssetState.IN_STOCK, AssetState.DEPLOYED, AssetState.QUARANTINED])
RELATED = st.sampled_from([None, *RelationKind])
_names = itertools.count(1)


def machine_on(engine: AsyncEngine, runner: asyncio.Runner) -> type[RuleBasedStateMachine]:
    class Devices(RuleBasedStateMachine):
        """Devices of three sources, with tickets, promises, returns, overrides, addresses and relations."""

        def __init__(self) -> None:
            super().__init__()
            self.run(_empty(engine))
            self.clock = MovableClock(NOW + timedelta(days=1))
            self.intake, self.desk = Intake(engine, self.clock), Desk(engine, self.clock)
            for source in SOURCES:
                self.run(self.intake(site(), hub(), hub("h2"), source=source))
            self.merges: list[int] = []
            self.sent: list[tuple[str, str]] = []

        def run(self, work: Coroutine[Any, Any, Any]) -> Any:
            return runner.run(work)

        def devices(self) -> list[dict[str, Any]]:
            return [row for row in self.run(self.intake.rows("asset")) if row["merged_into_id"] is None]

        def device(self, which: int) -> dict[str, Any] | None:
            rows = self.devices()
            return rows[which % len(rows)] if rows else None

        @rule(
            source=st.sampled_from(SOURCES), number=st.integers(1, 4), name=WORDS, tag=WORDS, holder=WORDS,
            place=PLACES, state=STATES, product=st.sampled_from(PRODUCTS), related=RELATED, other=st.integers(1, 4),
            macs=st.sets(st.integers(1, 4), max_size=2),
        )  # fmt: skip
        def send(self, source: str, number: int, related: RelationKind | None, other: int, macs: set[int], **said: Any):
            relations = [] if related is None else [AssetRelation.to(related, f"{source}{other}")]
            record = asset(
                f"{source}{number}", v=None, serial=f"S-{source}-{number}", name=said["name"], asset_tag=said["tag"],
                holder=said["holder"], place=said["place"], state=said["state"], product=said["product"],
                relations=relations, macs=[f"00:1B:54:00:00:0{mac}" for mac in sorted(macs)],
            )  # fmt: skip
            self.run(self.intake(record, source=source))
            self.sent.append((source, record.ref.external_id))

        @rule(which=DEVICES, number=st.integers(1, 6))
        def open_ticket(self, which: int, number: int) -> None:
            source, name = self.sent[which % len(self.sent)] if self.sent else ("cmdb", "none")
            self.run(self.intake(ticket(f"t{number}", v=None, asset=ref("asset", name)), source=source))

        @rule(which=DEVICES, ended=st.booleans())
        def reserve(self, which: int, ended: bool) -> None:
            self.run(self._reserve(which, ended))

        async def _reserve(self, which: int, ended: bool) -> None:
            """Promise a unit on a shelf to a ticket of its own, or keep that it was promised once."""
            rows = [row for row in await self.intake.rows("asset") if row["merged_into_id"] is None]
            units = [
                row for row in rows
                if row["state"] is AssetState.IN_STOCK and shelf_of(row) is not None and row["retired_at"] is None
            ]  # fmt: skip
            if not units:
                return
            unit, number = units[which % len(units)], next(_names)
            await self.intake(ticket(f"r{number}", v=None), source="itsm")
            [ticket_id] = [row["id"] for row in await self.intake.rows("ticket") if row["external_id"] == f"r{number}"]
            await self.desk.add(
                tables.reservation, ticket_id=ticket_id, hub_id=unit["hub_id"], product_id=unit["product_id"],
                requested_product_id=unit["product_id"], asset_id=unit["id"], line=1, quantity=1, lane="normal",
                state=ReservationState.RELEASED if ended else ReservationState.HELD, created_at=NOW, updated_at=NOW,
            )  # fmt: skip
            if not ended:
                async with transaction(engine) as tx:
                    its = update(tables.asset).where(tables.asset.c.id == unit["id"])
                    await tx.execute(its.values(state=AssetState.RESERVED))
                    await recount_shelves(tx, {shelf_of(unit)}, actor="test", at=self.clock.now())

        @rule(which=DEVICES, state=st.sampled_from([RmaState.EXPECTED, RmaState.RECEIVED]))
        def expect_back(self, which: int, state: RmaState) -> None:
            unit = self.device(which)
            if unit is None or unit["product_id"] is None:
                return
            number = next(_names)
            self.run(self.intake(ticket(f"r{number}", v=None), source="itsm"))
            rows = self.run(self.intake.rows("ticket"))
            [ticket_id] = [row["id"] for row in rows if row["external_id"] == f"r{number}"]
            open_ones = [row for row in self.run(self.desk.rows(tables.rma)) if row["state"] is RmaState.EXPECTED]
            if state is RmaState.EXPECTED and any(row["asset_id"] == unit["id"] for row in open_ones):
                return
            self.run(self.desk.add(
                tables.rma, ticket_id=ticket_id, line=1, asset_id=unit["id"], product_id=unit["product_id"], quantity=1,
                state=state, due_back_at=NOW, created_at=NOW, updated_at=NOW,
            ))  # fmt: skip

        @rule(which=DEVICES, field=st.sampled_from(["name", "holder", "revision"]), value=st.sampled_from("xyz"))
        def override(self, which: int, field: str, value: str) -> None:
            unit = self.device(which)
            if unit is not None:
                self.run(self._override(unit["id"], field, value))

        async def _override(self, asset_id: int, field: str, value: str) -> None:
            async with transaction(engine) as tx:
                await override_field(
                    tx, EntityKind.ASSET, asset_id, field, value, reason="seen", by="eve", at=self.clock.now()
                )

        @rule(keep=DEVICES, other=DEVICES)
        def merge_and_take_back(self, keep: int, other: int) -> None:
            before = self.run(everything(engine))
            number = self._merge(keep, other)
            if number is not None:
                undone = self.run(self.desk.undo(number))
                assert undone.stayed == []
            assert self.run(everything(engine)) == before

        @rule(keep=DEVICES, other=DEVICES)
        def merge(self, keep: int, other: int) -> None:
            number = self._merge(keep, other)
            if number is not None:
                self.merges.append(number)

        def _merge(self, keep: int, other: int) -> int | None:
            kept, merged = self.device(keep), self.device(other)
            if kept is None or merged is None or kept["id"] == merged["id"]:
                return None
            try:
                return int(self.run(self.desk.merge(kept["id"], merged["id"]))[0])
            except IllegalTransition:
                return None

        @rule(which=DEVICES)
        def take_back(self, which: int) -> None:
            if self.merges:
                number = self.merges[which % len(self.merges)]
                try:
                    self.run(self.desk.undo(number))
                except IllegalTransition:
                    return
                self.merges.remove(number)

        @rule(which=DEVICES, record=DEVICES)
        def split(self, which: int, record: int) -> None:
            unit = self.device(which)
            refs = [row for row in self.run(_records(engine)) if unit is not None and row[0] == unit["id"]]
            if refs:
                asset_id, source, external_id = refs[record % len(refs)]
                try:
                    self.run(self.desk.split(asset_id, f"{source}:{external_id}"))
                except InvalidInput:
                    assert len(refs) == 1

        @invariant()
        def shelves_add_up(self) -> None:
            assert self.run(miscounted(engine)) == []

        @invariant()
        def nothing_hangs_on_what_is_merged(self) -> None:
            rows = self.run(self.intake.rows("asset"))
            merged = {row["id"] for row in rows if row["merged_into_id"] is not None}
            assert all(row["merged_into_id"] not in merged for row in rows)
            assert not merged & {asset_id for asset_id, _, _ in self.run(_records(engine))}
            for table in (tables.ticket, tables.reservation, tables.rma, tables.asset_mac, tables.asset_relation):
                assert not merged & {row["asset_id"] for row in self.run(self.desk.rows(table))}

        @invariant()
        def what_is_promised_is_on_its_shelf(self) -> None:
            units = {row["id"]: row for row in self.run(self.intake.rows("asset"))}
            for row in self.run(self.desk.rows(tables.reservation)):
                if row["state"] is ReservationState.HELD:
                    unit = units[row["asset_id"]]
                    assert (unit["state"], unit["hub_id"]) == (AssetState.RESERVED, row["hub_id"])
                    assert (unit["product_id"], unit["retired_at"]) == (row["product_id"], None)

    return Devices


async def _records(engine: AsyncEngine) -> list[tuple[int, str, str]]:
    c = tables.source_ref.c
    statement = (
        select(c.entity_id, tables.source.c.name, c.external_id)
        .join(tables.source, tables.source.c.id == c.source_id)
        .where(c.kind == EntityKind.ASSET, c.deleted_at.is_(None), c.entity_id.is_not(None))
        .order_by(c.id)
    )
    async with reading(engine) as tx:
        return [(row[0], row[1], row[2]) for row in await tx.execute(statement)]


async def _empty(engine: AsyncEngine) -> None:
    async with transaction(engine) as tx:
        await tx.execute(update(tables.asset).values(merged_into_id=None))
        for table in reversed(tables.metadata.sorted_tables):
            await tx.execute(delete(table))


def test_a_merge_that_is_taken_back_leaves_no_trace_and_shelves_add_up(database: str):
    engine = open_engine(database)
    with asyncio.Runner() as runner:
        try:
            run_state_machine_as_test(
                machine_on(engine, runner), settings=settings(max_examples=12, stateful_step_count=20, deadline=None)
            )
        finally:
            runner.run(engine.dispose())
