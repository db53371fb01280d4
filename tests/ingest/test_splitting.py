"""Records that were wrongly linked to a device become a device of their own, and stay that."""

from __future__ import annotations

import pytest
from tests.conftest import MovableClock
from tests.ingest.conftest import Intake
from tests.ingest.merging import Desk, everything, miscounted
from tests.ingest.records import SWITCH, asset, gone, hub, ref, site, ticket
from tests.ingest.test_merging import HELD, MAC, OTHER_MAC, reserve

from connector.model.errors import IllegalTransition, InvalidInput, NotKnown
from connector.model.lifecycle import AssetState, ReviewState
from connector.model.refs import EntityKind
from connector.sdk import AssetRelation, Batch, ProductKey, RelationKind
from connector.storage import tables

LENT = ProductKey(manufacturer="Cisco", model="C9200")


@pytest.fixture
async def desk(intake: Intake, clock: MovableClock) -> Desk:
    """Two sources have asset 1, whose tag was put on another device: of that the MDM speaks."""
    await intake(site(), site("s2"), asset("a1", serial="S1", name="sw-1", asset_tag="T1", macs=[MAC]))
    await intake(site("s2"), mdm(1), source="mdm")
    assert len(await intake.rows("asset")) == 1
    return Desk(intake.engine, clock)


def mdm(v: int, **values: object) -> object:
    given = {"serial": None, "asset_tag": "T1", "name": "sw-9", "place": ref("site", "s2"), "holder": "Mr Fox",
             "macs": [OTHER_MAC], **values}  # fmt: skip
    return asset("m1", v=v, **given)


async def test_records_become_a_device_of_their_own(desk: Desk, intake: Intake):
    split = await desk.split(1, "mdm:m1")

    old, new = await intake.rows("asset")
    assert (split.asset_id, split.new_id) == (1, 2)
    assert (old["name"], old["holder"], old["asset_tag"], old["site_id"]) == ("sw-1", None, "T1", 1)
    assert (new["name"], new["holder"], new["asset_tag"], new["serial"]) == ("sw-9", "Mr Fox", "T1", None)
    assert (new["site_id"], new["state"], new["product_id"]) == (2, AssetState.DEPLOYED, old["product_id"])
    assert [row["entity_id"] for row in await intake.refs() if row["kind"] is EntityKind.ASSET] == [1, 2]
    assert [(row["asset_id"], row["mac"]) for row in await desk.rows(tables.asset_mac)] == [(1, MAC), (2, OTHER_MAC)]
    assert await desk.rows(tables.field_conflict) == []
    log = [row for row in await intake.changes() if row["cause"] == "split of asset 1: another one"]
    assert {(row["kind"], row["entity_id"], row["operation"]) for row in log if row["kind"] is EntityKind.ASSET} == {
        (EntityKind.ASSET, 1, "updated"), (EntityKind.ASSET, 2, "created"), (EntityKind.ASSET, 2, "updated"),
    }  # fmt: skip


async def test_that_they_are_two_is_remembered(desk: Desk, intake: Intake):
    [number] = (await desk.split(1, "mdm:m1", reason="the tag was moved")).review_ids

    [review] = await desk.rows(tables.identity_review)
    [candidate] = await desk.rows(tables.identity_candidate)
    assert (review["id"], review["external_id"], review["state"]) == (number, "m1", ReviewState.SEPARATE)
    assert (review["asset_id"], review["decided_by"], review["quarantine_id"]) == (2, "ada", None)
    assert (review["reason"], review["decision_reason"]) == ("it was split off asset 1", "the tag was moved")
    assert review["stated"]["asset_tag"] == "T1"
    assert candidate["asset_id"] == 1
    assert {"fact": "asset_tag", "stated": "T1", "known": "T1", "agreement": "agrees"} in candidate["facts"]


async def test_no_later_sync_links_them_again(desk: Desk, intake: Intake):
    await desk.split(1, "mdm:m1")

    await intake(mdm(1), source="mdm")
    await intake(mdm(2, holder="Mx Doe"), source="mdm")
    await intake.batch(Batch(records=(site("s2"), mdm(2, holder="Mx Doe")), complete=True), source="mdm")
    await intake(gone("asset", "m1", v=3), source="mdm")
    await intake(mdm(4, holder="Mx Roe"), source="mdm")
    await intake(asset("a1", v=5, serial="S1", name="sw-1", asset_tag="T1", macs=[MAC]))

    assert [(row["holder"], row["retired_at"]) for row in await intake.rows("asset")] == [
        (None, None), ("Mx Roe", None),
    ]  # fmt: skip
    assert await intake.quarantine() == []


