from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import NOW, make_ticket
from tests.ingest.conftest import Intake
from tests.ingest.records import SWITCH, asset, gone, hub, product, ref, site

from connector.model.kinds import Lane
from connector.model.lifecycle import AssetState
from connector.model.refs import EntityKind
from connector.sdk import ProductKey
from connector.storage import tables
from connector.storage.database.changes import publish_changes, read_changes
from connector.storage.database.engine import transaction
from connector.storage.stock.reservations import Claim
from connector.storage.stock.reserve import reserve

IN_HUB: dict[str, Any] = {"place": ref("hub", "h1"), "state": AssetState.IN_STOCK}


async def book(intake: Intake) -> tuple[int, int]:
    row = await intake.row("stock")
    return row["on_hand"], row["reserved"]


async def claim(engine: AsyncEngine, intake: Intake, state: str = "held") -> None:
    """A live reservation of the one unit in the hub, as reserving leaves it."""
    unit = await intake.row("asset")
    async with transaction(engine) as tx:
        ticket_id = await make_ticket(tx, source_id=1)
        values = {
            "ticket_id": ticket_id, "hub_id": unit["hub_id"], "product_id": unit["product_id"], "line": 1,
            "requested_product_id": unit["product_id"], "asset_id": unit["id"], "state": state, "lane": "normal",
            "quantity": 1, "created_at": NOW, "updated_at": NOW,
        }  # fmt: skip
        await tx.execute(insert(tables.reservation).values(**values))
        await tx.execute(update(tables.asset).values(state="reserved"))
        await tx.execute(update(tables.stock).values(reserved=1))


async def let_go(engine: AsyncEngine) -> None:
    """The reservation is released, as releasing leaves it."""
    async with transaction(engine) as tx:
        await tx.execute(update(tables.reservation).values(state="released"))
        await tx.execute(update(tables.asset).values(state="in_stock"))
        await tx.execute(update(tables.stock).values(reserved=0))


async def test_a_device_of_another_source_is_found_by_serial_and_maker(intake: Intake):
    await intake(site(), asset("a1", serial="foc123 ", product=SWITCH))

    await intake(
        asset("77", serial="FOC123", asset_tag=None, place=None,
              product=ProductKey(manufacturer="CISCO Systems, Inc.", model="Catalyst 9300-48P")),
        source="itsm",
    )  # fmt: skip

    assert (await intake.row("asset"))["serial"] == "FOC123"
    assert len(await intake.rows("product")) == 2


async def test_the_same_serial_of_two_makers_is_two_devices(intake: Intake):
    await intake(site(), asset("a1", serial="1234567"))
    await intake(
        asset("b1", serial="1234567", asset_tag=None, product=ProductKey(manufacturer="Juniper", model="EX4300"),
              place=None),
        source="itsm",
    )  # fmt: skip

    assert [row["serial"] for row in await intake.rows("asset")] == ["1234567", "1234567"]


async def test_one_source_that_knows_two_devices_of_one_serial_has_two(intake: Intake):
    await intake(site(), asset("a1", serial="SAME", asset_tag=None))
    await intake(asset("a2", serial="SAME", asset_tag=None))

    assert len(await intake.rows("asset")) == 2


async def test_a_device_that_fits_two_is_refused_with_both_named(intake: Intake):
    await intake(site(), asset("a1", serial="SAME", asset_tag=None), asset("a2", serial="SAME", asset_tag=None))
    first, second = [row["id"] for row in await intake.rows("asset")]

    applied = await intake(asset("77", serial="SAME", asset_tag=None, place=None), source="itsm")

    assert (applied.created, applied.quarantined) == (0, 1)
    (entry,) = await intake.quarantine()
    assert entry["reason"] == (
        "asset:77 (serial 'SAME', tag None) is not told apart: serial+manufacturer fits more than one device: "
        f"asset {first} (sw-a1, serial SAME, tag none) and asset {second} (sw-a2, serial SAME, tag none). "
        "Say which one it is (`connector identity list`), or correct one of the sources and replay this."
    )
    assert (entry["path"], entry["waits_for"]) == ("/serial", None)
    assert len(await intake.rows("asset")) == 2


