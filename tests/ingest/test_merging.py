"""Two records of one device become one, with all that hangs on them; and what cannot be one device stays two."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update
from tests.conftest import MovableClock
from tests.factories import NOW
from tests.ingest.conftest import Intake
from tests.ingest.merging import Desk, everything, miscounted
from tests.ingest.records import asset, gone, hub, ref, site, ticket

from connector.ingest.deciding import link_identity
from connector.ingest.overriding import override_field
from connector.model.errors import IllegalTransition, InvalidInput, NotKnown
from connector.model.lifecycle import AssetState, ReservationState, ReviewState, RmaState
from connector.model.refs import EntityKind
from connector.sdk import AssetRelation, ProductKey, RelationKind
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.merging.hanging import HANGING, STAYING
from connector.storage.sources.reviews import list_reviews

MAC, OTHER_MAC = "00:1B:54:00:00:01", "00:1B:54:00:00:02"
HELD: dict[str, Any] = {"place": ref("hub", "h1"), "state": AssetState.IN_STOCK}


@pytest.fixture
async def desk(intake: Intake, clock: MovableClock) -> Desk:
    """The CMDB has a device by its serial, the MDM one by its tag, which nothing brought together: assets 1 and 2."""
    await intake(site(), hub(), asset("a1", serial="S1", name="sw-1", holder="Ms Lee", asset_tag=None, macs=[MAC]))
    await intake(
        asset("m1", serial=None, name="SW-ONE", asset_tag="T9", place=None, product=None, state=None,
              holder=None, macs=[OTHER_MAC]),
        source="mdm",
    )  # fmt: skip
    return Desk(intake.engine, clock)


async def reserve(desk: Desk, asset_id: int, ticket_id: int, *, state: AssetState = AssetState.RESERVED) -> int:
    row = (await desk.rows(tables.asset))[asset_id - 1]
    async with transaction(desk.engine) as tx:
        await tx.execute(update(tables.asset).where(tables.asset.c.id == asset_id).values(state=state))
        await tx.execute(
            update(tables.stock)
            .where(tables.stock.c.hub_id == row["hub_id"], tables.stock.c.product_id == row["product_id"])
            .values(reserved=tables.stock.c.reserved + 1)
        )
    return await desk.add(
        tables.reservation, ticket_id=ticket_id, hub_id=row["hub_id"] or 1, product_id=row["product_id"],
        requested_product_id=row["product_id"], asset_id=asset_id, state=ReservationState.HELD, lane="normal",
        quantity=1, line=1, created_at=NOW, updated_at=NOW,
    )  # fmt: skip


def test_every_column_that_names_a_device_is_accounted_for():
    moving = {(hanging.table.name, column) for hanging in HANGING for column in hanging.columns}
    names = {
        (table.name, column.name)
        for table in tables.metadata.tables.values()
        for column in table.columns
        if any(key.column is tables.asset.c.id for key in column.foreign_keys)
    }
    of_any_kind = {
        (table.name, "entity_id")
        for table in tables.metadata.tables.values()
        if {"kind", "entity_id"} <= set(table.c.keys())
    }

    assert moving | STAYING.keys() == names | of_any_kind
    assert moving.isdisjoint(STAYING)


async def test_what_hangs_on_one_device_comes_to_the_other(desk: Desk, intake: Intake):
    await intake(ticket("5", asset=ref("asset", "a1")))
    await intake(ticket("6", asset=ref("asset", "m1")), source="mdm")

    [number] = await desk.merge(1, 2)

    kept, merged = await intake.rows("asset")
    assert [row["entity_id"] for row in await intake.refs() if row["kind"] is EntityKind.ASSET] == [1, 1]
    assert (kept["serial"], kept["asset_tag"], kept["name"], kept["holder"]) == ("S1", "T9", "SW-ONE", "Ms Lee")
    assert [row["asset_id"] for row in await intake.rows("ticket")] == [1, 1]
    assert {row["mac"]: row["asset_id"] for row in await desk.rows(tables.asset_mac)} == {MAC: 1, OTHER_MAC: 1}
    assert (merged["merged_into_id"], merged["state"], merged["retired_at"]) == (
        1,
        AssetState.RETIRED,
        desk.clock.now(),
    )
    assert (merged["asset_tag"], merged["name"]) == ("T9", "SW-ONE")
    [record] = await desk.rows(tables.asset_merge)
    assert (record["id"], record["kept_id"], record["merged_id"], record["merged_by"]) == (number, 1, 2, "ada")
    assert record["moved"] == {"records": 1, "addresses": 1, "tickets": 1}


async def test_where_the_records_contradict_each_other_is_told_of_the_one_device(desk: Desk, intake: Intake):
    [number] = await desk.merge(1, 2)

    [conflict] = await desk.rows(tables.field_conflict)
    assert (conflict["entity_id"], conflict["asset_id"], conflict["field"], conflict["source"]) == (1, 1, "name", "mdm")
    assert [each[:3] for each in conflict["statements"]] == [["cmdb", "a1", ["sw-1"]], ["mdm", "m1", ["SW-ONE"]]]
    await desk.undo(number)
    assert await desk.rows(tables.field_conflict) == []


async def test_the_log_tells_of_both_devices_and_of_what_moved(desk: Desk, intake: Intake):
    await intake(ticket("6", asset=ref("asset", "m1")), source="mdm")
    seen = await intake.count_changes()

    await desk.merge(1, 2)

    log = [(row["kind"], row["entity_id"], row["actor"], row["cause"]) for row in (await intake.changes())[seen:]]
    assert log == [
        (EntityKind.TICKET, 1, "ada", "merge: one device"), (EntityKind.ASSET, 1, "ada", "merge: one device"),
        (EntityKind.ASSET, 2, "ada", "merge: one device"), (EntityKind.ASSET_MERGE, 1, "ada", "one device"),
    ]  # fmt: skip
    fields = {row["entity_id"]: row["fields"] for row in (await intake.changes("asset"))[-2:]}
    assert fields[1]["asset_tag"] == [None, "T9"]
    assert fields[1]["macs"] == [[MAC], [MAC, OTHER_MAC]]
    assert fields[2]["merged_into_id"] == [None, 1]


async def test_a_source_that_sends_the_merged_device_again_finds_the_kept_one(desk: Desk, intake: Intake):
    await desk.merge(1, 2)

    again = asset("m1", v=2, serial=None, name="SW-NEW", asset_tag="T9", place=None, product=None, state=None)
    await intake(again, source="mdm")
    await intake(again, source="mdm")
    await intake(ticket("7", asset=ref("asset", "m1")), source="mdm")

    kept, merged = await intake.rows("asset")
    assert (kept["name"], merged["name"]) == ("SW-NEW", "SW-ONE")
    assert (await intake.row("ticket"))["asset_id"] == 1


async def test_nothing_finds_the_merged_device(intake: Intake, clock: MovableClock):
    await intake(site(), asset("a1", serial="S1", asset_tag="T1", name="one", macs=[MAC]))
    await intake(asset("a2", serial="S2", asset_tag="T2", name="two"))
    await Desk(intake.engine, clock).merge(2, 1)

    await intake(asset("x9", serial="S1", asset_tag="T1", name="one", place=None), source="itsm")
    await intake(ticket("8", asset_tag="T1"), ticket("9", asset_tag="T2"), source="mdm")

    assert [(row["id"], row["serial"], row["merged_into_id"]) for row in await intake.rows("asset")] == [
        (1, "S1", 2), (2, "S2", None), (3, "S1", None),
    ]  # fmt: skip
    assert [row["entity_id"] for row in await intake.refs() if row["external_id"] == "x9"] == [3]
    assert [row["asset_id"] for row in await intake.rows("ticket")] == [3, 2]


async def test_a_device_takes_over_what_it_lacks_and_nobody_states(desk: Desk, intake: Intake):
    found = await desk.add(
        tables.asset, name=None, serial="S1", warranty_ends_on=NOW.date(), state=AssetState.DEPLOYED, lane="normal",
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip

    await desk.merge(1, found)

    kept = (await intake.rows("asset"))[0]
    assert (kept["warranty_ends_on"], kept["name"], kept["serial"]) == (NOW.date(), "sw-1", "S1")


async def test_a_unit_that_is_promised_keeps_its_promise_as_the_other_record(intake: Intake, clock: MovableClock):
    await intake(site(), hub(), asset("a1", serial="S1", asset_tag=None, **HELD), ticket("1"))
    await intake(asset("m1", serial="S2", asset_tag="T2", **HELD | {"place": ref("hub", "h1")}),
                 hub(), source="mdm")  # fmt: skip
    desk = Desk(intake.engine, clock)
    await reserve(desk, 2, 1)

    await desk.merge(1, 2)

    kept, merged = await intake.rows("asset")
    assert (kept["state"], merged["state"]) == (AssetState.RESERVED, AssetState.RETIRED)
    assert [row["asset_id"] for row in await desk.rows(tables.reservation)] == [1]
    assert await miscounted(intake.engine) == []


async def test_two_promised_units_are_two(intake: Intake, clock: MovableClock):
    await intake(
        site(), hub(), asset("a1", serial="S1", **HELD), asset("a2", serial="S2", **HELD), ticket("1"), ticket("2")
    )
    desk = Desk(intake.engine, clock)
    await reserve(desk, 1, 1)
    await reserve(desk, 2, 2)
    before = await everything(intake.engine)

    with pytest.raises(IllegalTransition) as refused:
        await desk.merge(1, 2)

    assert refused.value.message == (
        "asset 2 cannot be merged into asset 1: asset 1 is promised to INC-1, asset 2 is promised to INC-2"
    )
    assert await everything(intake.engine) == before


async def test_a_promised_unit_is_no_other_product(intake: Intake, clock: MovableClock):
    other = ProductKey(manufacturer="Acme", model="X")
    await intake(site(), hub(), asset("a1", serial="S1", **HELD), asset("a2", product=other, **HELD), ticket("1"))
    desk = Desk(intake.engine, clock)
    await reserve(desk, 1, 1)

    with pytest.raises(IllegalTransition, match="they are different products, and asset 1 is promised to INC-1"):
        await desk.merge(1, 2)


async def test_a_unit_that_waits_for_a_wipe_is_none_that_is_promised(intake: Intake, clock: MovableClock):
    waiting = HELD | {"state": AssetState.QUARANTINED}
    await intake(site(), hub(), asset("a1", serial="S1", **waiting), asset("a2", serial="S2", **HELD), ticket("1"))
    desk = Desk(intake.engine, clock)
    await reserve(desk, 2, 1)

    with pytest.raises(IllegalTransition, match="asset 1 waits for a wipe, and the other is promised to INC-1"):
        await desk.merge(1, 2)


async def test_a_unit_that_waits_for_a_wipe_goes_on_waiting(intake: Intake, clock: MovableClock):
    waiting = HELD | {"state": AssetState.QUARANTINED}
    await intake(site(), hub(), asset("a1", serial="S1", **HELD), asset("a2", serial="S2", **waiting))
    desk = Desk(intake.engine, clock)

    await desk.merge(1, 2)

    assert (await intake.rows("asset"))[0]["state"] is AssetState.QUARANTINED
    assert await miscounted(intake.engine) == []


async def test_a_ticket_that_has_a_return_of_each_has_two_devices(desk: Desk, intake: Intake):
    await intake(ticket("1"))
    product_id = (await intake.rows("asset"))[0]["product_id"]
    for line, device in ((1, 1), (2, 2)):
        await desk.add(
            tables.rma, ticket_id=1, line=line, asset_id=device, product_id=product_id, quantity=1,
            state=RmaState.RECEIVED, due_back_at=NOW, created_at=NOW, updated_at=NOW,
        )  # fmt: skip

    with pytest.raises(IllegalTransition, match="INC-1 has a return of each of them"):
        await desk.merge(1, 2)


async def test_what_a_source_relates_to_each_other_is_two_devices(intake: Intake, clock: MovableClock):
    part = [AssetRelation.to(RelationKind.PART_OF, "a1")]
    await intake(site(), asset("a1"), asset("a2", relations=part))

    with pytest.raises(IllegalTransition, match="'cmdb' relates them to each other"):
        await Desk(intake.engine, clock).merge(1, 2)


async def test_relations_go_along_both_ways(intake: Intake, clock: MovableClock):
    await intake(site(), asset("a1"), asset("a2", relations=[AssetRelation.to(RelationKind.PART_OF, "a3")]),
                 asset("a3", relations=[AssetRelation.to(RelationKind.DEPENDS_ON, "a2")]))  # fmt: skip
    desk = Desk(intake.engine, clock)

    [number] = await desk.merge(1, 2)
    merged = [(row["asset_id"], row["other_id"]) for row in await desk.rows(tables.asset_relation)]
    await intake(asset("a2", v=2, relations=[AssetRelation.to(RelationKind.PART_OF, "a3")], holder="Mr Fox"))
    again = [(row["asset_id"], row["other_id"]) for row in await desk.rows(tables.asset_relation)]
    await desk.undo(number)

    assert merged == again == [(1, 3), (3, 1)]
    assert [(row["asset_id"], row["other_id"]) for row in await desk.rows(tables.asset_relation)] == [(2, 3), (3, 2)]
    assert [row["holder"] for row in await intake.rows("asset")] == [None, "Mr Fox", None]


async def test_an_address_that_both_records_of_a_source_state_is_one(intake: Intake, clock: MovableClock):
    await intake(site(), asset("a1", macs=[MAC]), asset("a2", macs=[MAC, OTHER_MAC]))
    desk = Desk(intake.engine, clock)
    before = await everything(intake.engine)

    [number] = await desk.merge(1, 2)
    assert [(row["asset_id"], row["mac"]) for row in await desk.rows(tables.asset_mac)] == [(1, MAC), (1, OTHER_MAC)]
    await desk.undo(number)

    assert await everything(intake.engine) == before


async def test_overrides_go_along_and_give_way_where_both_are_overridden(
    desk: Desk, intake: Intake, clock: MovableClock
):
    async with transaction(desk.engine) as tx:
        for device, field, value in ((1, "name", "KEPT"), (2, "name", "LOST"), (2, "revision", "R2")):
            await override_field(tx, EntityKind.ASSET, device, field, value, reason="seen", by="eve", at=clock.now())
    before = await everything(intake.engine)

    [number] = await desk.merge(1, 2)
    kept = (await intake.rows("asset"))[0]
    assert (kept["name"], kept["revision"]) == ("KEPT", "R2")
    standing = [row for row in await desk.rows(tables.field_override) if row["released_at"] is None]
    assert [(row["entity_id"], row["asset_id"], row["field"]) for row in standing] == [
        (1, 1, "name"),
        (1, 1, "revision"),
    ]
    await desk.undo(number)

    assert await everything(intake.engine) == before


async def test_a_record_that_was_unclear_between_the_two_is_used(desk: Desk, intake: Intake):
    await intake(asset("77", serial="S1", asset_tag="T9", place=None, name="x", holder="Mr Fox"), source="itsm")
    async with reading(desk.engine) as tx:
        [(review, candidates)] = await list_reviews(tx, (ReviewState.OPEN,))
    assert candidates == 2

    await desk.merge(1, 2)

    async with reading(desk.engine) as tx:
        [(review, _)] = await list_reviews(tx, tuple(ReviewState))
    assert (review.state, review.asset_id) == (ReviewState.SETTLED, 1)
    assert (await intake.rows("asset"))[0]["holder"] == "Mr Fox"
    assert await intake.quarantine() == []


async def test_a_device_that_is_merged_already_is_named_by_the_other(desk: Desk, intake: Intake, clock: MovableClock):
    await intake(asset("a3", serial=None, asset_tag="T3"))
    await intake(asset("77", serial="S1", asset_tag="T3", place=None, name="x"), source="itsm")
    await desk.merge(1, 2)

    for keep, other in ((3, 2), (2, 3)):
        with pytest.raises(IllegalTransition) as refused:
            await desk.merge(keep, other)
        assert refused.value.message == "asset 2 was merged into asset 1 (merge 1)"
    with pytest.raises(IllegalTransition, match="asset 2 was merged into asset 1"):
        async with transaction(desk.engine) as tx:
            await link_identity(tx, 1, 2, actor="ada", reason=None, clock=clock)
    with pytest.raises(IllegalTransition, match="asset 2 was merged into asset 1"):
        async with transaction(desk.engine) as tx:
            await override_field(tx, EntityKind.ASSET, 2, "name", "x", reason="seen", by="eve", at=clock.now())


@pytest.mark.parametrize(
    ("keep", "others", "reason", "error", "message"),
    [
        (1, (2,), " ", InvalidInput, "a reason is needed"),
        (1, (), "same", InvalidInput, "0 devices are to be merged into one"),
        (1, (1,), "same", InvalidInput, "a device is named twice"),
        (1, (2, 2), "same", InvalidInput, "a device is named twice"),
        (1, (9,), "same", NotKnown, "there is no asset with id 9"),
        (9, (1,), "same", NotKnown, "there is no asset with id 9"),
    ],
)
async def test_what_makes_no_merge_is_refused(
    desk: Desk, keep: int, others: tuple[int, ...], reason: str, error: type[Exception], message: str
):
    with pytest.raises(error, match=message):
        await desk.merge(keep, *others, reason=reason)


async def test_several_are_merged_at_once_or_none(desk: Desk, intake: Intake):
    await intake(asset("a3", serial="S3"), asset("a4", serial="S4"))
    before = await everything(intake.engine)

    with pytest.raises(NotKnown):
        await desk.merge(1, 2, 3, 99)
    assert await everything(intake.engine) == before
    numbers = await desk.merge(1, 2, 3, 4)

    assert [row["merged_into_id"] for row in await intake.rows("asset")] == [None, 1, 1, 1]
    for number in reversed(numbers):
        await desk.undo(number)
    assert await everything(intake.engine) == before


async def test_what_was_merged_into_a_device_that_is_merged_leads_on(desk: Desk, intake: Intake):
    await intake(asset("a3", serial="S3"))
    before = await everything(intake.engine)

    [first] = await desk.merge(2, 1)
    [second] = await desk.merge(3, 2)
    assert [row["merged_into_id"] for row in await intake.rows("asset")] == [3, 3, None]
    with pytest.raises(IllegalTransition) as refused:
        await desk.undo(first)
    assert refused.value.message == "asset 2, which was kept, was merged into asset 3 since"
    assert refused.value.hint == f"Take merge {second} back first."
    await desk.undo(second)
    await desk.undo(first)

    assert await everything(intake.engine) == before


async def test_a_merged_device_that_its_source_deletes_leaves_the_kept_one(desk: Desk, intake: Intake):
    await desk.merge(1, 2)
    await intake(gone("asset", "m1"), source="mdm")

    kept, _ = await intake.rows("asset")
    assert (kept["retired_at"], kept["name"], kept["state"]) == (None, "sw-1", AssetState.DEPLOYED)