async def test_relations_are_of_the_record_that_states_them(intake: Intake, clock: MovableClock):
    await intake(site(), asset("a1"), asset("a2", relations=[AssetRelation.to(RelationKind.PART_OF, "a3")]),
                 asset("a3", relations=[AssetRelation.to(RelationKind.DEPENDS_ON, "a2")]))  # fmt: skip
    desk = Desk(intake.engine, clock)
    await desk.merge(1, 2)

    split = await desk.split(1, "cmdb:a2")

    relations = [(row["asset_id"], row["other_id"]) for row in await desk.rows(tables.asset_relation)]
    assert relations == [(split.new_id, 3), (3, split.new_id)]


async def test_tickets_and_promises_stay_where_they_are(intake: Intake, clock: MovableClock):
    await intake(site(), hub(), asset("a1", serial="S1", asset_tag="T1", **HELD), ticket("1", asset=ref("asset", "a1")))
    await intake(
        site(), asset("m1", serial="S1", asset_tag="T1", product=None, holder="Mr Fox", state=None), source="mdm"
    )
    desk = Desk(intake.engine, clock)
    await reserve(desk, 1, 1)

    await desk.split(1, "cmdb:a1")

    old, new = await intake.rows("asset")
    assert (old["state"], old["holder"], new["state"]) == (AssetState.RESERVED, "Mr Fox", AssetState.IN_STOCK)
    assert old["product_id"] == new["product_id"] is not None
    assert [row["asset_id"] for row in await desk.rows(tables.reservation)] == [1]
    assert [row["asset_id"] for row in await intake.rows("ticket")] == [1]
    assert await miscounted(intake.engine) == []


async def test_what_waits_for_a_wipe_reaches_no_shelf_by_being_another_device(intake: Intake, clock: MovableClock):
    await intake(site(), hub(), asset("a1", serial="S1", asset_tag="T1", **HELD | {"state": AssetState.QUARANTINED}))
    await intake(hub(), asset("m1", serial="S1", asset_tag="T1", product=SWITCH, **HELD), source="mdm")
    desk = Desk(intake.engine, clock)
    state = (await intake.row("asset"))["state"]

    await desk.split(1, "mdm:m1")

    if state is AssetState.QUARANTINED:
        assert [row["state"] for row in await intake.rows("asset")] == [AssetState.QUARANTINED] * 2
    assert await miscounted(intake.engine) == []


async def test_two_records_of_one_source_are_looked_at_again(intake: Intake, clock: MovableClock):
    await intake(site(), asset("a1", macs=[MAC]), asset("a2", macs=[OTHER_MAC]))
    desk = Desk(intake.engine, clock)
    await desk.merge(1, 2)

    await desk.split(1, "cmdb:a2")
    await intake(asset("a1", macs=[MAC]), asset("a2", macs=[OTHER_MAC]))

    assert [(row["asset_id"], row["mac"]) for row in await desk.rows(tables.asset_mac)] == [(1, MAC), (3, OTHER_MAC)]


@pytest.mark.parametrize(
    ("device", "names", "reason", "error", "message"),
    [
        (1, ("mdm:m1",), " ", InvalidInput, "a reason is needed"),
        (1, (), "two", InvalidInput, "0 records are to be split off"),
        (1, ("mdm:m7",), "two", InvalidInput, "asset 1 has no record 'm7' of 'mdm'"),
        (1, ("mdm:m1", "cmdb:a1"), "two", InvalidInput, "no record of asset 1 would be left"),
        (7, ("mdm:m1",), "two", NotKnown, "there is no asset with id 7"),
    ],
)
async def test_what_makes_no_device_is_refused(
    desk: Desk, device: int, names: tuple[str, ...], reason: str, error: type[Exception], message: str
):
    before = await everything(desk.engine)

    with pytest.raises(error, match=message):
        await desk.split(device, *names, reason=reason)

    assert await everything(desk.engine) == before


async def test_a_merged_device_is_not_split(desk: Desk, intake: Intake):
    await intake(asset("a3", serial="S3", asset_tag="T3", product=LENT))
    await desk.merge(2, 1)

    with pytest.raises(IllegalTransition, match="asset 1 was merged into asset 2"):
        await desk.split(1, "mdm:m1")
    split = await desk.split(2, "mdm:m1")

    assert split.new_id == 3
    assert [row["entity_id"] for row in await intake.refs() if row["kind"] is EntityKind.ASSET] == [2, 3, 2]


async def test_what_a_split_took_stays_where_it_is_when_the_merge_is_taken_back(desk: Desk, intake: Intake):
    await intake(asset("a3", serial="S3", asset_tag="T3"))
    [number] = await desk.merge(2, 1)
    split = await desk.split(2, "mdm:m1")

    undone = await desk.undo(number)

    assert [row["entity_id"] for row in await intake.refs() if row["kind"] is EntityKind.ASSET] == [1, split.new_id, 2]
    assert {"what": "records", "id": 4, "why": "it is of another device now"} in [
        {**item, "id": 4} for item in undone.stayed
    ]
    assert [row["name"] for row in await intake.rows("asset")] == ["sw-1", "sw-a3", "sw-9"]
