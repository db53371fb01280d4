"""A merge is taken back: what is as it left it goes back exactly, what has changed since stays and is told."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update
from tests.conftest import MovableClock
from tests.ingest.conftest import Intake
from tests.ingest.merging import Desk, everything, miscounted
from tests.ingest.records import asset, gone, hub, ref, site, ticket
from tests.ingest.test_merging import HELD, MAC, OTHER_MAC, reserve

from connector.ingest.overriding import override_field, release_override
from connector.model.errors import IllegalTransition, InvalidInput, NotKnown
from connector.model.lifecycle import AssetState, ReservationState
from connector.model.refs import EntityKind
from connector.storage import tables
from connector.storage.database.engine import transaction

MDM: dict[str, Any] = {
    "serial": None, "name": "SW-ONE", "asset_tag": "T9", "place": None, "product": None, "state": None,
}  # fmt: skip


@pytest.fixture
async def desk(intake: Intake, clock: MovableClock) -> Desk:
    """Assets 1 and 2, of two sources, of which nothing is the same."""
    await intake(site(), hub(), asset("a1", serial="S1", name="sw-1", holder="Ms Lee", asset_tag=None, macs=[MAC]))
    await intake(asset("m1", **MDM, macs=[OTHER_MAC]), source="mdm")
    return Desk(intake.engine, clock)


async def test_all_is_as_it_was(desk: Desk, intake: Intake):
    await intake(ticket("5", asset=ref("asset", "a1")))
    await intake(ticket("6", asset=ref("asset", "m1")), source="mdm")
    before = await everything(intake.engine)

    [number] = await desk.merge(1, 2)
    undone = await desk.undo(number)

    assert await everything(intake.engine) == before
    assert (undone.kept_id, undone.merged_id, undone.stayed) == (1, 2, [])
    [record] = await desk.rows(tables.asset_merge)
    assert (record["undone_by"], record["undone_at"], record["undo_reason"], record["stayed"]) == (
        "bob", desk.clock.now(), "two devices", [],
    )  # fmt: skip
    told = [row for row in await intake.changes() if row["cause"] == f"undo of merge {number}: two devices"]
    assert [(row["kind"], row["entity_id"]) for row in told] == [
        (EntityKind.TICKET, 2), (EntityKind.ASSET, 1), (EntityKind.ASSET, 2),
    ]  # fmt: skip


async def test_the_source_goes_on_with_its_own_device(desk: Desk, intake: Intake):
    [number] = await desk.merge(1, 2)
    await desk.undo(number)
    seen = await intake.count_changes()

    await intake(asset("m1", **MDM, macs=[OTHER_MAC]), source="mdm")
    assert await intake.count_changes() == seen
    await intake(asset("m1", v=2, **MDM | {"name": "SW-TWO"}, macs=[OTHER_MAC]), source="mdm")

    assert [row["name"] for row in await intake.rows("asset")] == ["sw-1", "SW-TWO"]


async def test_what_the_merged_record_has_said_since_goes_with_it(desk: Desk, intake: Intake):
    [number] = await desk.merge(1, 2)
    await intake(asset("m1", v=2, **MDM | {"name": "SW-TWO"}, holder="Mr Fox", macs=[OTHER_MAC]), source="mdm")
    assert (await intake.rows("asset"))[0]["holder"] == "Mr Fox"

    undone = await desk.undo(number)

    kept, merged = await intake.rows("asset")
    assert (kept["name"], kept["holder"], kept["asset_tag"]) == ("sw-1", "Ms Lee", None)
    assert (merged["name"], merged["holder"], merged["asset_tag"]) == ("SW-TWO", "Mr Fox", "T9")
    assert undone.stayed == []


async def test_what_the_kept_record_has_said_since_holds(desk: Desk, intake: Intake):
    [number] = await desk.merge(1, 2)
    await intake(asset("a1", v=2, serial="S1", name="sw-new", holder=None, asset_tag="T8", macs=[MAC]))
    assert (await intake.rows("asset"))[0]["asset_tag"] == "T8"

    await desk.undo(number)

    kept, merged = await intake.rows("asset")
    assert (kept["name"], kept["holder"], kept["asset_tag"]) == ("sw-new", None, "T8")
    assert (merged["name"], merged["asset_tag"]) == ("SW-ONE", "T9")


async def test_where_the_merged_record_has_put_the_device_since_is_its_own_place(desk: Desk, intake: Intake):
    [number] = await desk.merge(1, 2)
    await intake(site("s2"), asset("m1", v=2, **MDM | {"place": ref("site", "s2")}, macs=[OTHER_MAC]), source="mdm")
    assert (await intake.rows("asset"))[0]["site_id"] == 2

    await desk.undo(number)

    assert [row["site_id"] for row in await intake.rows("asset")] == [1, 2]


async def test_a_ticket_that_is_about_another_device_since_stays_and_is_told(desk: Desk, intake: Intake):
    await intake(asset("a3", serial="S3"), ticket("5"))
    await intake(ticket("6", asset=ref("asset", "m1")), source="mdm")
    [number] = await desk.merge(1, 2)
    async with transaction(desk.engine) as tx:
        await tx.execute(update(tables.ticket).where(tables.ticket.c.number == "INC-6").values(asset_id=3))

    undone = await desk.undo(number)

    assert undone.stayed == [{"what": "tickets", "id": 2, "why": "it is of another device now"}]
    assert [row["asset_id"] for row in await intake.rows("ticket")] == [None, 3]


async def test_what_a_person_has_said_since_stays_with_the_kept_one(desk: Desk, intake: Intake, clock: MovableClock):
    [number] = await desk.merge(1, 2)
    async with transaction(desk.engine) as tx:
        await override_field(tx, EntityKind.ASSET, 1, "name", "MINE", reason="seen", by="eve", at=clock.now())

    await desk.undo(number)

    assert [row["name"] for row in await intake.rows("asset")] == ["MINE", "SW-ONE"]


async def test_an_override_that_was_released_since_holds_nowhere(desk: Desk, intake: Intake, clock: MovableClock):
    async with transaction(desk.engine) as tx:
        override = await override_field(
            tx, EntityKind.ASSET, 2, "name", "MINE", reason="seen", by="eve", at=clock.now()
        )
    [number] = await desk.merge(1, 2)
    assert (await intake.rows("asset"))[0]["name"] == "MINE"
    async with transaction(desk.engine) as tx:
        await release_override(tx, override, by="eve", at=clock.now(), reason=None)

    await desk.undo(number)

    assert [row["name"] for row in await intake.rows("asset")] == ["sw-1", "SW-ONE"]


async def test_a_device_whose_record_was_deleted_since_is_retired(desk: Desk, intake: Intake):
    [number] = await desk.merge(1, 2)
    await intake(gone("asset", "m1"), source="mdm")

    await desk.undo(number)

    kept, merged = await intake.rows("asset")
    assert (kept["retired_at"], kept["state"]) == (None, AssetState.DEPLOYED)
    assert (merged["retired_at"], merged["state"], merged["merged_into_id"]) == (
        desk.clock.now(), AssetState.RETIRED, None,
    )  # fmt: skip


async def test_units_go_back_to_their_shelves(intake: Intake, clock: MovableClock):
    await intake(site(), hub(), hub("h2"), asset("a1", serial="S1", **HELD), asset("a2", serial="S2", **HELD),
                 asset("a3", serial="S3", place=ref("hub", "h2"), state=AssetState.IN_STOCK), ticket("1"))  # fmt: skip
    desk = Desk(intake.engine, clock)
    await reserve(desk, 2, 1)
    before = await everything(intake.engine)

    [first, second] = await desk.merge(1, 2, 3)
    assert await miscounted(intake.engine) == []
    assert [(row["on_hand"], row["reserved"]) for row in await intake.rows("stock")] == [(1, 1), (0, 0)]
    await desk.undo(second)
    await desk.undo(first)

    assert await everything(intake.engine) == before
    assert await miscounted(intake.engine) == []


async def test_a_shelf_that_came_to_be_by_the_merge_goes_with_it_unless_something_is_wanted_of_it(
    intake: Intake, clock: MovableClock
):
    await intake(site(), hub(), asset("a1", serial="S1", product=None, place=ref("hub", "h1"),
                                      state=AssetState.IN_STOCK))  # fmt: skip
    await intake(asset("m1", serial="S2", asset_tag=None, place=None, state=None), source="mdm")
    desk = Desk(intake.engine, clock)
    before = await everything(intake.engine)

    [number] = await desk.merge(1, 2)
    [shelf] = await intake.rows("stock")
    await desk.undo(number)

    assert (before["stock"], shelf["on_hand"]) == ([], 1)
    assert await everything(intake.engine) == before
    told = [row for row in await intake.changes() if row["kind"] is EntityKind.STOCK]
    assert (told[-1]["operation"], told[-1]["entity_id"], told[-1]["fields"]) == (
        "deleted", shelf["id"],
        {"hub_id": [1, None], "lane": ["normal", None], "product_id": [shelf["product_id"], None]},
    )  # fmt: skip

    [number] = await desk.merge(1, 2)
    async with transaction(intake.engine) as tx:
        await tx.execute(update(tables.stock).values(reorder_point=2))
    await desk.undo(number)
    [kept] = await intake.rows("stock")
    assert (kept["on_hand"], kept["reorder_point"]) == (0, 2)


async def test_a_unit_that_was_sent_since_may_be_either(intake: Intake, clock: MovableClock):
    await intake(site(), hub(), asset("a1", serial="S1", **HELD), asset("a2", serial="S2", **HELD), ticket("1"))
    desk = Desk(intake.engine, clock)
    reservation = await reserve(desk, 2, 1)
    [number] = await desk.merge(1, 2)
    async with transaction(desk.engine) as tx:
        its = update(tables.reservation).where(tables.reservation.c.id == reservation)
        await tx.execute(its.values(state=ReservationState.FULFILLED))
    before = await everything(intake.engine)

    with pytest.raises(IllegalTransition) as refused:
        await desk.undo(number)

    assert refused.value.message == (
        f"reservation {reservation}, which merge {number} moved, has gone on since: whether that was with asset 1 or "
        "with asset 2 is not known"
    )
    assert await everything(intake.engine) == before


async def test_a_unit_that_is_promised_since_as_what_it_has_become_stays_so(intake: Intake, clock: MovableClock):
    await intake(site(), hub(), ticket("1"))
    await intake(asset("a1", serial="S1", product=None, **HELD))
    await intake(hub(), asset("m1", serial="S2", asset_tag="T2", **HELD), source="mdm")
    desk = Desk(intake.engine, clock)
    [number] = await desk.merge(1, 2)
    await reserve(desk, 1, 1)

    with pytest.raises(IllegalTransition, match="asset 1 is promised to INC-1 since, as what it is by merge 1"):
        await desk.undo(number)


async def test_a_unit_that_is_promised_since_stays_promised(intake: Intake, clock: MovableClock):
    await intake(site(), hub(), asset("a1", serial="S1", **HELD), asset("a2", serial="S2", **HELD), ticket("1"))
    desk = Desk(intake.engine, clock)
    [number] = await desk.merge(1, 2)
    await reserve(desk, 1, 1)

    await desk.undo(number)

    assert [row["state"] for row in await intake.rows("asset")] == [AssetState.RESERVED, AssetState.IN_STOCK]
    assert await miscounted(intake.engine) == []


async def test_later_merges_are_taken_back_first(desk: Desk, intake: Intake):
    await intake(asset("a3", serial="S3"))
    [first] = await desk.merge(1, 2)
    [second] = await desk.merge(1, 3)

    with pytest.raises(IllegalTransition) as refused:
        await desk.undo(first)

    assert refused.value.message == "another device was merged into asset 1 since"
    assert refused.value.hint == f"Take merge {second} back first."


async def test_merges_that_share_no_device_are_taken_back_in_any_order(desk: Desk, intake: Intake):
    await intake(asset("a3", serial="S3", name="sw-3", asset_tag=None))
    await intake(asset("m4", **MDM | {"name": "SW-FOUR", "asset_tag": "T4"}), source="mdm")
    before = await everything(intake.engine)
    [first] = await desk.merge(1, 2)
    [second] = await desk.merge(3, 4)

    undone = [await desk.undo(number) for number in (first, second)]

    assert await everything(intake.engine) == before
    assert [each.stayed for each in undone] == [[], []]


async def test_what_cannot_be_taken_back_is_refused(desk: Desk):
    [number] = await desk.merge(1, 2)

    with pytest.raises(InvalidInput, match="a reason is needed"):
        await desk.undo(number, reason="")
    with pytest.raises(NotKnown, match="there is no merge 9"):
        await desk.undo(9)
    await desk.undo(number)
    with pytest.raises(IllegalTransition, match=f"merge {number} was taken back already, by bob"):
        await desk.undo(number)


async def test_a_device_is_merged_again_after_that(desk: Desk, intake: Intake):
    [first] = await desk.merge(1, 2)
    once = await everything(intake.engine)
    await desk.undo(first)
    [second] = await desk.merge(1, 2)

    again = await everything(intake.engine)
    await desk.undo(second)

    assert second != first
    for row in (*once["asset"], *again["asset"]):
        row["retired_at"] = None
    assert once["asset"] == again["asset"]
    assert once["source_ref"] == again["source_ref"]
