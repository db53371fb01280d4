"""What is written happens once, by a key that the history keeps, and what is refused is named."""

from __future__ import annotations

import httpx
import pytest

from connector.sdk import (
    AddNote,
    AuthError,
    Conflict,
    EntityKind,
    Invalid,
    NotFound,
    OutcomeUnknown,
    SetTicketFields,
    SetTicketState,
    SourceRef,
    TicketState,
)
from connector.sdk.testing import Between, Connected, MovableClock
from connector_itop.mapping import ref_of
from connector_itop.sandbox import ItopSandbox

from .conftest import NOON, Opened


def ref(ticket: dict[str, object]) -> SourceRef:
    return ref_of(EntityKind.TICKET, int(str(ticket["id"])))


async def test_a_note_is_an_entry_of_a_log_and_its_key_is_in_the_history(sandbox: ItopSandbox, source: Connected):
    ticket = sandbox.ticket(kind="Incident")
    body = "Spare <b>1</b> & 2\nleaves at 14:00"
    receipt = await source.adapter.push(AddNote("wf-1.a", ref(ticket), body))
    await source.adapter.push(AddNote("wf-1.b", ref(ticket), "for all", is_public=True))

    assert [entry["message"] for entry in ticket["private_log"]] == [body]
    assert [entry["message"] for entry in ticket["public_log"]] == ["for all"]
    entry = sandbox.inventory.objects["CMDBChangeOpSetAttributeCaseLog"][int(receipt.external_id)]
    assert (entry["userinfo"], receipt.at) == ("connector wf-1.a", NOON)


@pytest.mark.parametrize(
    ("status", "state", "way"),
    [
        ("new", TicketState.IN_PROGRESS, ["assigned"]),
        ("pending", TicketState.RESOLVED, ["assigned", "resolved"]),
        ("escalated_tto", TicketState.ON_HOLD, ["assigned", "pending"]),
        ("rejected", TicketState.NEW, ["new"]),
        ("assigned", TicketState.CANCELLED, ["resolved", "closed"]),
    ],
)
async def test_stimuli_lead_to_a_state(
    sandbox: ItopSandbox, source: Connected, status: str, state: TicketState, way: list[str]
):
    ticket = sandbox.ticket(status=status)
    await source.adapter.push(SetTicketState("k", ref(ticket), state))

    assert [changed["status"] for _, _, changed in sandbox.inventory.log] == way
    assert (ticket["team_id"], ticket["solution"], ticket["resolution_code"]) == (
        sandbox.team["id"] if "assigned" in way else 0,
        "The hardware was replaced." if "resolved" in way else "",
        "hardware repair" if "resolved" in way else "assistance",
    )


async def test_who_has_the_ticket_already_keeps_it(sandbox: ItopSandbox, source: Connected):
    other = sandbox.inventory.add("Person", name="Hopper", first_name="Grace")
    ticket = sandbox.ticket(agent_id=other["id"])
    await source.adapter.push(SetTicketState("k", ref(ticket), TicketState.IN_PROGRESS))

    assert (ticket["agent_id"], ticket["team_id"]) == (other["id"], sandbox.team["id"])


async def test_what_a_stimulus_wants_and_nobody_gave_is_named(sandbox: ItopSandbox, opened: Opened):
    ticket = sandbox.ticket()
    with pytest.raises(Invalid, match="Missing mandatory") as refused:
        await opened(stimulus_fields={}).adapter.push(SetTicketState("k", ref(ticket), TicketState.IN_PROGRESS))

    assert list(refused.value.fields) == ["team_id", "agent_id"]
    assert ticket["status"] == "new"


async def test_a_ticket_that_somebody_moves_meanwhile_is_left_alone(
    sandbox: ItopSandbox, source: Connected, wire: Between
):
    ticket = sandbox.ticket()

    def move(request: httpx.Request) -> None:
        if b"apply_stimulus" in request.content:
            ticket["status"] = "assigned"

    wire.change = move
    with pytest.raises(Conflict, match="somebody has changed the object meanwhile"):
        await source.adapter.push(SetTicketState("k", ref(ticket), TicketState.ON_HOLD))

    assert sandbox.inventory.log == []


async def test_a_life_cycle_of_ones_own_is_followed(sandbox: ItopSandbox, opened: Opened):
    ticket = sandbox.ticket(status="new")
    source = opened(transitions={"new": {"ev_timeout": "escalated_tto"}}, written_states={"on_hold": "escalated_tto"})
    await source.adapter.push(SetTicketState("k", ref(ticket), TicketState.ON_HOLD))

    assert ticket["status"] == "escalated_tto"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"status": "closed"}, "status"),
        ({"private_log": "x"}, "private_log"),
        ({"functionalcis_list": "1"}, "functionalcis_list"),
        ({"escalation_reason, id": "x"}, "escalation_reason, id"),
        ({"team_id": "987"}, "team_id"),
    ],
)
async def test_an_attribute_that_cannot_be_set_is_named(
    sandbox: ItopSandbox, source: Connected, fields: dict[str, str], named: str
):
    ticket = sandbox.ticket(functionalcis_list=())
    with pytest.raises(Invalid) as refused:
        await source.adapter.push(SetTicketFields("k", ref(ticket), fields))

    assert list(refused.value.fields) == [named]


async def test_references_are_written_by_id_and_what_is_so_already_is_not(
    sandbox: ItopSandbox, source: Connected, clock: MovableClock
):
    ticket, team = sandbox.ticket(), str(sandbox.team["id"])
    for key in ("k1", "k2"):
        await source.adapter.push(SetTicketFields(key, ref(ticket), {"team_id": team}))

    assert sandbox.inventory.log == [("UserRequest", ticket["id"], {"team_id": sandbox.team["id"]})]


@pytest.mark.parametrize("external_id", ["99", "1 OR 1", "-1"])
async def test_a_ticket_that_is_none_is_not_found(source: Connected, external_id: str):
    with pytest.raises(NotFound):
        await source.adapter.push(AddNote("k", SourceRef(kind=EntityKind.TICKET, external_id=external_id), "text"))


async def test_after_a_page_in_place_of_an_answer_to_a_change_the_effect_is_looked_for(
    sandbox: ItopSandbox, source: Connected, wire: Between
):
    ticket = sandbox.ticket()

    def fail(request: httpx.Request) -> None:
        if b"core%2Fupdate" in request.content:
            sandbox.server.page = "<p>iTop: An error occurred</p>"

    wire.change = fail
    note = AddNote("k", ref(ticket), "text")
    with pytest.raises(OutcomeUnknown):
        await source.adapter.push(note)
    sandbox.server.page, wire.change = None, lambda _: None

    assert await source.adapter.find(note) is None


async def test_a_right_that_is_missing_is_no_answer_without_objects(sandbox: ItopSandbox, source: Connected):
    sandbox.server.hidden.add("CMDBChangeOp")
    with pytest.raises(AuthError, match="not have enough permissions") as refused:
        await source.adapter.check()

    assert "REST Services User" in refused.value.hint
