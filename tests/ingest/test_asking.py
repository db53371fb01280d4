"""Couriers without a list of parcels: those that the hub knows are asked about, one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.factories import insert_row
from tests.ingest.conftest import Intake

from connector.ingest import asking
from connector.ingest.pull import pull_source
from connector.ingest.rehearsal import rehearse
from connector.ingest.reports import PullReport
from connector.model.kinds import SourceState
from connector.model.lifecycle import ShipmentStatus
from connector.sdk.connection import Connection
from connector.sdk.testing import Between, Connected
from connector.storage.database.engine import transaction
from connector.storage.sources.sources import register_source
from connector.storage.tables import shipment
from connector_ups.sandbox import UpsSandbox


class Courier:
    """UPS, of which the hub has bought labels."""

    def __init__(self, engine: AsyncEngine, clock: MovableClock) -> None:
        self.engine, self.clock = engine, clock
        self.sandbox, self.wire = UpsSandbox(clock), Between()
        self.connected = Connected("ups", self.sandbox.app(), self.sandbox.settings(), clock, self.wire, name="ups")

    @property
    def connection(self) -> Connection:
        return self.connected.connection

    async def buy(self, count: int = 1, **values: Any) -> list[str]:
        """Labels that were bought through the hub."""
        numbers = [self.sandbox.bought(f"wf-{len(self.sandbox.office.parcels)}:label")["id"] for _ in range(count)]
        async with transaction(self.engine) as tx:
            at = self.clock.now()
            source_id = await register_source(tx, name="ups", adapter="ups", at=at)
            for number in numbers:
                row = {"source_id": source_id, "external_id": number, "tracking_number": number, "carrier": "UPS"}
                state = {"status": "label_created", "direction": "outbound", "created_at": at, "updated_at": at}
                await insert_row(tx, shipment, {**row, **state, **values})
        return numbers

    def scan(self, number: str) -> None:
        """A driver takes it."""
        self.clock.advance(timedelta(minutes=1))
        self.sandbox.pick_up({"id": number})

    async def pull(self) -> PullReport:
        """As the schedule has it."""
        return await pull_source(self.engine, self.connection, clock=self.clock)

    def asked(self) -> list[str]:
        """Numbers that were asked about, and no longer."""
        asked = [request.url.path.rpartition("/")[2] for request in self.wire.requests if request.method == "GET"]
        self.wire.requests.clear()
        return sorted(asked)


@pytest.fixture
async def courier(engine: AsyncEngine, clock: MovableClock) -> AsyncIterator[Courier]:
    courier = Courier(engine, clock)
    yield courier
    await courier.connected.aclose()


async def test_scans_of_parcels_come_with_the_next_pull(courier: Courier, intake: Intake):
    [number] = await courier.buy()
    courier.scan(number)

    report = await courier.pull()

    assert (report.outcome, report.state, [stream.name for stream in report.streams]) == (
        "pulled", SourceState.OK, ["parcels"],
    )  # fmt: skip
    assert (await intake.row("shipment"))["status"] is ShipmentStatus.PICKED_UP


async def test_each_pull_asks_about_all_again_but_not_about_those_that_have_arrived(courier: Courier):
    under_way, _ = await courier.buy(), await courier.buy(status="delivered")
    await courier.buy(status="cancelled")
    await courier.buy(status="in_transit", created_at=courier.clock.now() - timedelta(days=61))

    for _ in range(2):
        await courier.pull()
        assert courier.asked() == under_way


async def test_many_are_asked_about_in_batches_and_what_is_unknown_is_passed_over(
    courier: Courier, intake: Intake, monkeypatch: pytest.MonkeyPatch
):
    numbers = await courier.buy(2 * asking.PARCELS.batch_limit + 1)
    for number in numbers[1:]:
        courier.scan(number)
    del courier.sandbox.office.parcels[numbers[0]]

    report = await courier.pull()

    assert (courier.asked(), report.streams[0].seen) == (numbers, len(numbers) - 1)
    statuses = [row["status"] for row in await intake.rows("shipment")]
    assert statuses == [ShipmentStatus.LABEL_CREATED, *[ShipmentStatus.PICKED_UP] * (len(numbers) - 1)]


async def test_one_that_cannot_be_read_waits_in_quarantine_and_the_others_arrive(courier: Courier, intake: Intake):
    spoilt, good = await courier.buy(2)
    courier.scan(spoilt)
    courier.scan(good)
    courier.sandbox.office.parcels[spoilt].activities[0]["status"] = {"type": "ZZ"}

    report = await courier.pull()

    assert report.streams[0].quarantined == 1
    [entry] = await intake.quarantine()
    assert "status type is 'ZZ'" in entry["reason"]
    assert [row["status"].value for row in await intake.rows("shipment")] == ["label_created", "picked_up"]


async def test_a_courier_that_is_away_backs_off_and_says_so(courier: Courier):
    await courier.buy()
    courier.wire.change = lambda _: httpx.Response(503)

    report = await courier.pull()

    assert (report.outcome, report.state) == ("failed", SourceState.BACKING_OFF)
    assert report.error is not None


async def test_a_plan_asks_and_writes_nothing(courier: Courier, intake: Intake):
    [number] = await courier.buy()
    courier.scan(number)

    with await rehearse(courier.engine, courier.connection, clock=courier.clock) as plan:
        assert [stream.name for stream in plan.streams] == ["parcels"]

    assert courier.asked() == [number]
    assert (await intake.row("shipment"))["status"] is ShipmentStatus.LABEL_CREATED
