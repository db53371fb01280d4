"""Writes as a document describes them: once per key, and only what is described."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from connector.sdk import (
    AddNote,
    ConfigError,
    Conflict,
    EntityKind,
    Invalid,
    SetTicketFields,
    SetTicketState,
    SourceRef,
    TicketState,
    UnexpectedResponse,
)

from .conftest import DOCUMENT, Source, listed

TICKET = SourceRef(kind=EntityKind.TICKET, external_id="7")
FIND = {"path": "/tickets/{ticket}/notes", "rows": "data", "key": "text", "id": "id",
        "pages": {"kind": "page", "param": "p", "total": "total"}}  # fmt: skip
NOTE = {
    "path": "/tickets/{ticket}/notes",
    "body": {"text": "{body} [{key}]", "is_open": "{is_public}"},
    "id": "note.id",
}


def with_writes(**writes: Any) -> dict[str, Any]:
    return {**DOCUMENT, "writes": writes}


async def test_a_note_is_found_by_its_key_alone_and_on_a_later_page():
    notes = [{"id": 1, "text": "a [k-10]"}, {"id": 2, "text": "b [xk-1]"}, {"id": 3, "text": "c [k-1]"}]

    def answer(request: httpx.Request) -> httpx.Response:
        return listed(notes[int(request.url.params["p"]) - 1], total=3)

    source = Source(answer, with_writes(add_note={**NOTE, "find": FIND}))
    found = await source.adapter.push(AddNote("k-1", TICKET, "c"))

    assert found.external_id == "3"
    assert [request.method for request in source.sent] == ["GET", "GET", "GET"]


async def test_a_body_is_made_of_the_operations_fields_and_nothing_in_them_is_a_gap():
    def answer(request: httpx.Request) -> httpx.Response:
        return listed(total=0) if request.method == "GET" else httpx.Response(201, json={"note": {"id": 12}})

    source = Source(answer, with_writes(add_note={**NOTE, "find": FIND}))
    receipt = await source.adapter.push(AddNote("k-1", TICKET, 'say "{key}" {{x}}', is_public=True))

    assert receipt.external_id == "12"
    assert json.loads(source.sent[-1].content) == {"text": 'say "{key}" {{x}} [k-1]', "is_open": True}


async def test_what_is_not_described_is_not_taken():
    source = Source(lambda _: listed(), with_writes(add_note={**NOTE, "find": FIND}))

    assert [source.adapter.takes(kind) for kind in (AddNote, SetTicketState, SetTicketFields)] == [True, False, False]
    with pytest.raises(ConfigError, match="does not say how to do set_state"):
        await source.adapter.push(SetTicketState("k", TICKET, TicketState.CLOSED))
    assert source.sent == []


async def test_a_state_without_a_word_over_there_is_refused_before_anything_is_sent():
    write = {"path": "/t/{ticket}", "body": {"s": "{state}"}, "values": {"state": {"resolved": "Done"}},
             "find": {"path": "/t/{ticket}", "value": "s"}}  # fmt: skip
    source = Source(lambda _: httpx.Response(200, json={"s": "Done"}), with_writes(set_state=write))

    with pytest.raises(Invalid, match="does not say what state 'closed' is called over there") as raised:
        await source.adapter.push(SetTicketState("k", TICKET, TicketState.CLOSED))

    assert set(raised.value.fields) == {"state"}
    assert source.sent == []
    assert (await source.adapter.push(SetTicketState("k", TICKET, TicketState.RESOLVED))).external_id == "7"
    assert [request.method for request in source.sent] == ["GET"]


@pytest.mark.parametrize("ticket", [".", ".."])
async def test_an_identifier_that_leads_elsewhere_is_sent_nowhere(ticket: str):
    source = Source(lambda _: listed(), with_writes(add_note={**NOTE, "find": FIND}))
    elsewhere = SourceRef(kind=EntityKind.TICKET, external_id=ticket)

    with pytest.raises(Invalid, match="cannot be part of an address"):
        await source.adapter.push(AddNote("k", elsewhere, "x"))

    assert source.sent == []


GUARDED = {
    "method": "PATCH",
    "path": "/t/{ticket}",
    "body": {"s": "{state}"},
    "if_match": {"path": "/t/{ticket}", "params": {"for": "{key}"}},
    "find": {"path": "/t/{ticket}/state", "value": "s"},
}


class Guarded:
    """A ticket with a tag that every change moves. meanwhile: its state once it has been looked at."""

    def __init__(self, meanwhile: str | None = None) -> None:
        self.state, self.version, self.meanwhile = "new", 1, meanwhile

    def __call__(self, request: httpx.Request) -> httpx.Response:
        tag = f'"{self.version}"'
        if request.method == "PATCH":
            if request.headers.get("if-match") != tag:
                return httpx.Response(412, json={"error": "changed"})
            self._set(json.loads(request.content)["s"])
            return httpx.Response(200, json={})
        if request.url.path.endswith("/state"):
            there = self.state
            if self.meanwhile is not None:
                self._set(self.meanwhile)
            return httpx.Response(200, json={"s": there})
        return httpx.Response(200, json={"meta": {"tag": tag}}, headers={"ETag": tag})

    def _set(self, state: str) -> None:
        self.state, self.version = state, self.version + 1


@pytest.mark.parametrize("value", [None, "meta.tag"], ids=["by its header", "within the answer"])
async def test_a_write_tells_which_state_of_the_ticket_it_means(value: str | None):
    desk = Guarded()
    write = {**GUARDED, "if_match": {**GUARDED["if_match"], **({"value": value} if value else {})}}
    source = Source(desk, with_writes(set_state=write))

    await source.adapter.push(SetTicketState("k", TICKET, TicketState.RESOLVED))

    assert desk.state == "resolved"
    assert [(each.method, each.url.path) for each in source.sent] == [
        ("GET", "/v2/t/7"), ("GET", "/v2/t/7/state"), ("PATCH", "/v2/t/7")
    ]  # fmt: skip
    assert source.sent[0].url.params["for"] == "k"


async def test_a_ticket_that_somebody_changed_since_it_was_looked_at_is_left_as_it_is():
    desk = Guarded(meanwhile="closed")
    source = Source(desk, with_writes(set_state=GUARDED))

    with pytest.raises(Conflict):
        await source.adapter.push(SetTicketState("k", TICKET, TicketState.RESOLVED))

    assert desk.state == "closed"


@pytest.mark.parametrize("tag", [None, "", "a b", "x" * 501, "\u00fc"])
async def test_what_is_no_tag_is_not_sent_as_one(tag: str | None):
    write = {**GUARDED, "if_match": {"path": "/t/{ticket}", "value": "tag"}}
    source = Source(lambda _: httpx.Response(200, json={"tag": tag}), with_writes(set_state=write))

    with pytest.raises(UnexpectedResponse, match="the answer has no tag at 'tag'"):
        await source.adapter.push(SetTicketState("k", TICKET, TicketState.RESOLVED))

    assert [each.method for each in source.sent] == ["GET"]
