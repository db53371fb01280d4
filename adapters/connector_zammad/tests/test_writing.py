"""Writes that Zammad takes otherwise than one would think, one test each."""

from __future__ import annotations

import httpx
import pytest

from connector.sdk import (
    AddNote,
    ConfigError,
    Conflict,
    Invalid,
    NotFound,
    SetTicketFields,
    SetTicketState,
    SourceRef,
    TicketState,
)
from connector_zammad.mapping import ticket_ref

from .conftest import MINUTE, NOON, Hub


@pytest.mark.parametrize("is_public", [True, False])
async def test_a_note_is_internal_unless_it_is_public_and_its_subject_is_the_key(hub: Hub, is_public: bool) -> None:
    ticket = hub.desk.open(NOON)
    receipt = await hub.adapter().push(AddNote("wf-1.note", ticket_ref(1), "On its <way>.", is_public=is_public))

    article = hub.desk.articles[-1]
    assert (article.body, article.content_type, article.subject) == (
        "On its <way>.", "text/plain", "[connector:wf-1.note]",
    )  # fmt: skip
    assert article.internal is not is_public
    assert receipt.external_id == str(article.id)
    assert ticket["state"] == "new"


async def test_a_key_that_begins_another_is_not_found_in_its_place(hub: Hub) -> None:
    hub.desk.open(NOON)
    await hub.adapter().push(AddNote("wf-1.note2", ticket_ref(1), "see [connector:wf-1.note]"))

    assert await hub.adapter().find(AddNote("wf-1.note", ticket_ref(1), "?")) is None


async def test_a_change_is_found_although_somebody_has_changed_the_ticket_since(hub: Hub) -> None:
    ticket = hub.desk.open(NOON, preferences={"channel_id": 4})
    state = SetTicketState("wf-1.state", ticket_ref(1), TicketState.CLOSED)
    fields = SetTicketFields("wf-1.fields", ticket_ref(1), {"tracking_number": "JD01"})
    for operation in (state, fields):
        await hub.adapter().push(operation)
    hub.desk.change(ticket, NOON + MINUTE, state="open", tracking_number="JD02")

    for operation in (state, fields):
        assert await hub.adapter().find(operation) is not None
        await hub.adapter().push(operation)

    assert (ticket["state"], ticket["tracking_number"]) == ("open", "JD02")
    assert ticket["preferences"]["channel_id"] == 4


async def test_a_state_that_waits_has_a_time(hub: Hub) -> None:
    ticket = hub.desk.open(NOON)
    await hub.adapter(pending_for="P2D").push(SetTicketState("k", ticket_ref(1), TicketState.ON_HOLD))

    assert (ticket["state"], ticket["pending_time"]) == ("pending reminder", "2026-11-27T12:00:00Z")


@pytest.mark.parametrize("kind", ["state", "mapped"])
async def test_what_is_so_already_is_not_written(hub: Hub, kind: str) -> None:
    hub.desk.state_types["in repair"] = "open"
    hub.desk.open(NOON, state="open" if kind == "state" else "in repair")
    operation = SetTicketState("k", ticket_ref(1), TicketState.IN_PROGRESS)

    assert await hub.adapter().find(operation) is not None
    await hub.adapter().push(operation)

    assert {request.method for request in hub.asked} == {"GET"}


async def test_a_merged_ticket_is_not_opened_again(hub: Hub) -> None:
    target, merged = hub.desk.open(NOON), hub.desk.open(NOON)
    hub.desk.merge(merged, target)

    with pytest.raises(Conflict, match="ticket 22002 is merged"):
        await hub.adapter().push(SetTicketState("k", ticket_ref(2), TicketState.IN_PROGRESS))


@pytest.mark.parametrize(
    ("name", "text", "stored"),
    [
        ("quantity", "2", 2), ("is_remote", "True", True), ("racks", "R7", ["R7"]), ("environment", "lab", "lab"),
        ("priority", "3 high", "3 high"), ("group", "2nd Level", "2nd Level"), ("owner", "emma", "emma"),
        ("owner", "emma@example.com", "emma"),
    ],
)  # fmt: skip
async def test_an_attribute_a_group_and_an_owner_are_written(hub: Hub, name: str, text: str, stored: object) -> None:
    ticket = hub.desk.open(NOON)
    operation = SetTicketFields("k", ticket_ref(1), {name: text})

    assert await hub.adapter().find(operation) is None
    await hub.adapter().push(operation)
    ticket["preferences"] = {}  # so that only the value tells

    assert ticket[name] == stored
    assert await hub.adapter().find(operation) is not None


