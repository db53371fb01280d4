"""Documents that a request names instead of sending them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from graphql import get_introspection_query

from connector.api.documents import LONGEST_KEPT, MOST_KEPT, Documents, PersistedQueryNotFound, TrustedDocuments
from connector.api.request import GraphQLRequest
from connector.api.shared import PREFIX, SharedDocuments
from connector.model.errors import InvalidConfiguration
from tests.api.conftest import Hub, OpenHub, connected, served, until
from tests.conftest import redis_server

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""Nothing here asks the database for more than it answers alike on both."""

PUBLISHED = Path(__file__).parents[2] / "graphql" / "operations"
COUNT = "query Count { tickets { totalCount } }"
NONE = {"data": {"tickets": {"totalCount": 0}}}
STRICT = {"accept": "application/graphql-response+json"}


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def persisted(text: str) -> dict[str, Any]:
    """What Apollo's clients send of a document."""
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest(text)}}}


def code(response: httpx.Response) -> str:
    (error,) = response.json()["errors"]
    found: str = error["extensions"]["code"]
    return found


@on_sqlite
async def test_a_published_document_is_run_by_its_hash_and_by_its_operations_name(open_hub: OpenHub):
    text = (PUBLISHED / "SourceHealth.graphql").read_text(encoding="utf-8")
    async with open_hub(documents=Documents(TrustedDocuments.read(()))) as hub:
        expected = await hub.query(text)
        for asked in (
            {"documentId": f"sha256:{digest(text)}"},
            {"documentId": "SourceHealth"},
            persisted(text),
        ):
            answer = await hub.client.post("/graphql", json=asked)
            assert (answer.status_code, answer.json()) == (200, {"data": expected})
        got = await hub.client.get("/graphql", params={"documentId": "SourceHealth"})

    assert got.json() == {"data": expected}


@on_sqlite
async def test_a_name_chooses_one_of_a_documents_operations(open_hub: OpenHub, tmp_path: Path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "two.graphql").write_text("query A { feedCursor } query B { me { name } }")
    async with open_hub(documents=Documents(TrustedDocuments.read([tmp_path]))) as hub:
        by_name = await hub.client.post("/graphql", json={"documentId": "B"})
        chosen = await hub.client.post("/graphql", json={"documentId": "B", "operationName": "A"})

    assert by_name.json() == {"data": {"me": {"name": "api"}}}
    assert list(chosen.json()["data"]) == ["feedCursor"]


@on_sqlite
async def test_a_document_that_nobody_sent_is_not_found(hub: Hub):
    unknown = {"documentId": f"sha256:{digest('nobody')}"}

    plain = await hub.client.post("/graphql", json=unknown)
    strict = await hub.client.get("/graphql", params=unknown, headers=STRICT)
    apollo = await hub.client.post("/graphql", json=persisted("nobody"))

    assert (plain.status_code, strict.status_code, code(plain)) == (200, 400, "DOCUMENT_NOT_FOUND")
    assert apollo.json()["errors"][0]["message"] == "PersistedQueryNotFound"
    assert (apollo.status_code, code(apollo)) == (200, "PERSISTED_QUERY_NOT_FOUND")


@on_sqlite
async def test_a_document_sent_with_its_hash_is_known_by_it_from_then_on(hub: Hub):
    asked = persisted(COUNT)

    missed = await hub.client.post("/graphql", json=asked)
    sent = await hub.client.post("/graphql", json=asked | {"query": COUNT})
    posted = await hub.client.post("/graphql", json=asked)
    got = await hub.client.get("/graphql", params={"extensions": json.dumps(asked["extensions"]), "variables": "{}"})
    by_id = await hub.client.get("/graphql", params={"documentId": f"sha256:{digest(COUNT)}"})

    assert code(missed) == "PERSISTED_QUERY_NOT_FOUND"
    assert [answer.json() for answer in (sent, posted, got, by_id)] == [NONE] * 4


@on_sqlite
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"documentId": 7}, "'documentId' is a number, not a string"),
        ({"documentId": "A", "query": COUNT}, "'documentId' is not the only document of the request"),
        ({"documentId": "A", **persisted(COUNT)}, "'documentId' is not the only document of the request"),
        ({"extensions": {"persistedQuery": {"version": 2}}}, "'extensions.persistedQuery' has not version 1"),
        ({"extensions": {"persistedQuery": "x"}}, "'extensions.persistedQuery' has not version 1"),
        (
            {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "abc"}}},
            "'extensions.persistedQuery.sha256Hash' is no SHA-256 in hexadecimal digits",
        ),
        ({**persisted("other"), "query": COUNT}, f"the document's hash is not '{digest('other')}'"),
    ],
)
async def test_a_request_that_names_its_document_wrongly_is_refused(hub: Hub, asked: dict[str, Any], message: str):
    answer = await hub.client.post("/graphql", json=asked)

    assert (answer.status_code, code(answer)) == (400, "BAD_REQUEST")
    assert answer.json()["errors"][0]["message"] == message


