"""The high-level API: the same records, where it tells as much."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from connector.sdk import (
    AddNote,
    Conflict,
    Invalid,
    NotFound,
    RecordSwap,
    SetTicketFields,
    SetTicketState,
    TicketState,
    UnexpectedResponse,
)
from connector.sdk.testing import Between, Connected, MovableClock, by_ref
from connector_glpi.sandbox import GlpiSandbox, GlpiV2Sandbox
from connector_glpi.tickets import ticket_ref

from .conftest import MORE, NOON

HOUR = timedelta(hours=1)
NOT_TOLD = {"asset", "related", "sla_due_at", "resolved_at"}
"""What of a ticket v2 does not say."""


@pytest.fixture
def sandbox(clock: MovableClock) -> GlpiV2Sandbox:
    return GlpiV2Sandbox(clock)


async def test_both_interfaces_give_the_same_records(sandbox: GlpiV2Sandbox, source: Connected, clock: MovableClock):
    add = sandbox.inventory.add
    above = sandbox.location(NOON, name="France", completename="France")
    place = sandbox.location(NOON, name="Lyon", completename="Lyon", locations_id=above["id"])
    person = add("User", name="jdupont")
    for kind in ("Computer", "NetworkEquipment"):
        device = sandbox.device(NOON - HOUR, kind, locations_id=place["id"], users_id=person["id"])
    sandbox.device(NOON, states_id=0, manufacturers_id=0)
    category = add("ITILCategory", name="Hardware")
    for status in range(1, 7):
        ticket = sandbox.ticket(
            NOON, status=status, priority=status, type=1 + status % 2, locations_id=place["id"],
            itilcategories_id=category["id"], time_to_resolve=NOON + HOUR,
        )  # fmt: skip
        add("Ticket_User", tickets_id=ticket["id"], users_id=person["id"], type=1)
        add("Group_Ticket", tickets_id=ticket["id"], groups_id=add("Group", name="N2")["id"], type=2)
        add("Item_Ticket", tickets_id=ticket["id"], itemtype="NetworkEquipment", items_id=device["id"])
    add("Ticket_Ticket", tickets_id_1=1, tickets_id_2=2, link=1)
    v1 = Connected("glpi", sandbox.app(), {**GlpiSandbox.settings(sandbox), **MORE}, clock)

    for stream in ("places", "models", "hardware"):
        assert by_ref(await source.pull(stream)) == by_ref(await v1.pull(stream))
    tickets, of_v1 = by_ref(await source.pull("tickets")), by_ref(await v1.pull("tickets"))
    await v1.aclose()

    assert [record.model_dump(exclude=NOT_TOLD) for record in tickets.values()] == [
        record.model_dump(exclude=NOT_TOLD) for record in of_v1.values()
    ]  # fmt: skip
    assert (tickets[ticket_ref(1)].asset, str(of_v1[ticket_ref(1)].asset)) == (
        None,
        f"asset:NetworkEquipment-{device['id']}",
    )


async def test_a_pull_asks_for_the_newest_page_by_filter_and_order(sandbox: GlpiV2Sandbox, source: Connected):
    sandbox.device(NOON)
    first = await source.pull("hardware")
    source.requests.clear()
    await source.pull("hardware", first[-1].resume)

    asked = [
        (request.url.path.rpartition("/")[2], request.url.params["sort"], request.url.params.get("filter"))
        for request in source.requests
    ]
    assert asked[:3] == [
        ("State", "id:asc", None), ("Computer", "date_mod:desc", "is_deleted==false"),
        ("Computer", "date_mod:desc", "is_deleted==true"),
    ]  # fmt: skip
    assert {request.headers["glpi-entity-recursive"] for request in source.requests} == {"true"}


async def test_profile_entity_and_version_are_said_with_each_request(sandbox: GlpiV2Sandbox, clock: MovableClock):
    async with Connected.to("glpi", sandbox, clock, profile=6, entity=2, api_version="2.1") as source:
        await source.adapter.check()

    asked = [request for request in source.requests if request.method == "GET"]
    assert {(each.headers["glpi-profile"], each.headers["glpi-entity"]) for each in asked} == {("6", "2")}
    assert {each.url.path for each in asked} == {"/api.php/v2.1/Assets/Computer", "/api.php/v2.1/Assistance/Ticket"}


async def test_a_followup_that_is_added_and_answered_with_404_is_found(sandbox: GlpiV2Sandbox, source: Connected):
    sandbox.ticket(NOON)
    sandbox.highlevel.loses_way = True
    note = AddNote("wf-1.note", ticket_ref(1), "On its way.")
    receipt = await source.adapter.push(note)

    [followup] = sandbox.inventory.tables["ITILFollowup"].values()
    assert receipt.external_id == str(followup["id"])
    with pytest.raises(NotFound):
        await source.adapter.push(AddNote("wf-1.other", ticket_ref(99), "On its way."))


async def test_what_glpis_own_code_refuses_comes_with_500_and_was_not_done(sandbox: GlpiV2Sandbox, source: Connected):
    sandbox.ticket(NOON, status=6)
    with pytest.raises(Invalid, match=r"refuses to add note: Failed to create item\(s\): You don't have permission"):
        await source.adapter.push(AddNote("k", ticket_ref(1), "too late"))


async def test_a_500_that_says_something_else_leaves_the_outcome_open(
    sandbox: GlpiV2Sandbox, source: Connected, wire: Between
):
    sandbox.ticket(NOON)
    body = {"status": "ERROR", "title": "An internal error occurred", "detail": None}
    wire.change = lambda request: httpx.Response(500, json=body) if request.method == "PATCH" else None

    with pytest.raises(Exception, match="the system answered 500") as error:
        await source.adapter.push(SetTicketState("k", ticket_ref(1), TicketState.CLOSED))
    assert type(error.value).__name__ == "OutcomeUnknown"


async def test_a_property_that_is_too_long_is_told_by_name(sandbox: GlpiV2Sandbox, source: Connected, wire: Between):
    sandbox.ticket(NOON)
    detail = {"external_id": [{"error": "maxLength", "message": "This field must be at most 255 characters long"}]}
    body = {"status": "ERROR_INVALID_PARAMETER", "title": "Invalid input parameters", "detail": detail}
    wire.change = lambda request: httpx.Response(400, json=body) if request.method == "PATCH" else None

    with pytest.raises(Invalid, match="Invalid input parameters") as refused:
        await source.adapter.push(SetTicketFields("k", ticket_ref(1), {"external_id": "x" * 256, "priority": "4"}))
    assert list(refused.value.fields) == ["external_id"]


async def test_what_a_ticket_refers_to_is_written_by_its_id(sandbox: GlpiV2Sandbox, source: Connected):
    place, ticket = sandbox.location(NOON), sandbox.ticket(NOON)
    fields = {"location": str(place["id"]), "priority": "5"}
    await source.adapter.push(SetTicketFields("k", ticket_ref(1), fields))

    assert (ticket["locations_id"], ticket["priority"]) == (place["id"], 5)
    with pytest.raises(Invalid, match="tickets have no column 'team'"):
        await source.adapter.push(SetTicketFields("k", ticket_ref(1), {"team": "1"}))


@pytest.mark.parametrize("serial", ['NEW "1"', "NEW;1", "new-1"])
async def test_a_serial_that_another_device_shows_is_a_conflict(sandbox: GlpiV2Sandbox, source: Connected, serial: str):
    operation = sandbox.operation(RecordSwap, "k")
    assert isinstance(operation, RecordSwap)
    sandbox.device(serial=serial)
    swap = RecordSwap(
        "k", operation.failed, None, operation.failed_serial, serial.upper(), None, operation.product,
        operation.product_ref, operation.site, "4711",
    )  # fmt: skip
    with pytest.raises(Conflict, match="already"):
        await source.adapter.record_swap(swap)


async def test_a_list_without_its_total_is_no_answer(sandbox: GlpiV2Sandbox, source: Connected, wire: Between):
    wire.change = lambda request: httpx.Response(200, json=[]) if request.method == "GET" else None
    with pytest.raises(UnexpectedResponse, match="is no list of Assets/Computer with its total"):
        await source.adapter.check()
