"""Followups, statuses and columns of tickets happen once."""

from __future__ import annotations

import pytest

from connector.sdk import AddNote, Invalid, NotFound, SetTicketFields, SetTicketState, SourceRef, TicketState
from connector.sdk.testing import Connected
from connector_glpi.sandbox import GlpiSandbox
from connector_glpi.tickets import ticket_ref

from .conftest import NOON, Opened


@pytest.mark.parametrize("is_public", [True, False])
@pytest.mark.parametrize("encodes", [True, False])
async def test_a_followup_is_private_unless_it_is_public_and_found_by_its_key(
    sandbox: GlpiSandbox, source: Connected, is_public: bool, encodes: bool
):
    sandbox.inventory.encodes = encodes
    sandbox.ticket(NOON)
    note = AddNote("wf-1.note", ticket_ref(1), "On its <way> & more.\nSoon.", is_public=is_public)

    assert await source.adapter.find(note) is None
    receipt = await source.adapter.push(note)

    [followup] = sandbox.inventory.tables["ITILFollowup"].values()
    assert (followup["is_private"], receipt.external_id) == (int(not is_public), str(followup["id"]))
    assert sandbox.notes_of(ticket_ref(1)) == ["On its <way> & more.\nSoon."]
    assert await source.adapter.find(note) == receipt
    assert await source.adapter.find(AddNote("wf-1.not", ticket_ref(1), "?")) is None


async def test_a_key_that_is_only_quoted_is_not_found(sandbox: GlpiSandbox, source: Connected):
    sandbox.ticket(NOON)
    await source.adapter.push(AddNote("wf-1.b", ticket_ref(1), "see [connector:wf-1.a]"))

    assert await source.adapter.find(AddNote("wf-1.a", ticket_ref(1), "?")) is None


@pytest.mark.parametrize(
    ("state", "status"), [(TicketState.ON_HOLD, 4), (TicketState.RESOLVED, 5), (TicketState.CANCELLED, 6)]
)
async def test_a_state_is_a_status(sandbox: GlpiSandbox, source: Connected, state: TicketState, status: int):
    ticket = sandbox.ticket(NOON)
    receipt = await source.adapter.push(SetTicketState("k", ticket_ref(1), state))

    assert (ticket["status"], receipt.at) == (status, NOON)


async def test_what_is_so_already_is_not_written(sandbox: GlpiSandbox, opened: Opened):
    sandbox.ticket(NOON, status=3, externalid="JD01")
    source = opened()
    for operation in (
        SetTicketState("k", ticket_ref(1), TicketState.IN_PROGRESS),
        SetTicketFields("k", ticket_ref(1), {"externalid": "JD01", "priority": "3"}),
    ):
        assert await source.adapter.find(operation) is not None
        await source.adapter.push(operation)

    assert {request.method for request in source.requests} == {"GET"}


async def test_a_status_that_the_profile_may_not_set_is_told(sandbox: GlpiSandbox, source: Connected):
    sandbox.ticket(NOON)
    sandbox.inventory.life_cycles.add(5)

    with pytest.raises(Invalid, match="took the request and left 'status' as it was") as refused:
        await source.adapter.push(SetTicketState("k", ticket_ref(1), TicketState.RESOLVED))

    assert refused.value.fields == {"status": "stays '1'"}


async def test_columns_are_written_in_their_form(sandbox: GlpiSandbox, source: Connected):
    ticket = sandbox.ticket(NOON)
    await source.adapter.push(SetTicketFields("k", ticket_ref(1), {"externalid": "JD01 & 2", "locations_id": "7"}))

    assert (ticket["externalid"], ticket["locations_id"]) == ("JD01 & 2", 7)


@pytest.mark.parametrize(
    ("fields", "named"),
    [({"waybill": "1"}, "waybill"), ({"status": "5"}, "status"), ({"priority": "urgent"}, "priority")],
)
async def test_a_column_that_is_none_or_takes_something_else_is_refused(
    sandbox: GlpiSandbox, source: Connected, fields: dict[str, str], named: str
):
    sandbox.ticket(NOON)
    with pytest.raises(Invalid) as refused:
        await source.adapter.push(SetTicketFields("k", ticket_ref(1), fields))

    assert list(refused.value.fields) == [named]


@pytest.mark.parametrize("external_id", ["99", "../User/2", "1?x"])
async def test_a_ticket_that_is_none_is_not_found(source: Connected, external_id: str):
    ref = SourceRef(kind=ticket_ref(1).kind, external_id=external_id)
    for operation in (AddNote("k", ref, "text"), SetTicketState("k", ref, TicketState.CLOSED)):
        with pytest.raises(NotFound):
            await source.adapter.push(operation)
