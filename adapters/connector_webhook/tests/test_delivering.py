"""What the hub posts."""

from __future__ import annotations

import json
from datetime import timedelta

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
    TicketState,
    UnexpectedResponse,
)
from connector.sdk.testing import Between, MovableClock
from connector_webhook import Webhook
from connector_webhook.sandbox import AcmeDeskSandbox
from connector_webhook.sandbox.system import DELIVER_SECRET, WRONG_SECRET
from connector_webhook.signatures import standard_headers

from .conftest import NOON, Opened

KEY = "wf-1:note.2"


async def test_posted_again_it_is_the_same_to_the_last_byte_but_for_its_time_stamp(
    sandbox: AcmeDeskSandbox, webhook: Webhook, wire: Between, clock: MovableClock
):
    note = AddNote(KEY, sandbox.new_ticket(), "Spare is on its way\n<b>&</b> 😀", is_public=True)

    first = await webhook.push(note)
    clock.advance(timedelta(minutes=20))
    again = await webhook.push(note)

    one, two = wire.requests
    assert (one.content, one.headers["webhook-id"]) == (two.content, two.headers["webhook-id"])
    assert (one.headers["webhook-timestamp"], two.headers["webhook-timestamp"]) == ("1769947200", "1769948400")
    assert first == again
    assert first.external_id == one.headers["webhook-id"] == "msg_9c665983df3ef4d80afa54871946325e"
    assert one.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert json.loads(one.content) == {
        "specversion": "1.0", "id": first.external_id, "source": "connector", "type": "connector.ticket.note_added",
        "subject": "T-1", "datacontenttype": "application/json",
        "data": {"ticket": "T-1", "key": KEY, "body": note.body, "is_public": True},
    }  # fmt: skip
    assert sandbox.notes_of(note.ticket) == [note.body]


async def test_states_and_fields_are_events_of_their_own(sandbox: AcmeDeskSandbox, webhook: Webhook):
    ticket = sandbox.new_ticket()

    await webhook.push(SetTicketState("a", ticket, TicketState.ON_HOLD))
    await webhook.push(SetTicketFields("b", ticket, {"Tracking": "0034"}))

    told = [(event["type"], event["data"]) for event in sandbox.receiver.events]
    assert told == [
        ("connector.ticket.state_set", {"ticket": "T-1", "key": "a", "state": "on_hold"}),
        ("connector.ticket.fields_set", {"ticket": "T-1", "key": "b", "fields": {"Tracking": "0034"}}),
    ]


async def test_both_secrets_sign_while_one_is_replaced(sandbox: AcmeDeskSandbox, opened: Opened, wire: Between):
    async with opened(deliver_secret=WRONG_SECRET, previous_deliver_secret=DELIVER_SECRET) as adapter:
        await adapter.push(AddNote(KEY, sandbox.new_ticket(), "Hello"))

    [request] = wire.requests
    wanted = standard_headers(request.headers["webhook-id"], NOON, request.content, [WRONG_SECRET, DELIVER_SECRET])
    assert request.headers["webhook-signature"] == wanted["webhook-signature"]


async def test_an_address_keeps_its_query(opened: Opened, wire: Between):
    async with opened(deliver_to="http://acme.test/hooks/connector?tenant=7&x=a%20b") as adapter:
        await adapter.check()

    assert str(wire.requests[0].url) in (
        "http://acme.test/hooks/connector?tenant=7&x=a%20b", "http://acme.test/hooks/connector?tenant=7&x=a+b",
    )  # fmt: skip


async def test_what_is_not_to_be_posted_is_not(sandbox: AcmeDeskSandbox, opened: Opened, wire: Between):
    async with opened(deliver=["notes"]) as adapter:
        assert [adapter.takes(kind) for kind in (AddNote, SetTicketState, SetTicketFields)] == [True, False, False]
        with pytest.raises(ConfigError, match="states of tickets are not posted"):
            await adapter.push(SetTicketState("a", sandbox.new_ticket(), TicketState.ON_HOLD))
    async with opened(deliver_to=None, deliver_secret=None) as adapter:
        assert not adapter.takes(AddNote)
        assert (await adapter.check()).detail == "Acme Desk posts, nothing is asked"

    assert wire.requests == []


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (httpx.Response(410), NotFound, "answered 410"),
        (httpx.Response(409), Conflict, "answered 409"),
        (httpx.Response(200, html="<!DOCTYPE html><title>Log in</title>"), UnexpectedResponse, "a web page answers"),
        (httpx.Response(422, json={"errors": {"body": "too long"}}), Invalid, "refuses to .* body: too long"),
        (httpx.Response(422, json=["no"]), Invalid, "answered 422"),
    ],
)
async def test_answers_are_understood(
    sandbox: AcmeDeskSandbox, webhook: Webhook, wire: Between, answer: httpx.Response, error: type[Exception], said: str
):
    wire.change = lambda _: answer

    with pytest.raises(error, match=said):
        await webhook.push(AddNote(KEY, sandbox.new_ticket(), "Hello"))


async def test_a_word_of_thanks_in_any_type_is_an_answer(sandbox: AcmeDeskSandbox, webhook: Webhook, wire: Between):
    wire.change = lambda _: httpx.Response(200, html="OK")

    assert (await webhook.push(AddNote(KEY, sandbox.new_ticket(), "Hello"))).key == KEY