async def test_a_tag_tells_two_devices_of_one_serial_apart(intake: Intake):
    await intake(site(), asset("a1", serial="SAME", asset_tag="T1"), asset("a2", serial="SAME", asset_tag="T2"))

    await intake(asset("77", serial="SAME", asset_tag="t2", place=None, holder="Ms Lee"), source="itsm")

    assert [row["holder"] for row in await intake.rows("asset")] == [None, "Ms Lee"]


async def test_two_records_that_want_the_same_device_are_both_refused(intake: Intake):
    await intake(site(), asset("a1", serial="SAME", asset_tag=None))

    applied = await intake(
        *(asset(name, serial="SAME", asset_tag=None, place=None) for name in ("77", "78")), source="itsm"
    )

    assert applied.quarantined == 2
    assert (
        "is not told apart: another record of this source fits the same device: asset"
        in (await intake.quarantine())[0]["reason"]
    )


async def test_without_a_serial_the_asset_tag_tells_who_it_is(intake: Intake):
    await intake(site(), asset("a1", serial=None, asset_tag="AT-1"))
    await intake(asset("77", serial="FOC1", asset_tag="at-1", place=None), source="itsm")

    assert (await intake.row("asset"))["serial"] == "FOC1"


async def test_a_tag_on_a_device_of_another_serial_is_no_match(intake: Intake):
    await intake(site(), asset("a1", serial="OLD", asset_tag="AT-1"))
    await intake(asset("77", serial="NEW", asset_tag="AT-1", place=None), source="itsm")

    assert [row["serial"] for row in await intake.rows("asset")] == ["OLD", "NEW"]


@pytest.mark.parametrize("serial", ["", "N/A", "none", "To be filled by O.E.M.", "0", "  "])
async def test_a_placeholder_is_no_serial(intake: Intake, serial: str):
    await intake(site(), asset("a1", serial=serial, asset_tag=None))
    await intake(asset("77", serial=serial, asset_tag=None, place=None), source="itsm")

    assert [row["serial"] for row in await intake.rows("asset")] == [None, None]


async def test_a_place_called_site_may_be_a_hub(intake: Intake):
    await intake(hub("h1"), asset(place=ref("site", "h1"), state=None))

    row = await intake.row("asset")
    assert row["hub_id"] == (await intake.row("hub"))["id"]
    assert (row["site_id"], row["state"]) == (None, AssetState.IN_STOCK)


async def test_units_in_a_hub_are_its_stock(intake: Intake):
    await intake(hub(), *(asset(f"a{n}", **IN_HUB) for n in range(3)), asset("b", **IN_HUB, lane=Lane.BREAK_GLASS))

    shelves = {row["lane"]: (row["on_hand"], row["reserved"]) for row in await intake.rows("stock")}
    assert shelves == {Lane.NORMAL: (3, 0), Lane.BREAK_GLASS: (1, 0)}


async def test_a_unit_that_leaves_the_hub_leaves_its_stock(intake: Intake):
    await intake(hub(), site(), asset("a1", **IN_HUB), asset("a2", **IN_HUB))

    await intake(asset("a1", v=2, place=ref("site", "s1"), state=AssetState.DEPLOYED))

    assert await book(intake) == (1, 0)
    (change,) = [
        c for c in await intake.changes("stock") if c["operation"] == "updated" and c["at"] == intake.clock.now()
    ]
    assert change["fields"] == {"on_hand": [2, 1]}


async def test_a_pull_does_not_undo_a_live_reservation(intake: Intake, engine: AsyncEngine):
    await intake(hub(), site(), asset(**IN_HUB))
    await claim(engine, intake)

    await intake(asset(v=2, place=ref("site", "s1"), state=AssetState.DEPLOYED, name="renamed"))

    row = await intake.row("asset")
    assert (row["state"], row["site_id"]) == (AssetState.RESERVED, None)
    assert row["name"] == "renamed"
    assert await book(intake) == (1, 1)


