from __future__ import annotations

from typing import Any

import pytest
from tests.ingest.conftest import Intake
from tests.ingest.records import SWITCH, asset, gone, hub, ref, site, ticket

from connector.model.lifecycle import TicketState
from connector.sdk import ProductKey


@pytest.mark.parametrize(
    "named",
    [
        {"asset_tag": "tag-a1"},
        {"serial": "sn-a1"},
        {"hostname": "sw-a1"},
        {"hostname": "SW-A1.example.com"},
        {"asset_tag": "unknown", "serial": "SN-A1"},
    ],
)
async def test_a_ticket_finds_its_device_by_whatever_it_names(intake: Intake, named: dict[str, Any]):
    await intake(site(), asset("a1"), asset("a2"))

    await intake(ticket(**named), source="itsm")

    row = await intake.row("ticket")
    assert row["asset_id"] == (await intake.rows("asset"))[0]["id"]
    assert row["site_id"] == (await intake.row("site"))["id"]
    assert (row["asset_hint"], row["external_id"], row["number"]) == (None, "1", "INC-1")


async def test_a_reference_of_the_same_source_finds_the_device(intake: Intake):
    await intake(site(), asset("a1"), ticket(asset=ref("asset", "a1"), site=ref("site", "s1")))

    assert (await intake.row("ticket"))["asset_id"] == (await intake.row("asset"))["id"]


async def test_what_is_not_known_is_kept_as_a_hint_and_not_quarantined(intake: Intake):
    applied = await intake(
        ticket(hostname="sw-9", site_name="Mars", product=ProductKey(manufacturer="Cisco", model="X")), source="itsm"
    )

    row = await intake.row("ticket")
    assert (applied.created, applied.quarantined) == (1, 0)
    assert (row["asset_id"], row["site_id"], row["product_id"]) == (None, None, None)
    assert (row["asset_hint"], row["site_hint"], row["product_hint"]) == ("sw-9", "Mars", "Cisco X")


async def test_a_name_that_two_devices_have_is_no_link(intake: Intake):
    await intake(site(), asset("a1", name="sw"), asset("a2", name="sw"))
    await intake(ticket(hostname="sw"), source="itsm")

    row = await intake.row("ticket")
    assert (row["asset_id"], row["asset_hint"]) == (None, "sw")


async def test_a_device_that_arrives_later_is_linked_and_the_change_is_seen(intake: Intake):
    await intake(ticket(hostname="SW-A1.example.com"), source="itsm")

    await intake(site(), asset("a1"))

    row = await intake.row("ticket")
    device = await intake.row("asset")
    assert (row["asset_id"], row["asset_hint"], row["site_id"]) == (device["id"], None, device["site_id"])
    change = (await intake.changes("ticket"))[-1]
    assert (change["operation"], change["actor"]) == ("updated", "source:cmdb")
    assert change["fields"] == {
        "asset_id": [None, device["id"]],
        "asset_hint": ["SW-A1", None],
        "site_id": [None, device["site_id"]],
    }


async def test_a_site_that_arrives_later_is_linked(intake: Intake):
    await intake(ticket(site_name="HQ"), source="itsm")

    await intake(site(code="HQ"))

    row = await intake.row("ticket")
    assert (row["site_id"], row["site_hint"]) == ((await intake.row("site"))["id"], None)


async def test_a_late_link_survives_the_next_pull_of_the_ticket(intake: Intake):
    await intake(ticket(hostname="sw-a1"), source="itsm")
    await intake(site(), asset("a1"))

    await intake(ticket(hostname="sw-a1"), source="itsm")
    await intake(ticket(v=2, hostname="sw-a1", state=TicketState.IN_PROGRESS), source="itsm")

    row = await intake.row("ticket")
    assert row["asset_id"] == (await intake.row("asset"))["id"]
    assert row["state"] is TicketState.IN_PROGRESS


async def test_a_ticket_that_is_about_another_device_now_lets_go_of_the_first(intake: Intake):
    await intake(site(), asset("a1"))
    await intake(ticket(hostname="sw-a1"), source="itsm")

    await intake(ticket(v=2, hostname="sw-b7"), source="itsm")

    row = await intake.row("ticket")
    assert (row["asset_id"], row["asset_hint"]) == (None, "sw-b7")


async def test_a_field_that_the_ticket_system_clears_is_cleared(intake: Intake):
    await intake(ticket(assignee="lee", category="hardware"), source="itsm")
    await intake(ticket(v=2, assignee=None, category="hardware"), source="itsm")

    row = await intake.row("ticket")
    assert (row["assignee"], row["category"]) == (None, "hardware")


async def test_a_deleted_ticket_wants_nothing_any_more(intake: Intake):
    await intake(ticket("1"), ticket("2", state=TicketState.RESOLVED), source="itsm")

    await intake(gone("ticket", "1"), gone("ticket", "2"), source="itsm")

    states = [(row["state"], row["retired_at"]) for row in await intake.rows("ticket")]
    now = intake.clock.now()
    assert states == [(TicketState.CANCELLED, now), (TicketState.RESOLVED, now)]


async def test_tickets_of_two_systems_with_one_number_are_two(intake: Intake):
    await intake(ticket("1"), source="itsm_eu")
    await intake(ticket("1"), source="itsm_us")

    assert [row["number"] for row in await intake.rows("ticket")] == ["INC-1", "INC-1"]


async def test_a_device_in_a_hub_gives_its_ticket_no_site(intake: Intake):
    await intake(hub(), asset("a1", place=ref("hub", "h1"), product=SWITCH))
    await intake(ticket(hostname="sw-a1", site=ref("site", "nowhere")), source="itsm")

    row = await intake.row("ticket")
    assert (row["site_id"], row["site_hint"]) == (None, "nowhere")


async def test_a_ticket_needs_as_many_units_as_its_source_says_else_one(intake: Intake):
    await intake(ticket("1", quantity=12), ticket("2"), source="itsm")
    await intake(ticket("1", v=2, quantity=3), source="itsm")

    assert [row["quantity"] for row in await intake.rows("ticket")] == [3, 1]
