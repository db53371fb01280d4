"""Writes that Zendesk takes otherwise than one would think, one test each."""

from __future__ import annotations

import json

import httpx
import pytest

from connector.sdk import (
    AddNote,
    Conflict,
    Invalid,
    NotFound,
    OutcomeUnknown,
    SetTicketFields,
    SetTicketState,
    SourceRef,
    TicketState,
)
from connector_zendesk.mapping import ticket_ref

from .conftest import MINUTE, NOON, Hub


def sent(hub: Hub) -> dict[str, object]:
    [put] = [request for request in hub.asked if request.method == "PUT"]
    ticket: dict[str, object] = json.loads(put.content)["ticket"]
    return ticket


@pytest.mark.parametrize("is_public", [True, False])
async def test_a_comment_is_private_unless_it_is_public_and_its_key_is_nowhere_in_it(hub: Hub, is_public: bool) -> None:
    hub.account.open(NOON)
    receipt = await hub.adapter().push(AddNote("wf-1.note", ticket_ref(1), "On its <way>.", is_public=is_public))

    assert sent(hub) == {
        "comment": {"body": "On its <way>.", "public": is_public}, "metadata": {"connector_key": "wf-1.note"},
    }  # fmt: skip
    assert receipt.external_id == str(hub.account.audits[-1]["events"][0]["id"])


async def test_a_write_is_found_although_the_ticket_has_been_changed_since_and_many_audits_lie_before(hub: Hub) -> None:
    hub.sandbox.server.list_page = 2
    ticket = hub.account.open(NOON)
    for number in range(5):
        hub.account.change(ticket, NOON + MINUTE, subject=f"try {number}")
    operations = (
        AddNote("wf-1.note", ticket_ref(1), "text"),
        SetTicketState("wf-1.state", ticket_ref(1), TicketState.RESOLVED),
        SetTicketFields("wf-1.fields", ticket_ref(1), {"Tracking number": "JD01"}),
    )
    for operation in operations:
        await hub.adapter().push(operation)
    hub.account.change(ticket, status="open")
    ticket["custom"][100] = "JD02"

    for operation in operations:
        assert await hub.adapter().find(operation) is not None
        await hub.adapter().push(operation)

    assert (ticket["status"], ticket["custom"][100]) == ("open", "JD02")
    assert hub.sandbox.notes_of(ticket_ref(1)) == ["text"]


async def test_a_change_of_somebody_else_in_between_is_a_conflict(hub: Hub) -> None:
    ticket = hub.account.open(NOON)

    def overtake(request: httpx.Request) -> None:
        if request.method == "PUT":
            hub.account.change(ticket, NOON + MINUTE, status="pending")

    hub.wire.change = overtake
    with pytest.raises(Conflict):
        await hub.adapter().push(SetTicketState("k", ticket_ref(1), TicketState.RESOLVED))

    assert sent(hub)["updated_stamp"] == "2026-11-25T12:00:00Z"
    assert ticket["status"] == "pending"


@pytest.mark.parametrize(
    "operation",
    [
        AddNote("k", ticket_ref(1), "text"),
        SetTicketState("k", ticket_ref(1), TicketState.IN_PROGRESS),
        SetTicketFields("k", ticket_ref(1), {"100": "JD01"}),
    ],
)
async def test_a_closed_ticket_is_a_conflict(hub: Hub, operation: AddNote | SetTicketState | SetTicketFields) -> None:
    hub.account.open(NOON, status="closed")

    with pytest.raises(Conflict, match="the ticket is closed, Zendesk takes no more changes"):
        await hub.adapter().push(operation)


@pytest.mark.parametrize(
    ("status", "custom", "wanted", "settings"),
    [
        ("solved", None, "closed", {}),
        ("hold", None, "on_hold", {}),
        ("hold", 70, "on_hold", {"statuses": {"on_hold": "Waiting for parts"}}),
        ("closed", None, "resolved", {"states": {"closed": "resolved"}}),
    ],
)
async def test_what_is_so_already_is_not_written(
    hub: Hub, status: str, custom: int | None, wanted: str, settings: dict[str, object]
) -> None:
    hub.account.open(NOON, status=status, custom_status_id=custom)
    operation = SetTicketState("k", ticket_ref(1), TicketState(wanted))

    assert await hub.adapter(**settings).find(operation) is not None
    await hub.adapter(**settings).push(operation)

    assert {request.method for request in hub.asked} == {"GET"}


