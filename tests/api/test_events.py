"""Server-sent events, as the protocol of graphql-sse has them, one operation to a connection.

Source: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from connector.api.access import Admitted, Unauthenticated
from connector.api.live.ending import RESUME
from connector.api.live.limits import LiveLimits
from connector.api.media_types import Streaming, streaming
from connector.model.principals import Principal
from connector.model.refs import EntityKind
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.engine import transaction
from tests.api.conftest import TOKEN, Hub, OpenHub, plain_client, served, until
from tests.api.test_subscriptions import TASKS, give_task, impatient
from tests.factories import NOW

EVENTS = {"accept": "text/event-stream"}


@dataclass(frozen=True)
class Sent:
    """A server-sent event. A comment is an event of its own here, without anything."""

    event: str = ""
    data: Any = None
    id: str | None = None


class Client:
    """Reads an answer event by event."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self) -> Sent | None:
        """What comes next; None at the end."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(10):
            async for line in self._lines:
                if not line:
                    text = fields.get("data")
                    return Sent(fields.get("event", ""), json.loads(text) if text else None, fields.get("id"))
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
        return None


@asynccontextmanager
async def followed(
    address: str, query: str, headers: Mapping[str, str] | None = None, /, **variables: Any
) -> AsyncIterator[Client]:
    """A subscription by POST."""
    async with (
        plain_client(timeout=10) as http,
        http.stream(
            "POST",
            f"http://{address}/graphql",
            json={"query": query, "variables": variables},
            headers={**EVENTS, **(headers or {})},
        ) as response,
    ):
        yield Client(response)


async def test_a_subscription_is_a_stream_of_next_events_with_their_cursors(hub: Hub):
    async with served(hub.app) as address, followed(address, "subscription { tasks { cursor } }") as client:
        await until(lambda: hub.streams.subscribers == 1)
        await give_task(hub.engine, "a")

        assert client.response.status_code == 200
        assert client.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert client.response.headers["cache-control"] == "no-cache, no-store"
        assert await client.next() == Sent("next", {"data": {"tasks": {"cursor": "1"}}}, "1")
    await until(lambda: hub.streams.subscribers == 0)


async def test_it_shares_its_stream_with_sockets_and_other_clients(hub: Hub):
    async with served(hub.app) as address, followed(address, TASKS) as one, followed(address, TASKS) as other:
        await until(lambda: hub.streams.subscribers == 2)
        await give_task(hub.engine, "a")

        assert await one.next() == await other.next()
        assert len(hub.streams) == 1


@pytest.mark.parametrize("by_header", [True, False])
async def test_it_is_resumed_by_after_and_by_the_last_event_id_of_a_browser(hub: Hub, by_header: bool):
    for key in "1234":
        await give_task(hub.engine, key)
    headers = {"last-event-id": "2"} if by_header else {}
    after = "1" if by_header else "2"
    async with served(hub.app) as address, followed(address, TASKS, headers, after=after) as client:
        missed = [await client.next(), await client.next()]
        await give_task(hub.engine, "5")
        live = await client.next()

    assert [sent.id for sent in (*missed, live) if sent] == ["3", "4", "5"]


async def test_a_subscription_goes_by_get_too(hub: Hub):
    query = {"query": 'subscription { tasks(after: "0") { cursor } }'}
    await give_task(hub.engine, "a")
    async with served(hub.app) as address, plain_client() as http:
        async with http.stream("GET", f"http://{address}/graphql", params=query, headers=EVENTS) as response:
            assert await Client(response).next() == Sent("next", {"data": {"tasks": {"cursor": "1"}}}, "1")
        from_elsewhere = {**EVENTS, "origin": "http://evil.example"}
        refused = await http.get(f"http://{address}/graphql", params=query, headers=from_elsewhere)

    assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (403, "CROSS_SITE_REQUEST")


@pytest.mark.parametrize(
    ("query", "data"),
    [
        ("{ tickets { totalCount } }", {"data": {"tickets": {"totalCount": 0}}}),
        ('{ node(id: "x") { id } }', "INVALID_INPUT"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ('subscription { tasks(after: "99") { cursor } }', "INVALID_INPUT"),
        ("{", "GRAPHQL_PARSE_FAILED"),
    ],
)
async def test_another_operation_and_what_cannot_be_run_is_one_next_event_and_complete(hub: Hub, query: str, data: Any):
    async with served(hub.app) as address, followed(address, query) as client:
        told, complete, end = await client.next(), await client.next(), await client.next()

        assert client.response.status_code == 200
        assert told is not None
        assert told.event == "next"
        if isinstance(data, str):
            assert [error["extensions"]["code"] for error in told.data["errors"]] == [data]
        else:
            assert told.data == data
        assert (complete, end) == (Sent("complete"), None)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": f"Bearer {TOKEN}", "content-type": "text/plain"}, 415),
        ({"authorization": f"Bearer {TOKEN}", "last-event-id": "x"}, 400),
    ],
)
async def test_what_is_no_request_has_a_status_of_its_own(open_hub: OpenHub, headers: dict[str, str], status: int):
    async with open_hub(token=TOKEN) as hub:
        content = json.dumps({"query": TASKS})
        type_ = {"content-type": "application/json"}
        response = await hub.client.post("/graphql", content=content, headers={**EVENTS, **type_, **headers})

    assert (response.status_code, response.headers["content-type"]) == (status, "application/json")


async def test_a_mutation_does_not_go_by_get(hub: Hub):
    async with served(hub.app) as address, plain_client() as http:
        query = {"query": 'mutation { syncSource(input: {name: "x"}) { __typename } }'}
        async with http.stream("GET", f"http://{address}/graphql", params=query, headers=EVENTS) as response:
            told = await Client(response).next()

    assert told is not None
    assert told.data["errors"][0]["extensions"]["code"] == "METHOD_NOT_ALLOWED"


async def test_silence_is_broken_by_comments(open_hub: OpenHub):
    live = LiveLimits(heartbeat=timedelta(seconds=0.05))
    async with open_hub(live=live) as hub, served(hub.app) as address, followed(address, TASKS) as client:
        assert [await client.next() for _ in range(2)] == [Sent(), Sent()]


async def test_it_ends_with_its_token_and_says_from_where_to_resume(open_hub: OpenHub):
    async with open_hub() as other:
        until_ = other.clock.now() + timedelta(hours=1)

    async def admit(_token: str) -> Admitted:
        return Admitted(Principal("ada", frozenset({"viewer"})), until_)

    live = LiveLimits(recheck=timedelta(seconds=0.05))
    bearer = {"authorization": "Bearer a.b.c"}
    async with (
        open_hub(others=[admit], live=live) as hub,
        served(hub.app) as address,
        followed(address, TASKS, bearer) as client,
    ):
        await until(lambda: hub.streams.subscribers == 1)
        await give_task(hub.engine, "a")
        await client.next()
        hub.clock.advance(timedelta(hours=2))
        told, complete = await client.next(), await client.next()

    assert told is not None
    assert told.data["errors"] == [
        {
            "message": "The token has expired, come back with a new one",
            "extensions": {"code": "UNAUTHENTICATED", "hint": RESUME, "cursor": "1"},
        }
    ]
    assert complete == Sent("complete")


@pytest.mark.parametrize(
    ("again", "message"),
    [
        (Unauthenticated("the key is not known any more", hint=RESUME), "the key is not known any more"),
        (Admitted(Principal("ada", frozenset())), "The roles have changed, come back"),
    ],
)
async def test_it_ends_when_rights_have_changed_and_says_from_where_to_resume(
    open_hub: OpenHub, again: Admitted | Unauthenticated, message: str
):
    is_changed = False

    async def admit(_token: str) -> Admitted:
        if not is_changed:
            return Admitted(Principal("ada", frozenset({"viewer"})))
        if isinstance(again, Unauthenticated):
            raise again
        return again

    live = LiveLimits(recheck=timedelta(seconds=0.05))
    bearer = {"authorization": "Bearer a.b.c"}
    async with (
        open_hub(others=[admit], live=live) as hub,
        served(hub.app) as address,
        followed(address, TASKS, bearer) as client,
    ):
        await until(lambda: hub.streams.subscribers == 1)
        await give_task(hub.engine, "a")
        await client.next()
        is_changed = True
        hub.clock.advance(timedelta(seconds=1))
        told, complete = await client.next(), await client.next()

    assert told is not None
    extensions = {"code": "UNAUTHENTICATED", "hint": RESUME, "cursor": "1"}
    assert told.data["errors"] == [{"message": message, "extensions": extensions}]
    assert complete == Sent("complete")


async def test_it_ends_with_the_hub_and_says_from_where_to_resume(hub: Hub):
    async with served(hub.app) as address, followed(address, TASKS) as client:
        await until(lambda: hub.streams.subscribers == 1)
        await give_task(hub.engine, "a")
        await client.next()
        await hub.streams.stop()
        told, complete = await client.next(), await client.next()

    assert told is not None
    assert told.data["errors"][0]["message"] == "the hub is stopping"
    assert told.data["errors"][0]["extensions"]["cursor"] == "1"
    assert complete == Sent("complete")


async def test_a_client_that_does_not_keep_up_is_told_the_cursor_and_ended(open_hub: OpenHub):
    async with open_hub(live=impatient(1)) as hub, served(hub.app) as address:
        host, _, port = address.partition(":")
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, (host, int(port)))
        reader, writer = await asyncio.open_connection(sock=raw, limit=4096)
        body = json.dumps({"query": TASKS}).encode()
        head = f"POST /graphql HTTP/1.1\r\nhost: {address}\r\naccept: text/event-stream\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        try:
            await until(lambda: hub.streams.subscribers == 1)
            for batch in range(40):
                async with transaction(hub.engine) as tx:
                    fields = {"title": (None, "x" * 20_000), "state": ("open", "open")}
                    changes = [NewChange(EntityKind.TASK, batch * 10 + i, "updated", fields) for i in range(10)]
                    await log_changes(tx, changes, actor="test", at=NOW)
            await until(lambda: hub.streams.subscribers == 0)
            answer = b""
            async with asyncio.timeout(10):
                while not answer.endswith(b"0\r\n\r\n"):
                    answer += await reader.read(65536)
        finally:
            writer.transport.abort()

    ids = [int(line.removeprefix("id: ")) for line in answer.decode().splitlines() if line.startswith("id: ")]
    told = [line for line in answer.decode().splitlines() if "SLOW_CONSUMER" in line]
    assert 0 < len(ids) < 400
    assert ids == list(range(1, ids[-1] + 1))
    assert [json.loads(line.removeprefix("data: "))["errors"] for line in told] == [
        [
            {
                "message": "nothing was read for 1 s while the queue was full",
                "extensions": {
                    "code": "SLOW_CONSUMER",
                    "hint": "Subscribe again with `after` set to the cursor of the last event that was received.",
                    "cursor": str(ids[-1]),
                },
            }
        ]
    ]


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", Streaming.NO),
        ("*/*", Streaming.NO),
        ("application/json", Streaming.NO),
        ("text/event-stream;q=0", Streaming.NO),
        ("text/event-stream", Streaming.ALWAYS),
        ("text/event-stream, application/json;q=0.9", Streaming.ALWAYS),
        ("text/event-stream, */*", Streaming.ALWAYS),
        ("application/graphql-response+json, application/json, text/event-stream", Streaming.SUBSCRIPTIONS),
    ],
)
def test_events_are_sent_to_who_likes_them_best_and_those_of_subscriptions_to_who_takes_them(
    accept: str, wanted: Streaming
):
    assert streaming(accept) is wanted
