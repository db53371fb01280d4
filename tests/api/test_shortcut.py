"""What is answered by the short way is what the long way answers: status, headers and body."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.access import ApiKey
from connector.api.documents import Documents, TrustedDocuments, name_of
from connector.api.request import read_json
from connector.api.schema.nodes import global_id
from connector.api.shortcut import Shortcut
from connector.model.principals import Principal
from connector.storage import tables
from connector.storage.database.engine import transaction
from tests.api.conftest import TOKEN, Hub, OpenHub
from tests.factories import make_site, make_source, make_ticket

BEARER = {"authorization": f"Bearer {TOKEN}"}
TICKETS = "query Tickets($n: Int!) { tickets(first: $n) { nodes { id number requester site { name } } } }"
ONE = "query One($id: ID!) { ticket(id: $id) { number } }"
TRUSTED = Documents(TrustedDocuments({name_of(TICKETS): TICKETS}, {"Tickets": TICKETS}))


@pytest.fixture
async def hub(engine: AsyncEngine, open_hub: OpenHub) -> AsyncIterator[Hub]:
    async with transaction(engine) as tx:
        source, site = await make_source(tx), await make_site(tx)
        for number in range(40):
            await make_ticket(tx, source_id=source, requester=f"日本 {number}", site_id=site)
    async with open_hub(token=TOKEN, documents=TRUSTED) as hub:
        yield hub


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bodies that were sent by the short way."""
    sent: list[bytes] = []
    send = Shortcut._send

    async def noted(self: Shortcut, answer: Any, *rest: Any) -> None:
        sent.append(answer.body)
        await send(self, answer, *rest)

    monkeypatch.setattr(Shortcut, "_send", noted)
    return sent


@asynccontextmanager
async def _long_way() -> AsyncIterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Shortcut, "_client", lambda *_: None)
        yield


async def _post(hub: Hub, body: Any, headers: Mapping[str, str]) -> tuple[int, list[tuple[str, str]], bytes]:
    sent = {"content": body} if isinstance(body, bytes) else {"json": body}
    response = await hub.client.post("/graphql", headers=dict(headers), **sent)
    return response.status_code, sorted(response.headers.items()), response.content


ASKED: Sequence[tuple[dict[str, Any], dict[str, str]]] = [
    ({"query": TICKETS, "variables": {"n": 40}}, {}),
    ({"query": TICKETS, "variables": {"n": 1}}, {"accept": "application/graphql-response+json"}),
    ({"query": TICKETS, "variables": {"n": 40}}, {"accept-encoding": "gzip"}),
    ({"query": TICKETS, "variables": {"n": 40}}, {"accept-encoding": "zstd, br;q=1"}),
    ({"query": TICKETS, "variables": {"n": 40}}, {"accept-encoding": "identity"}),
    ({"query": TICKETS, "variables": {"n": 1}}, {"accept": "text/event-stream, application/json"}),
    ({"query": TICKETS, "variables": {"n": 2}, "extensions": {"cost": True}}, {}),
    ({"query": TICKETS, "variables": {"n": 2}, "operationName": "Tickets"}, {"content-type": "application/json"}),
    ({"documentId": "Tickets", "variables": {"n": 3}}, {}),
    ({"documentId": name_of(TICKETS), "variables": {"n": 3}}, {"origin": "https://elsewhere.example"}),
    ({"query": ONE, "variables": {"id": global_id("Ticket", 7)}}, {}),
    ({"query": ONE, "variables": {"id": global_id("Ticket", 999)}}, {}),
]


async def test_an_answer_is_the_same_by_both_ways(hub: Hub, short: list[bytes]):
    for asked, headers in ASKED:
        first = await _post(hub, asked, BEARER | headers)
        short.clear()
        again = await _post(hub, asked, BEARER | headers)
        assert len(short) == 1, asked
        async with _long_way():
            by_the_long_way = await _post(hub, asked, BEARER | headers)
        assert len(short) == 1, asked

        assert first == again == by_the_long_way, asked
        assert first[0] == 200, asked


REFUSED: Sequence[tuple[Any, dict[str, str]]] = [
    ({"query": TICKETS, "variables": {"n": 40}}, {"authorization": "Bearer another"}),
    ({"query": TICKETS, "variables": {"n": 40}}, {"accept": "text/plain"}),
    ({"query": TICKETS, "variables": {"n": 40}}, {"content-type": "text/plain"}),
    ({"query": TICKETS, "variables": {"n": 40}}, {"content-encoding": "gzip"}),
    ({"query": TICKETS, "variables": {"n": 40}}, {"accept": "text/event-stream"}),
    ({"query": TICKETS, "variables": {"n": "many"}}, {}),
    ({"query": TICKETS, "variables": {"n": 501}}, {}),
    ({"query": TICKETS, "variables": {}}, {}),
    ({"query": TICKETS, "variables": [1]}, {}),
    ({"query": TICKETS, "variables": {"n": 40}, "operationName": "Others"}, {}),
    ({"query": ONE, "variables": {"id": global_id("Asset", 7)}}, {}),
    ({"query": ONE, "variables": {"id": "\0"}}, {}),
    ({"documentId": "Nothing", "variables": {"n": 3}}, {}),
    (b"", {"content-type": "application/json"}),
    (b"{", {"content-type": "application/json"}),
    (b"[]", {"content-type": "application/json"}),
    (b'{"query": "' + b"x" * 300_000 + b'"}', {"content-type": "application/json"}),
]


