"""What the protocol graphql-transport-ws asks of a server, one test for each of its demands.

Source: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
import websockets

from connector.api.access import Admitted, Unauthenticated
from connector.api.live.limits import LiveLimits
from connector.model.principals import Principal
from tests.api.conftest import TOKEN, Hub, OpenHub, Subscriber, connected, served, until
from tests.api.test_subscriptions import TASKS, begin, give_task

ADA = Principal("ada", frozenset({"viewer"}))
JWT = {"authorization": "Bearer a.b.c"}


@asynccontextmanager
async def opened(address: str, subprotocol: str = "graphql-transport-ws") -> AsyncIterator[Subscriber]:
    """A WebSocket over which nothing has been said."""
    protocols = [websockets.Subprotocol(subprotocol)]
    async with websockets.connect(f"ws://{address}/graphql", subprotocols=protocols) as socket:
        yield Subscriber(socket)


async def closed(client: Subscriber) -> tuple[int, str]:
    """Code and reason with which the hub closes it, after whatever it says before."""
    with suppress(websockets.ConnectionClosed):
        async for _ in client.socket:
            pass
    assert client.socket.close_code is not None
    return client.socket.close_code, client.socket.close_reason or ""


async def test_another_subprotocol_is_not_acceptable(hub: Hub):
    async with served(hub.app) as address, websockets.connect(f"ws://{address}/graphql") as socket:
        assert await closed(Subscriber(socket)) == (4406, "Subprotocol not acceptable")


async def test_a_client_that_does_not_introduce_itself_in_time_is_closed(open_hub: OpenHub):
    live = LiveLimits(init=timedelta(seconds=0.1))
    async with open_hub(live=live) as hub, served(hub.app) as address, opened(address) as client:
        assert await closed(client) == (4408, "Connection initialisation timeout")


async def test_a_second_introduction_is_one_too_many(hub: Hub):
    async with served(hub.app) as address, connected(address) as client:
        await client.send(type="connection_init")

        assert await closed(client) == (4429, "Too many initialisation requests")


async def test_who_has_not_been_acknowledged_may_ask_for_nothing(hub: Hub):
    async with served(hub.app) as address, opened(address) as client:
        await client.subscribe(TASKS)

        assert await closed(client) == (4401, "Unauthorized")


async def test_an_id_that_is_in_use_is_taken(hub: Hub):
    async with served(hub.app) as address, connected(address) as client:
        await begin(hub, client, TASKS)
        await client.subscribe(TASKS)

        assert await closed(client) == (4409, "Subscriber for 1 already exists")
    await until(lambda: hub.streams.subscribers == 0)


@pytest.mark.parametrize(
    ("message", "what"),
    [
        ("{", "the message is no JSON"),
        ("[]", "the message is no object"),
        (b"{}", "messages are text"),
        ('{"type": "start"}', "'start' is no type of message"),
        ("{}", "None is no type of message"),
        ('{"type": "subscribe", "payload": {"query": "{ a }"}}', "'id' is no text, or empty"),
        ('{"type": "subscribe", "id": ""}', "'id' is no text, or empty"),
        ('{"type": "subscribe", "id": "1"}', "'query' is no text"),
        ('{"type": "subscribe", "id": "1", "payload": []}', "'payload' is no object"),
        ('{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":[]}}', "'variables' is no object"),
        ('{"type":"subscribe","id":"1","payload":{"query":"{a}","extensions":1}}', "'extensions' is no object"),
        ('{"type":"subscribe","id":"1","payload":{"query":"{a}","operationName":1}}', "'operationName' is no text"),
        ('{"type": "complete"}', "'id' is no text, or empty"),
        ('{"type": "ping", "payload": 7}', "'payload' is no object"),
        ('{"type": "ping", "payload": ' + '{"a":' * 101 + "1" + "}" * 102,
         "'payload' is nested more than 100 levels deep"),
    ],
)  # fmt: skip
async def test_an_invalid_message_closes_the_socket_and_is_told_what_is_wrong(
    hub: Hub, message: str | bytes, what: str
):
    async with served(hub.app) as address, connected(address) as client:
        await client.socket.send(message)

        assert await closed(client) == (4400, f"Invalid message: {what}")


async def test_a_ping_is_answered_with_its_payload_before_and_after_the_introduction(hub: Hub):
    async with served(hub.app) as address, opened(address) as client:
        await client.send(type="ping", payload={"n": 1})
        assert await client.receive() == {"type": "pong", "payload": {"n": 1}}
        await client.send(type="pong")
        await client.send(type="connection_init")
        assert await client.receive() == {"type": "connection_ack"}
        await client.send(type="ping")
        assert await client.receive() == {"type": "pong"}


async def test_a_query_is_one_result_and_its_id_is_free_again(hub: Hub):
    async with served(hub.app) as address, connected(address) as client:
        for _ in range(2):
            await client.subscribe("{ tickets { totalCount } }")
            told = [await client.receive(), await client.receive()]

            assert told == [
                {"id": "1", "type": "next", "payload": {"data": {"tickets": {"totalCount": 0}}}},
                {"id": "1", "type": "complete"},
            ]


async def test_a_mutation_goes_over_the_socket_in_the_name_of_who_has_introduced_themselves(open_hub: OpenHub):
    release = 'mutation { release(input: {reservationId: "x", reason: "x", idempotencyKey: "k"}) { errors { code } } }'

    async def admit(_token: str) -> Admitted:
        return Admitted(ADA)

    async with open_hub(others=[admit]) as hub, served(hub.app) as address, connected(address, JWT) as client:
        await client.subscribe(release)
        told = await client.receive()

    assert told["payload"]["data"]["release"]["errors"] == [{"code": "FORBIDDEN"}]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("fragment F on Query { feedCursor }", "BAD_REQUEST"),
        ("query A { feedCursor } query B { feedCursor }", "BAD_REQUEST"),
        ("{" + "a { " * 13 + "b" + " }" * 14, "QUERY_TOO_DEEP"),
        ("subscription { tasks " + "{ a " * 13 + "}" * 14, "QUERY_TOO_DEEP"),
        ('subscription { tasks(hubId: "x") { cursor } }', "INVALID_INPUT"),
    ],
)  # fmt: skip
async def test_what_cannot_be_run_ends_in_an_error_alone(hub: Hub, query: str, code: str):
    async with served(hub.app) as address, connected(address) as client:
        await client.subscribe(query)
        told = await client.receive()
        await client.send(type="ping")
        after = await client.receive()

    assert (told["type"], told["id"]) == ("error", "1")
    assert code in {error["extensions"]["code"] for error in told["payload"]}
    assert after == {"type": "pong"}
    await until(lambda: len(hub.streams) == 0)


async def test_after_complete_no_event_comes_and_the_id_is_free(hub: Hub):
    async with served(hub.app) as address, connected(address) as client:
        await begin(hub, client, TASKS)
        await client.send(type="complete", id="1")
        await client.send(type="complete", id="never there")
        await until(lambda: hub.streams.subscribers == 0)
        await give_task(hub.engine, "unheard")

        await client.subscribe(TASKS)
        await until(lambda: hub.streams.subscribers == 1)
        await give_task(hub.engine, "heard")

        assert (await client.event())["task"]["title"] == "Task heard"


async def test_more_operations_than_a_socket_may_have_are_refused(open_hub: OpenHub):
    async with (
        open_hub(live=LiveLimits(operations=2)) as hub,
        served(hub.app) as address,
        connected(address) as client,
    ):
        for key in "abc":
            await client.subscribe(TASKS, key)
        told = await client.receive()

        assert (told["type"], told["id"]) == ("error", "c")
        assert told["payload"][0]["message"] == "2 operations are under way on this socket, more are not allowed"
        await until(lambda: hub.streams.subscribers == 2)


async def test_a_silent_client_is_asked_and_stays_as_long_as_it_answers(open_hub: OpenHub):
    live = LiveLimits(heartbeat=timedelta(seconds=0.1))
    async with open_hub(live=live) as hub, served(hub.app) as address, connected(address) as client:
        await begin(hub, client, TASKS)
        for _ in range(3):
            assert await client.receive() == {"type": "ping"}
            await client.send(type="pong")

        assert await closed(client) == (1001, 'a ping was not answered within 0.1 s: resume with `after: "0"`')
        await until(lambda: hub.streams.subscribers == 0)


@pytest.mark.parametrize(
    ("again", "reason"),
    [
        (Unauthenticated("the key is not known any more"), 'the key is not known any more: resume with `after: "0"`'),
        (Unauthenticated("x" * 100), "x" * 100),
        (Admitted(Principal("ada", frozenset())), 'The roles have changed, come back: resume with `after: "0"`'),
    ],
)
async def test_rights_are_looked_at_again_and_end_the_socket_when_they_have_changed(
    open_hub: OpenHub, again: Admitted | Unauthenticated, reason: str
):
    answers: list[Any] = [Admitted(ADA), Admitted(ADA), again]

    async def admit(_token: str) -> Admitted:
        answer = answers.pop(0)
        if isinstance(answer, Unauthenticated):
            raise answer
        assert isinstance(answer, Admitted)
        return answer

    live = LiveLimits(recheck=timedelta(seconds=0.05))
    async with (
        open_hub(others=[admit], token=TOKEN, live=live) as hub,
        served(hub.app) as address,
        connected(address, JWT) as client,
    ):
        await begin(hub, client, TASKS)
        for left in (1, 0):
            hub.clock.advance(timedelta(seconds=1))
            await until(lambda left=left: len(answers) == left)  # type: ignore[misc]
        assert await closed(client) == (4403, reason)


async def test_a_socket_ends_with_the_hub_and_says_from_where_to_resume(hub: Hub):
    async with served(hub.app) as address, connected(address) as following, connected(address) as idle:
        await begin(hub, following, TASKS)
        await give_task(hub.engine, "1")
        await following.event()
        await hub.streams.dismiss(10)

        assert hub.streams.subscribers == 0
        assert await closed(following) == (1012, 'the hub is stopping: resume with `after: "1"`')
        assert await closed(idle) == (1012, "the hub is stopping")


async def test_messages_are_small_and_as_the_protocol_has_them(hub: Hub):
    async with served(hub.app) as address, connected(address) as client:
        await begin(hub, client, "subscription { tasks { cursor } }")
        await give_task(hub.engine, "a")
        text = await client.socket.recv()

    assert text == '{"id":"1","type":"next","payload":{"data":{"tasks":{"cursor":"1"}}}}'
    assert json.loads(text)["id"] == "1"