async def test_a_unit_that_is_promised_stays_the_product_that_was_promised(intake: Intake, engine: AsyncEngine):
    await intake(hub(), asset(**IN_HUB))
    switch = (await intake.row("asset"))["product_id"]
    await claim(engine, intake)
    relabelled = asset(v=2, product=ProductKey(manufacturer="Cisco", model="C9500"), **IN_HUB)

    await intake(relabelled)
    assert (await intake.row("asset"))["product_id"] == switch
    assert await book(intake) == (1, 1)

    await let_go(engine)
    await intake(relabelled)
    router = (await intake.row("asset"))["product_id"]
    shelves = {row["product_id"]: (row["on_hand"], row["reserved"]) for row in await intake.rows("stock")}
    assert shelves == {switch: (0, 0), router: (1, 0)}


async def test_what_a_source_said_during_a_reservation_counts_when_it_is_over(intake: Intake, engine: AsyncEngine):
    await intake(hub(), site(), asset(**IN_HUB))
    await claim(engine, intake)
    moved = asset(v=2, place=ref("site", "s1"), state=AssetState.DEPLOYED)
    await intake(moved)
    await let_go(engine)

    await intake(moved)

    assert (await intake.row("asset"))["state"] is AssetState.DEPLOYED
    assert await book(intake) == (0, 0)


async def test_a_source_that_repeats_an_old_place_does_not_undo_what_the_hub_did_since(
    intake: Intake, engine: AsyncEngine
):
    await intake(hub(), site(), asset(**IN_HUB))
    site_id = (await intake.row("site"))["id"]
    async with transaction(engine) as tx:
        await tx.execute(update(tables.asset).values(state="deployed", site_id=site_id, hub_id=None))
        await tx.execute(update(tables.stock).values(on_hand=0))

    await intake(asset(v=2, **IN_HUB, name="renamed"))

    row = await intake.row("asset")
    assert (row["name"], row["state"], row["site_id"], row["hub_id"]) == ("renamed", AssetState.DEPLOYED, site_id, None)
    assert await book(intake) == (0, 0)


async def test_a_data_bearing_unit_does_not_return_to_a_shelf_unwiped(intake: Intake):
    p1 = ref("product", "p1")
    await intake(hub(), product(is_data_bearing=True), asset(product=p1, place=ref("hub", "h1"), state="quarantined"))

    await intake(asset(v=2, product=p1, **IN_HUB))

    assert (await intake.row("asset"))["state"] is AssetState.QUARANTINED
    assert await intake.rows("stock") == []


async def test_a_deleted_device_is_retired_when_no_source_has_it(intake: Intake):
    await intake(hub(), asset("a1", **IN_HUB))
    await intake(asset("77", serial="SN-A1", asset_tag=None, place=None, state=None), source="itsm")

    one = await intake(gone("asset", "a1"))
    assert (await intake.row("asset"))["retired_at"] is None
    two = await intake(gone("asset", "77"), source="itsm")

    row = await intake.row("asset")
    assert (one.deleted, two.deleted) == (1, 1)
    assert (row["state"], row["retired_at"]) == (AssetState.RETIRED, intake.clock.now())
    assert await book(intake) == (0, 0)
    assert [bool(r["deleted_at"]) for r in await intake.refs() if r["kind"].value == "asset"] == [True, True]


async def test_a_state_from_which_nothing_can_retire_is_kept(intake: Intake):
    await intake(site(), asset(state=AssetState.IN_TRANSIT))

    await intake(gone("asset", "a1"))

    row = await intake.row("asset")
    assert (row["state"], row["retired_at"]) == (AssetState.IN_TRANSIT, intake.clock.now())


async def test_the_deletion_of_a_promised_unit_waits_for_a_person(intake: Intake, engine: AsyncEngine):
    await intake(hub(), asset(**IN_HUB))
    await claim(engine, intake, "committed")

    applied = await intake(gone("asset", "a1"))

    assert (applied.deleted, applied.quarantined) == (0, 1)
    row = await intake.row("asset")
    assert (row["state"], row["retired_at"]) == (AssetState.RESERVED, None)
    (entry,) = await intake.quarantine()
    assert entry["reason"] == (
        f"asset:a1 was deleted in its source, but asset {row['id']} is promised to a ticket. "
        "Release the reservation or see it through, then replay this record."
    )


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_the_deletion_of_a_unit_that_is_being_claimed_waits_for_the_claim(intake: Intake, engine: AsyncEngine):
    await intake(hub(), asset(**IN_HUB))
    unit = await intake.row("asset")
    async with transaction(engine) as tx:
        wanted = Claim(await make_ticket(tx, source_id=1), unit["hub_id"], unit["product_id"], unit["product_id"])

    async with transaction(engine) as tx:
        await reserve(tx, wanted, actor="test", at=NOW)
        deleting = asyncio.create_task(intake(gone("asset", "a1")))
        done, _ = await asyncio.wait([deleting], timeout=0.2)
        assert not done
    applied = await asyncio.wait_for(deleting, 20)

    assert (applied.deleted, applied.quarantined) == (0, 1)
    row = await intake.row("asset")
    assert (row["state"], row["retired_at"]) == (AssetState.RESERVED, None)