async def test_what_is_not_ready_is_said_by_the_long_way(hub: Hub, short: list[bytes]):
    for query, given in ((TICKETS, {"n": 40}), (ONE, {"id": global_id("Ticket", 7)})):
        await _post(hub, {"query": query, "variables": given}, BEARER)

    for asked, headers in REFUSED:
        said = await _post(hub, asked, BEARER | headers)
        async with _long_way():
            expected = await _post(hub, asked, BEARER | headers)

        assert said == expected, asked
        assert not short, asked


async def test_a_key_that_is_revoked_is_refused_though_its_headers_are_known(
    hub: Hub, short: list[bytes], monkeypatch: pytest.MonkeyPatch
):
    asked = {"query": TICKETS, "variables": {"n": 1}}
    for _ in range(2):
        await _post(hub, asked, BEARER)
    assert len(short) == 1
    access = hub.app.state.access
    monkeypatch.setattr(access, "_keys", ())

    assert (await _post(hub, asked, BEARER))[0] == 401
    assert len(short) == 1


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bodies that were read by the short way."""
    seen: list[bytes] = []

    def noted(body: bytes) -> Any:
        seen.append(body)
        return read_json(body)

    monkeypatch.setattr("connector.api.shortcut.read_json", noted)
    return seen


async def test_the_same_bytes_are_understood_once_and_answered_as_things_are_now(
    hub: Hub, engine: AsyncEngine, read: list[bytes]
):
    asked = {"query": ONE, "variables": {"id": global_id("Ticket", 7)}}
    for _ in range(3):
        assert (await _post(hub, asked, BEARER))[2] != b'{"data":{"ticket":{"number":"INC-new"}}}'
    assert len(read) == 2, "for the long way, and for the plan that it left"

    async with transaction(engine) as tx:
        await tx.execute(update(tables.ticket).values(number="INC-new").where(tables.ticket.c.id == 7))

    assert (await _post(hub, asked, BEARER))[2] == b'{"data":{"ticket":{"number":"INC-new"}}}'
    assert len(read) == 2


async def test_the_same_bytes_mean_to_each_what_they_see(open_hub: OpenHub, engine: AsyncEngine):
    places = {"EU": "europe", "US": "america"}
    async with transaction(engine) as tx:
        for region in places:
            await make_site(tx, name=f"of {region}", region=region)
    keys = [ApiKey.of(name * 8, Principal(name, frozenset({"viewer"}), frozenset({r}))) for r, name in places.items()]
    asked = {"query": "{ sites(first: 9) { nodes { name } } me { name } }"}

    async with open_hub(keys=keys) as hub:
        for _ in range(4):
            for region, name in places.items():
                said = (await _post(hub, asked, {"authorization": f"Bearer {name * 8}"}))[2]
                expected = {"sites": {"nodes": [{"name": f"of {region}"}]}, "me": {"name": name}}
                assert orjson.loads(said) == {"data": expected}


async def test_a_document_that_registers_itself_does_so_each_time(hub: Hub, read: list[bytes]):
    persisted = {"version": 1, "sha256Hash": name_of(ONE).removeprefix("sha256:")}
    asked = {"query": ONE, "variables": {"id": "x"}, "extensions": {"persistedQuery": persisted}}
    asked["variables"] = {"id": global_id("Ticket", 7)}

    for _ in range(4):
        assert (await _post(hub, asked, BEARER))[0] == 200

    assert len(read) == 4


async def test_bodies_are_remembered_up_to_a_number_and_a_size(
    hub: Hub, read: list[bytes], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("connector.api.shortcut.MOST_UNDERSTOOD", 3)
    asked = [{"query": TICKETS, "variables": {"n": number}} for number in range(1, 6)]
    for _ in range(3):
        for one in asked:
            await _post(hub, one, BEARER)
    assert len(read) == 15, "each is forgotten before it comes again"

    monkeypatch.setattr("connector.api.shortcut.LARGEST_UNDERSTOOD", 20)
    for _ in range(3):
        await _post(hub, {"query": TICKETS, "variables": {"n": 9}}, BEARER)
    assert len(read) == 18


async def test_a_body_that_comes_in_parts_is_one(hub: Hub, short: list[bytes]):
    async def parts() -> AsyncIterator[bytes]:
        yield b'{"query": '
        yield b'"{ __typename }"}'

    for _ in range(2):
        response = await hub.client.post(
            "/graphql", content=parts(), headers=BEARER | {"content-type": "application/json"}
        )
        assert response.json() == {"data": {"__typename": "Query"}}

    assert len(short) == 1


async def test_pages_of_configured_origins_are_told_that_they_may_read(open_hub: OpenHub, short: list[bytes]):
    async with open_hub(token=TOKEN, origins=["https://portal.example"]) as hub:
        for _ in range(3):
            response = await hub.client.post(
                "/graphql", json={"query": "{ __typename }"}, headers=BEARER | {"origin": "https://portal.example"}
            )
            assert response.headers["access-control-allow-origin"] == "https://portal.example"

        assert not short


async def test_headers_are_remembered_up_to_a_number(hub: Hub, short: list[bytes], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("connector.api.shortcut.MOST_KNOWN", 3)
    asked = {"query": TICKETS, "variables": {"n": 1}}
    await _post(hub, asked, BEARER)

    for number in range(8):
        assert (await _post(hub, asked, BEARER | {"x-number": str(number % 5)}))[0] == 200

    assert len(short) == 8


async def test_a_host_that_is_not_the_hubs_is_turned_away_each_time(open_hub: OpenHub, short: list[bytes]):
    async with open_hub() as hub:
        for _ in range(3):
            response = await hub.client.post(
                "/graphql", json={"query": "{ __typename }"}, headers={"host": "evil.example"}
            )
            assert response.status_code == 401

    assert not short