async def test_a_time_is_the_same_in_any_zone(hub: Hub) -> None:
    hub.desk.open(NOON)
    operation = SetTicketFields("k", ticket_ref(1), {"needed_at": "2026-12-01T09:00:00+01:00"})
    await hub.adapter().push(operation)

    assert (await hub.adapter().push(operation)).key == "k"


async def test_an_attribute_that_zammad_would_pass_over_is_refused(hub: Hub) -> None:
    hub.desk.open(NOON)

    with pytest.raises(Invalid, match="tickets have no attribute 'waybill'") as refused:
        await hub.adapter().push(SetTicketFields("k", ticket_ref(1), {"waybill": "1", "site": "Hamburg"}))

    assert list(refused.value.fields) == ["waybill"]
    assert hub.desk.tickets[1]["site"] is None


async def test_an_owner_whom_zammad_takes_away_is_told(hub: Hub) -> None:
    hub.desk.open(NOON, group="2nd Level")

    with pytest.raises(Invalid, match="took the request and left 'owner' as it was") as refused:
        await hub.adapter().push(SetTicketFields("k", ticket_ref(1), {"owner": "emma"}))

    assert refused.value.fields == {"owner": "stays '-'"}


async def test_a_refusal_without_a_reason_names_all_that_was_sent(hub: Hub) -> None:
    hub.desk.open(NOON)

    with pytest.raises(Invalid, match=r"Zammad refuses to set fields: .*: Error ID kxJ2wQ: Please contact") as refused:
        await hub.adapter().push(SetTicketFields("k", ticket_ref(1), {"site": "x" * 121, "model": "C9300"}))

    assert sorted(refused.value.fields) == ["model", "site"]


@pytest.mark.parametrize("external_id", ["99", "../users/me", "1?x"])
async def test_a_ticket_that_is_none_is_not_found(hub: Hub, external_id: str) -> None:
    ref = SourceRef(kind=ticket_ref(1).kind, external_id=external_id)

    with pytest.raises(NotFound):
        await hub.adapter().push(AddNote("k", ref, "text"))
    with pytest.raises(NotFound):
        await hub.adapter().fetch(ref)


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({"token": "t0ken-1234"}, "Token token=t0ken-1234"),
        ({"bearer_token": "b3arer-1234"}, "Bearer b3arer-1234"),
        ({"username": "hub", "password": "pass:word"}, "Basic aHViOnBhc3M6d29yZA=="),
    ],
)
async def test_each_kind_of_credential_is_sent_as_zammad_wants_it(
    hub: Hub, settings: dict[str, str], sent: str
) -> None:
    hub.sandbox.server.authorization = sent

    await hub.adapter(**{"token": None, **settings}).check()

    assert {request.headers["authorization"] for request in hub.asked} == {sent}


@pytest.mark.parametrize("settings", [{}, {"bearer_token": "b3arer-1234", "token": "t"}, {"username": "hub"}])
def test_one_credential_is_needed(hub: Hub, settings: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"give (one of|both)"):
        hub.adapter(**{"token": None, **settings})


async def test_an_address_of_somebody_else_is_no_owner(hub: Hub) -> None:
    hub.desk.open(NOON, owner="emma")

    assert await hub.adapter().find(SetTicketFields("k", ticket_ref(1), {"owner": "other@example.com"})) is None


async def test_a_lost_answer_to_a_change_is_found(hub: Hub) -> None:
    """The request arrives, the ticket is changed by hand, and only then does the hub ask."""
    ticket = hub.desk.open(NOON)

    def lose(request: httpx.Request) -> None:
        if request.method == "PUT":
            hub.desk.update(ticket, {"state": "closed", "preferences": {"connector_state": "k"}})
            hub.desk.change(ticket, state="open")
            raise httpx.ReadTimeout("lost", request=request)

    hub.wire.change = lose
    operation = SetTicketState("k", ticket_ref(1), TicketState.CLOSED)
    with pytest.raises(Exception, match="after the request was sent"):
        await hub.adapter().push(operation)

    assert await hub.adapter().find(operation) is not None