async def test_a_late_record_of_a_deleted_device_does_not_bring_it_back(intake: Intake):
    await intake(site(), asset(v=1))
    await intake(gone("asset", "a1", v=5))

    await intake(asset(v=4, name="late"))

    assert (await intake.row("asset"))["state"] is AssetState.RETIRED


async def test_a_deletion_that_overtakes_its_record_is_remembered(intake: Intake):
    await intake(site())
    await intake(gone("asset", "a1", v=5))

    await intake(asset(v=4))

    assert await intake.rows("asset") == []


async def test_a_device_that_is_made_again_is_the_same_one(intake: Intake):
    await intake(site(), asset(v=1))
    await intake(gone("asset", "a1", v=5))

    await intake(asset("a2", v=6, serial="SN-A1", asset_tag=None, state=None))

    row = await intake.row("asset")
    assert (row["state"], row["retired_at"]) == (AssetState.DEPLOYED, None)


async def test_revision_and_warranty_of_a_device_come_with_who_said_so(intake: Intake, engine: AsyncEngine):
    await intake(site(), asset("a1", revision=" V03 ", warranty_ends_on=date(2027, 1, 31)))
    await intake(asset("a1", v=2, revision="V04", warranty_ends_on=date(2028, 1, 31)))

    row = await intake.row("asset")
    assert (row["revision"], row["warranty_ends_on"]) == ("V04", date(2028, 1, 31))
    async with transaction(engine) as tx:
        await publish_changes(tx)
        logged = await read_changes(tx, 0, limit=100)
    [change] = [item for item in logged if item.kind is EntityKind.ASSET and item.operation == "updated"]
    assert change.fields == {"revision": ["V03", "V04"], "warranty_ends_on": ["2027-01-31", "2028-01-31"]}
    assert change.actor == "source:cmdb"


async def test_a_source_that_does_not_know_the_revision_leaves_what_another_one_said(intake: Intake):
    await intake(site(), asset("a1", product=SWITCH, revision="V03"))

    await intake(asset("77", serial="SN-A1", asset_tag=None, place=None), source="itsm")

    assert (await intake.row("asset"))["revision"] == "V03"


async def test_a_source_that_still_calls_a_failed_device_active_does_not_undo_its_return(
    intake: Intake, engine: AsyncEngine
):
    await intake(site(), site("s2"), hub(), asset())
    failed = await intake.row("asset")
    async with transaction(engine) as tx:
        await tx.execute(update(tables.asset).values(state="return_pending"))

    await intake(asset(v=2, name="renamed-meanwhile"))
    pending = await intake.row("asset")
    async with transaction(engine) as tx:
        back = {"state": "quarantined", "site_id": None, "hub_id": (await intake.row("hub"))["id"]}
        await tx.execute(update(tables.asset).values(**back))
    await intake(asset(v=3, name="renamed-again"))
    aside = await intake.row("asset")
    await intake(asset(v=4, place=ref("site", "s2")))
    moved = await intake.row("asset")

    assert (pending["state"], pending["site_id"], pending["name"]) == (
        AssetState.RETURN_PENDING, failed["site_id"], "renamed-meanwhile",
    )  # fmt: skip
    assert (aside["state"], aside["site_id"], aside["hub_id"], aside["name"]) == (
        AssetState.QUARANTINED, None, back["hub_id"], "renamed-again",
    )  # fmt: skip
    assert (moved["state"], moved["hub_id"]) == (AssetState.DEPLOYED, None)
    assert moved["site_id"] != failed["site_id"]