@on_sqlite
async def test_where_only_trusted_documents_are_run_nothing_else_is(open_hub: OpenHub, tmp_path: Path):
    (tmp_path / "count.graphql").write_text(COUNT)
    documents = Documents(TrustedDocuments.read([tmp_path]), only_trusted=True)
    other = "query Count { tickets { totalCount } sites { totalCount } }"
    async with open_hub(documents=documents) as hub:
        known = [
            await hub.client.post("/graphql", json=asked)
            for asked in ({"documentId": "Count"}, {"query": COUNT}, persisted(COUNT), {"documentId": "Count"})
        ]
        refused = [
            await hub.client.post("/graphql", json=asked, headers=STRICT)
            for asked in (
                {"query": other},
                {"query": "{ broken"},
                {"query": "{ ticketz }"},
                {"query": get_introspection_query()},
                {"query": 'mutation { syncSource(input: {sourceId: "x", idempotencyKey: "k"}) { __typename } }'},
                persisted(other),
                {"query": other, **persisted(other)},
                persisted(other),
                {"documentId": "Other"},
            )
        ]
        async with served(hub.app) as address, connected(address) as client:
            await client.subscribe("subscription { tickets { cursor } }", "a")
            followed = await client.receive()
            await client.subscribe(COUNT, "b")
            asked = await client.receive()

    assert [answer.json() for answer in known] == [NONE] * 4
    assert [(answer.status_code, code(answer)) for answer in refused] == [(400, "DOCUMENT_NOT_TRUSTED")] * 9
    assert (
        "Introspection and GraphiQL need a hub that runs any document"
        in (refused[3].json()["errors"][0]["extensions"]["hint"])
    )
    assert (followed["type"], followed["payload"][0]["extensions"]["code"]) == ("error", "DOCUMENT_NOT_TRUSTED")
    assert asked["payload"] == NONE


def test_a_name_of_two_operations_and_what_is_no_document_are_told_at_the_start(tmp_path: Path):
    (tmp_path / "a.graphql").write_text("query A { feedCursor }")
    (tmp_path / "b.graphql").write_text("query A { me { name } }")
    with pytest.raises(InvalidConfiguration, match=r"b\.graphql has an operation 'A', and so has .*a\.graphql"):
        TrustedDocuments.read([tmp_path])

    (tmp_path / "b.graphql").write_text("query A {")
    with pytest.raises(InvalidConfiguration, match=r"b\.graphql is no GraphQL document: Syntax Error"):
        TrustedDocuments.read([tmp_path])


def naming(text: str, *, with_text: bool = False) -> GraphQLRequest:
    return GraphQLRequest(text if with_text else "", None, None, None, f"sha256:{digest(text)}", is_automatic=True)


async def test_the_memory_for_documents_is_bounded_and_the_oldest_go():
    documents = Documents()
    texts = [f"{number:06}" + " " * (LONGEST_KEPT - 6) for number in range(MOST_KEPT // LONGEST_KEPT + 1)]
    for text in texts[:-1]:
        await documents.complete(naming(text, with_text=True))
    await documents.complete(naming(texts[0]))
    await documents.complete(naming(texts[-1], with_text=True))
    await documents.complete(naming(texts[0] + " ", with_text=True))

    assert (await documents.complete(naming(texts[0]))).query == texts[0]
    for gone in (texts[1], texts[0] + " "):
        with pytest.raises(PersistedQueryNotFound):
            await documents.complete(naming(gone))


@asynccontextmanager
async def sharing(url: str) -> AsyncIterator[Documents]:
    shared = SharedDocuments(url)
    try:
        yield Documents(shared=shared)
    finally:
        await shared.aclose()


async def test_processes_share_documents_through_redis_and_losing_it_costs_a_round_trip(tmp_path: Path):
    redis = redis_server(tmp_path)
    url = f"unix://{redis.socket_file}"
    async with sharing(url) as one, sharing(url) as other, sharing(url) as third:
        await one.complete(naming(COUNT, with_text=True))
        assert (await other.complete(naming(COUNT))).query == COUNT

        redis.set(PREFIX + f"sha256:{digest('mine')}", "{ forged }")
        with pytest.raises(PersistedQueryNotFound):
            await other.complete(naming("mine"))

        redis.shutdown(nosave=True)
        assert (await other.complete(naming(COUNT))).query == COUNT
        with pytest.raises(PersistedQueryNotFound):
            await third.complete(naming(COUNT))
        await third.complete(naming(COUNT, with_text=True))
        assert (await third.complete(naming(COUNT))).query == COUNT


@on_sqlite
async def test_documents_are_named_over_sockets_and_event_streams_as_well(open_hub: OpenHub, tmp_path: Path):
    (tmp_path / "count.graphql").write_text(COUNT)
    (tmp_path / "follow.graphql").write_text("subscription Follow { tickets { cursor } }")
    documents = Documents(TrustedDocuments.read([tmp_path]), only_trusted=True)
    other = "query Other { sites { totalCount } }"
    known: list[dict[str, Any]] = [{"documentId": "Count"}, {"documentId": f"sha256:{digest(COUNT)}"}, persisted(COUNT)]
    unknown: list[dict[str, Any]] = [{"documentId": "Other"}, persisted(other), {"query": other, **persisted(other)}]
    async with open_hub(documents=documents) as hub, served(hub.app) as address, connected(address) as client:
        answers = []
        for number, payload in enumerate([*known, *unknown]):
            await client.send(type="subscribe", id=str(number), payload=payload)
            answers.append(await client.receive())
            if answers[-1]["type"] == "next":
                assert (await client.receive())["type"] == "complete"
        streamed = [
            await hub.client.post("/graphql", json=payload, headers={"accept": "text/event-stream"})
            for payload in [*known, *unknown]
        ]
        await client.send(type="subscribe", id="followed", payload={"documentId": "Follow"})
        await until(lambda: hub.streams.subscribers == 1)
        await client.send(type="subscribe", id="wrong", payload={"documentId": "Count", "query": COUNT})
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await client.receive()

    assert [answer["payload"] for answer in answers[:3]] == [NONE] * 3
    assert [answer["payload"][0]["extensions"]["code"] for answer in answers[3:]] == ["DOCUMENT_NOT_TRUSTED"] * 3
    assert all('data: {"data":{"tickets":{"totalCount":0}}}' in answer.text for answer in streamed[:3])
    assert all("DOCUMENT_NOT_TRUSTED" in answer.text for answer in streamed[3:])
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4400
