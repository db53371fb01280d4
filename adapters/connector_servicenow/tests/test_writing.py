"""Writes that ServiceNow takes otherwise than one would think, one test each."""

from __future__ import annotations

import httpx
import pytest

from connector.sdk import AddNote, Conflict, EntityKind, Invalid, NotFound, SetTicketFields, SetTicketState, SourceRef
from connector.sdk import TicketState as State
from connector.sdk.testing import Connected
from connector_servicenow.sandbox import Instance, ServiceNowSandbox

from .conftest import Opened


async def test_a_note_is_kept_among_those_who_work_on_it_unless_it_is_public(
    source: Connected, sandbox: ServiceNowSandbox, instance: Instance
):
    ticket = sandbox.new_ticket()

    await source.adapter.push(AddNote("wf-1:1", ticket, "For us.\nTwo lines."))
    await source.adapter.push(AddNote("wf-1:2", ticket, "On its way.", is_public=True))

    assert [(entry.element, entry.text) for entry in instance.journal] == [
        ("work_notes", "For us.\nTwo lines.\n\n[connector:wf-1:1]"),
        ("comments", "On its way.\n\n[connector:wf-1:2]"),
    ]


async def test_a_key_that_begins_another_is_not_found_in_its_place(source: Connected, sandbox: ServiceNowSandbox):
    ticket = sandbox.new_ticket()
    await source.adapter.push(AddNote("wf-1:10", ticket, "see [connector:wf-1:1] for more"))

    assert await source.adapter.find(AddNote("wf-1:1", ticket, "?")) is None
    assert await source.adapter.find(AddNote("wf-1:10", ticket, "?")) is not None


async def test_a_note_that_the_answer_does_not_show_yet_is_looked_for_once_more(
    source: Connected, sandbox: ServiceNowSandbox, instance: Instance
):
    ticket = sandbox.new_ticket()
    real = instance.shown

    def change(request: httpx.Request) -> None:
        blind = request.method == "PATCH"
        instance.shown = lambda row, path: "" if path == "work_notes" and blind else real(row, path)  # type: ignore[method-assign]

    source.wire.change = change  # type: ignore[assignment]

    await source.adapter.push(AddNote("wf-1:1", ticket, "Here."))

    assert len(instance.journal) == 1


async def test_a_state_goes_with_what_an_incident_has_to_say(
    opened: Opened, sandbox: ServiceNowSandbox, instance: Instance
):
    ticket = sandbox.new_ticket()
    fields = {"resolved": {"close_code": "Solved (Permanently)", "close_notes": "Swapped."}}

    await opened(state_fields=fields).adapter.push(SetTicketState("k", ticket, State.RESOLVED))

    row = instance.rows[ticket.external_id]
    assert (row["state"], row["close_code"], row["close_notes"]) == ("6", "Solved (Permanently)", "Swapped.")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("6", State.IN_PROGRESS), ("7", State.RESOLVED), ("7", State.NEW), ("8", State.CLOSED)],
)
async def test_what_is_over_is_not_opened_again(
    source: Connected, sandbox: ServiceNowSandbox, instance: Instance, value: str, wanted: State
):
    ticket = sandbox.new_ticket()
    instance.rows[ticket.external_id]["state"] = value

    with pytest.raises(Conflict, match=f"already, and is not set to {wanted.value}"):
        await source.adapter.push(SetTicketState("k", ticket, wanted))

    assert instance.rows[ticket.external_id]["state"] == value


async def test_a_requested_item_has_states_of_its_own(source: Connected, instance: Instance):
    item = instance.add("sc_req_item", number="RITM1", state="1")
    ticket = SourceRef(kind=EntityKind.TICKET, external_id=item)

    await source.adapter.push(SetTicketState("k1", ticket, State.ON_HOLD))
    assert instance.rows[item]["state"] == "-5"
    await source.adapter.push(SetTicketState("k2", ticket, State.RESOLVED))
    assert instance.rows[item]["state"] == "3"
    assert (await source.adapter.fetch(ticket)).state is State.CLOSED
    assert await source.adapter.find(SetTicketState("k2", ticket, State.RESOLVED)) is not None


async def test_a_group_is_assigned_by_its_name(source: Connected, sandbox: ServiceNowSandbox, instance: Instance):
    ticket, group = sandbox.new_ticket(), instance.add("sys_user_group", name="Field Services")
    operation = SetTicketFields("k", ticket, {"assignment_group": "Field Services", "u_branch": "Vienna"})

    assert await source.adapter.find(operation) is None
    await source.adapter.push(operation)

    row = instance.rows[ticket.external_id]
    assert (row["assignment_group"], row["u_branch"]) == (group, "Vienna")
    assert await source.adapter.find(operation) is not None


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"u_waybill": "1", "u_branch": "Vienna"}, {"u_waybill": "the ticket has no such column"}),
        ({"assignment_group": "Nobody"}, {"assignment_group": "ServiceNow keeps ''"}),
        ({"u_tracking_number": "1" * 101}, {"u_tracking_number": "ServiceNow keeps '1111"}),
    ],
)
async def test_what_servicenow_passes_over_without_a_word_is_said(
    source: Connected, sandbox: ServiceNowSandbox, fields: dict[str, str], refused: dict[str, str]
):
    with pytest.raises(Invalid) as raised:
        await source.adapter.push(SetTicketFields("k", sandbox.new_ticket(), fields))

    assert list(raised.value.fields) == list(refused)
    assert all(raised.value.fields[name].startswith(why) for name, why in refused.items())


async def test_a_ticket_that_is_not_there_is_not_found_and_nothing_else_is_asked_for(source: Connected):
    for external_id in ("f" * 32, "1^ORactive=true", "../sys_user/1"):
        ref = SourceRef(kind=EntityKind.TICKET, external_id=external_id)
        with pytest.raises(NotFound):
            await source.adapter.push(AddNote("k", ref, "?"))
        with pytest.raises(NotFound):
            await source.adapter.fetch(ref)

    asked = {request.url.params["sysparm_query"] for request in source.requests}
    assert asked == {f"sys_id={'f' * 32}"}
