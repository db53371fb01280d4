from __future__ import annotations

import itertools

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import NOW, insert_row
from tests.ingest.conftest import Intake
from tests.ingest.records import parcel, scan, version

from connector.ingest.replay import replay_arrived
from connector.model.lifecycle import ShipmentStatus
from connector.sdk import Record
from connector.storage.database.engine import reading, transaction
from connector.storage.tables import shipment, shipment_event

PICKED_UP = scan(ShipmentStatus.PICKED_UP, 1, vendor_code="PU", location="Berlin")
ON_ITS_WAY = scan(ShipmentStatus.IN_TRANSIT, 2)
OUT = scan(ShipmentStatus.OUT_FOR_DELIVERY, 3)
DELIVERED = scan(ShipmentStatus.DELIVERED, 4, description="Signed by Lee")


async def send(engine: AsyncEngine, number: str = "T1", **values: object) -> int:
    """A parcel whose label was bought, as the fulfilment leaves it."""
    defaults = {"source_id": 1, "external_id": f"shp-{number}", "tracking_number": number, "status": "label_created"}
    times = {"direction": "outbound", "created_at": NOW, "updated_at": NOW}
    async with transaction(engine) as tx:
        return await insert_row(tx, shipment, {**defaults, **times, **values})


async def statuses(engine: AsyncEngine) -> list[str]:
    statement = select(shipment_event.c.status).order_by(shipment_event.c.occurred_at)
    async with reading(engine) as tx:
        return [status.value for status in (await tx.execute(statement)).scalars()]


async def test_scans_are_added_and_move_the_parcel(intake: Intake, engine: AsyncEngine):
    await intake(source="courier")
    await send(engine)

    applied = await intake(parcel(events=(PICKED_UP, ON_ITS_WAY), estimated_delivery_at=version(9)), source="courier")

    row = await intake.row("shipment")
    assert (applied.updated, row["status"], row["delivered_at"]) == (1, ShipmentStatus.IN_TRANSIT, None)
    assert row["estimated_delivery_at"] == version(9)
    assert await statuses(engine) == ["picked_up", "in_transit"]
    change = (await intake.changes("shipment"))[-1]
    assert change["fields"]["status"] == ["label_created", "in_transit"]
    assert change["fields"]["events"] == [0, 2]


async def test_a_report_that_comes_twice_counts_once(intake: Intake, engine: AsyncEngine):
    await intake(source="courier")
    await send(engine)
    await intake(parcel(events=(PICKED_UP,)), source="courier")
    before = await intake.count_changes()

    await intake(parcel(v=2, events=(PICKED_UP,)), source="courier")

    assert await statuses(engine) == ["picked_up"]
    assert await intake.count_changes() == before


async def test_a_scan_that_is_read_anew_as_something_else_counts_once(intake: Intake, engine: AsyncEngine):
    await intake(source="courier")
    await send(engine)
    alone = scan(ShipmentStatus.IN_TRANSIT, 1, vendor_code="transit", description="left the depot")
    await intake(parcel(events=(alone,)), source="courier")

    first = alone.model_copy(update={"status": ShipmentStatus.PICKED_UP})
    await intake(parcel(v=4, events=(first, DELIVERED)), source="courier")

    assert await statuses(engine) == ["in_transit", "delivered"]
    assert (await intake.changes("shipment"))[-1]["fields"]["events"] == [1, 2]


async def test_another_scan_of_the_same_status_is_told_too(intake: Intake, engine: AsyncEngine):
    await intake(source="courier")
    await send(engine)
    await intake(parcel(events=(ON_ITS_WAY,)), source="courier")
    await intake(parcel(v=2, events=(ON_ITS_WAY, scan(ShipmentStatus.IN_TRANSIT, 3))), source="courier")

    assert (await intake.changes("shipment"))[-1]["fields"] == {"events": [1, 2]}


async def test_reports_in_any_order_end_in_the_same_parcel(intake: Intake, engine: AsyncEngine):
    await intake(source="courier")
    reports = [
        (PICKED_UP, ON_ITS_WAY),
        (PICKED_UP, ON_ITS_WAY, OUT),
        (PICKED_UP, ON_ITS_WAY, OUT, DELIVERED),
    ]
    for order in itertools.permutations(range(3)):
        number = f"T{order}"
        await send(engine, number)
        for index in order:
            await intake(parcel(number, v=index, events=reports[index]), source="courier")

    rows = await intake.rows("shipment")
    assert {(row["status"], row["delivered_at"]) for row in rows} == {(ShipmentStatus.DELIVERED, version(4))}
    assert len(await statuses(engine)) == 4 * 6


async def test_a_delivered_parcel_does_not_go_back(intake: Intake, engine: AsyncEngine):
    await intake(source="courier")
    await send(engine)
    await intake(parcel(events=(DELIVERED,)), source="courier")

    await intake(parcel(v=2, events=(DELIVERED, scan(ShipmentStatus.IN_TRANSIT, 6))), source="courier")

    row = await intake.row("shipment")
    assert (row["status"], row["delivered_at"]) == (ShipmentStatus.DELIVERED, version(4))


async def test_a_cancelled_label_stays_cancelled(intake: Intake, engine: AsyncEngine):
    await intake(source="courier")
    await send(engine, status="cancelled")

    await intake(parcel(events=(PICKED_UP,)), source="courier")

    assert (await intake.row("shipment"))["status"] is ShipmentStatus.CANCELLED
    assert await statuses(engine) == ["picked_up"]


@pytest.mark.parametrize("reports", [(parcel(events=(PICKED_UP,)),), (parcel(v=None, events=(PICKED_UP,)),)])
async def test_a_parcel_that_is_not_known_yet_waits_for_its_label(
    intake: Intake, engine: AsyncEngine, reports: tuple[Record, ...]
):
    await intake(*reports, source="courier")
    (entry,) = await intake.quarantine()
    assert (entry["waits_for"], entry["path"]) == ("shipment:T1", "/tracking_number")
    await send(engine)

    replayed = await replay_arrived(engine, 1, actor="test", clock=intake.clock)

    assert replayed == 1
    assert (await intake.row("shipment"))["status"] is ShipmentStatus.PICKED_UP
    assert await intake.quarantine() == []


async def test_a_number_on_two_shipments_is_refused_with_both_named(intake: Intake, engine: AsyncEngine):
    await intake(source="courier")
    first, second = await send(engine, external_id="x"), await send(engine, external_id="y")

    await intake(parcel(events=(PICKED_UP,)), source="courier")

    assert (await intake.quarantine())[0]["reason"] == (
        f"tracking number 'T1' is on several shipments: {first} and {second}. Correct it in all but one."
    )
