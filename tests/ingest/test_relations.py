"""Relations between devices: either of the two may come first, records may change their devices, and each may go."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select, update
from tests.ingest.conftest import Intake
from tests.ingest.records import asset, gone, ref, site

from connector.model.kinds import RelationKind
from connector.sdk import AssetRelation
from connector.storage.database.engine import reading, transaction
from connector.storage.tables import asset_relation, source_ref

PART_OF, DEPENDS_ON = RelationKind.PART_OF, RelationKind.DEPENDS_ON


def of(kind: RelationKind, other: str) -> AssetRelation:
    return AssetRelation(kind=kind, other=ref("asset", other))


async def relations(intake: Intake) -> set[tuple[Any, ...]]:
    c = asset_relation.c
    async with reading(intake.engine) as tx:
        rows = await tx.execute(select(c.asset_id, c.kind, c.external_id, c.other_id))
        return {tuple(row) for row in rows}


async def ids(intake: Intake) -> dict[str, int]:
    return {row["external_id"]: row["entity_id"] for row in await intake.refs() if row["kind"] == "asset"}


async def test_devices_of_one_batch_find_each_other_and_a_later_one_is_waited_for_by_its_source(intake: Intake):
    blade = asset("blade", relations=(of(PART_OF, "chassis"), of(PART_OF, "chassis"), of(DEPENDS_ON, "pdu")))
    await intake(site(), blade, asset("chassis"))
    known = await ids(intake)
    await intake(site(), asset("pdu", serial="OTHER", asset_tag=None), source="other")
    assert await relations(intake) == {
        (known["blade"], PART_OF, "chassis", known["chassis"]), (known["blade"], DEPENDS_ON, "pdu", None),
    }  # fmt: skip

    await intake(asset("pdu"))

    known = await ids(intake)
    assert (known["blade"], DEPENDS_ON, "pdu", (await intake.rows("asset"))[-1]["id"]) in await relations(intake)
    change = (await intake.changes("asset"))[-1]
    assert (change["entity_id"], change["fields"]) == (known["blade"], {"depends_on": [["pdu"], ["pdu"]]})


async def test_what_is_stated_no_more_goes_with_a_change_and_silence_or_repetition_changes_nothing(intake: Intake):
    await intake(site(), asset("chassis"), asset("blade", relations=(of(PART_OF, "chassis"),)))
    before, count = await relations(intake), await intake.count_changes()

    await intake(asset("blade", v=2, relations=(of(PART_OF, "chassis"),)))
    await intake(asset("blade", v=3))
    assert (await relations(intake), await intake.count_changes()) == (before, count)

    await intake(asset("blade", v=4, relations=()))
    assert await relations(intake) == set()
    assert (await intake.changes("asset"))[-1]["fields"] == {"part_of": [["chassis"], None]}


async def test_each_source_has_its_own_say_and_takes_it_along_when_its_record_goes(intake: Intake):
    said = (of(PART_OF, "chassis"),)
    for source in ("cmdb", "other"):
        await intake(site(), asset("chassis"), asset("blade", relations=said), source=source)
    known = await ids(intake)
    async with reading(intake.engine) as tx:
        assert len((await tx.execute(select(asset_relation.c.id))).all()) == 2

    await intake(gone("asset", "blade", v=2), source="other")

    assert await relations(intake) == {(known["blade"], PART_OF, "chassis", known["chassis"])}
    change = (await intake.changes("asset"))[-1]
    assert (change["entity_id"], change["fields"]) == (known["blade"], {"part_of": [["chassis"], None]})
    assert (await intake.rows("asset"))[known["blade"] - 1]["retired_at"] is None

    await intake(gone("asset", "blade", v=2))
    assert await relations(intake) == set()


async def stands_for(intake: Intake, external_id: str, asset_id: int) -> None:
    """A record is of another device from now on, as after a swap."""
    async with transaction(intake.engine) as tx:
        c = source_ref.c
        await tx.execute(update(source_ref).where(c.external_id == external_id).values(entity_id=asset_id))


async def test_relations_go_along_when_records_come_to_stand_for_other_devices(intake: Intake):
    said = (of(PART_OF, "chassis"),)
    await intake(site(), asset("chassis"), asset("blade", relations=said), asset("spare-c"), asset("spare-b"))
    known = await ids(intake)
    await stands_for(intake, "blade", known["spare-b"])
    await stands_for(intake, "chassis", known["spare-c"])

    await intake(asset("blade", v=2, name="b2", relations=said))
    assert await relations(intake) == {(known["spare-b"], PART_OF, "chassis", known["chassis"])}
    assert (await intake.changes("asset"))[-1]["fields"]["part_of"] == [None, ["chassis"]]

    await intake(asset("chassis", v=2, name="c2"))
    assert await relations(intake) == {(known["spare-b"], PART_OF, "chassis", known["spare-c"])}


def test_a_device_is_related_to_devices_only():
    with pytest.raises(ValidationError, match="ticket:1 is no asset: a device is related to devices only"):
        AssetRelation(kind=PART_OF, other=ref("ticket", "1"))
