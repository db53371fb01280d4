"""Swaps, as people find them in Freshservice afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from connector.sdk import Conflict, Invalid, RecordSwap, SourceRef
from connector_freshservice.sandbox.account import HARDWARE, LAPTOP, SOFTWARE

from .conftest import Hub


def of_type(hub: Hub, ref: SourceRef | None, name: str) -> Any:
    assert ref is not None
    return hub.sandbox.row(ref)["type_fields"][f"{name}_{HARDWARE}"]


def onto(hub: Hub, **changes: Any) -> RecordSwap:
    return replace(hub.sandbox.swap(), **({"replacement": None, "serial": "NEW'1", "asset_tag": "TAG-1"} | changes))


async def test_the_spare_goes_to_the_room_and_the_hands_of_the_failed_device(hub: Hub) -> None:
    op = hub.sandbox.swap()
    assert op.site
    assert op.failed
    assert op.replacement
    room = hub.sandbox.location(parent_location_id=int(op.site.external_id))
    hub.sandbox.row(op.failed)["location_id"] = room["id"]
    receipt = await hub.adapter(sites="top").record_swap(op)
    spare = hub.sandbox.row(op.replacement)

    assert (spare["location_id"], spare["user_id"], of_type(hub, op.replacement, "asset_state")) == (
        room["id"], 900, "In Use",
    )  # fmt: skip
    assert spare["description"].endswith("put in place of PF00001 [connector:wf-1:swap]")
    assert (of_type(hub, op.failed, "asset_state"), receipt.failed_state) == ("Retired", "retired")
    assert await hub.adapter(sites="top").find_swap(op) == receipt


async def test_a_record_that_stands_for_the_position_gets_what_is_known_of_the_replacement(hub: Hub) -> None:
    op = onto(hub, revision="B2", warranty_ends_on=date(2030, 1, 31))
    await hub.adapter().record_swap(op)
    row = hub.sandbox.row(op.record)

    assert (of_type(hub, op.record, "serial_number"), row["asset_tag"]) == ("NEW'1", "TAG-1")
    assert row["type_fields"][f"revision_{LAPTOP}"] == "B2"
    assert of_type(hub, op.record, "warranty_expiry_date") == "2030-01-31T00:00:00Z"
    assert of_type(hub, op.record, "asset_state") == "In Use"
    assert len(hub.account.log) == 1


async def test_a_serial_that_another_asset_has_is_not_given_twice(hub: Hub) -> None:
    op = onto(hub)
    hub.sandbox.asset(serial="new'1")
    hub.sandbox.asset(serial="NEW'11")

    with pytest.raises(Conflict, match='has serial "NEW\'1" already'):
        await hub.adapter().record_swap(op)
    [search] = [request.url.params for request in hub.asked if "search" in request.url.params]
    assert dict(search) == {"search": "\"serial_number:'NEW\\'1'\"", "include": "type_fields"}


async def test_an_asset_that_is_none_of_those_that_are_read_is_left_alone(hub: Hub) -> None:
    op = onto(hub)
    hub.sandbox.row(op.record)["asset_type_id"] = SOFTWARE

    with pytest.raises(Conflict, match="asset of Software"):
        await hub.adapter().record_swap(op)


async def test_what_the_type_does_not_have_and_what_stays_as_it_was_is_said(hub: Hub) -> None:
    op = onto(hub)
    fields = hub.sandbox.row(op.record)["type_fields"]
    serial = fields.pop(f"serial_number_{HARDWARE}")
    with pytest.raises(Invalid, match="assets of this type have no serial_number"):
        await hub.adapter().record_swap(op)
    fields[f"serial_number_{HARDWARE}"] = serial
    hub.account.passes_over = {"asset_tag"}
    with pytest.raises(Invalid, match="left asset_tag of"):
        await hub.adapter().record_swap(op)