async def test_a_custom_status_is_written_by_its_id(hub: Hub) -> None:
    ticket = hub.account.open(NOON)
    source = hub.adapter(statuses={"on_hold": "Waiting for parts"})
    await source.push(SetTicketState("k", ticket_ref(1), TicketState.ON_HOLD))

    assert (ticket["status"], ticket["custom_status_id"]) == ("hold", 70)
    assert "status" not in sent(hub)


async def test_a_custom_status_that_is_not_in_use_is_refused(hub: Hub) -> None:
    hub.account.open(NOON)

    with pytest.raises(Invalid, match="no status 'In repair'"):
        await hub.adapter(statuses={"on_hold": "In repair"}).push(
            SetTicketState("k", ticket_ref(1), TicketState.ON_HOLD)
        )


@pytest.mark.parametrize(
    ("name", "text", "stored"),
    [
        ("Quantity", "2", 2), ("Remote", "True", True), ("Racks", "Core switch", ["core_switch"]),
        ("104", "core_switch", "core_switch"),
        ("Device class", "Access switch", "access_switch"), ("Needed on", "2026-12-01", "2026-12-01"),
    ],
)  # fmt: skip
async def test_a_custom_field_is_written_as_its_type_wants(hub: Hub, name: str, text: str, stored: object) -> None:
    ticket = hub.account.open(NOON)
    operation = SetTicketFields("k", ticket_ref(1), {name: text})

    assert await hub.adapter().find(operation) is None
    await hub.adapter().push(operation)
    hub.account.audits.clear()  # so that only the value tells

    assert stored in ticket["custom"].values()
    assert await hub.adapter().find(operation) is not None


@pytest.mark.parametrize(
    ("name", "text", "column", "stored"),
    [
        ("group", "2nd level", "group_id", 21), ("assignee", "emma@example.com", "assignee_id", 5),
        ("assignee", "3", "assignee_id", 3), ("priority", "urgent", "priority", "urgent"),
        ("problem_id", "7", "problem_id", 7),
    ],
)  # fmt: skip
async def test_a_column_is_written(hub: Hub, name: str, text: str, column: str, stored: object) -> None:
    ticket = hub.account.open(NOON)
    await hub.adapter().push(SetTicketFields("k", ticket_ref(1), {name: text}))

    assert ticket[column] == stored


async def test_an_assignee_whom_zendesk_does_not_take_is_told(hub: Hub) -> None:
    hub.account.open(NOON, group_id=21)

    with pytest.raises(Invalid, match="took the request and left 'assignee' as it was"):
        await hub.adapter().push(SetTicketFields("k", ticket_ref(1), {"assignee": "emma@example.com"}))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"Waybill": "1"}, "tickets have 0 active custom fields 'Waybill'"),
        ({"Double": "1"}, "tickets have 2 active custom fields 'Double'"),
        ({"Device class": "moon"}, "takes one of Core switch, Access switch"),
        ({"Quantity": "many"}, "takes a whole number"),
        ({"group": "3rd Level"}, "no group '3rd Level'"),
        ({"problem_id": "INC1"}, "takes an id"),
    ],
)
async def test_what_cannot_be_written_is_refused_before_it_is_sent(hub: Hub, fields: dict[str, str], told: str) -> None:
    hub.account.open(NOON)

    with pytest.raises(Invalid, match=told) as refused:
        await hub.adapter().push(SetTicketFields("k", ticket_ref(1), {**fields, "Site": "Hamburg"}))

    assert list(refused.value.fields) == list(fields)
    assert {request.method for request in hub.asked} <= {"GET"}


async def test_a_lost_answer_to_a_comment_is_found_and_not_written_again(hub: Hub) -> None:
    ticket = hub.account.open(NOON)

    def lose(request: httpx.Request) -> None:
        if request.method == "PUT":
            hub.account.update(ticket, json.loads(request.content)["ticket"])
            raise httpx.ReadTimeout("lost", request=request)

    hub.wire.change = lose
    operation = AddNote("k", ticket_ref(1), "text")
    with pytest.raises(OutcomeUnknown):
        await hub.adapter().push(operation)
    await hub.adapter().push(operation)

    assert hub.sandbox.notes_of(ticket_ref(1)) == ["text"]


@pytest.mark.parametrize("external_id", ["99", "../users/me", "1?x"])
async def test_a_ticket_that_is_none_is_not_found(hub: Hub, external_id: str) -> None:
    ref = SourceRef(kind=ticket_ref(1).kind, external_id=external_id)

    with pytest.raises(NotFound):
        await hub.adapter().push(AddNote("k", ref, "text"))
    with pytest.raises(NotFound):
        await hub.adapter().fetch(ref)
