from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import websockets
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.live.limits import LiveLimits
from connector.model.kinds import TaskKind
from connector.model.lifecycle import TaskState
from connector.model.refs import EntityKind
from connector.storage import tables
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.engine import transaction
from connector.storage.tickets.tasks import NewTask, move_task, require_task
from tests.api.conftest import TOKEN, Hub, OpenHub, Subscriber, connected, served, until
from tests.api.seed import seed
from tests.factories import NOW, make_hub

TASKS = """
subscription ($after: String, $hub: ID) {
  tasks(after: $after, hubId: $hub) {
    cursor at operation actor before after changes { field before after } task { title state hub { name } }
  }
}
"""


async def give_task(engine: AsyncEngine, key: str, hub_id: int | None = None) -> int:
    async with transaction(engine) as tx:
        new = NewTask(key=key, kind=TaskKind.PICKUP, title=f"Task {key}", hub_id=hub_id)
        return await require_task(tx, new, actor="test", cause=None, at=NOW)


async def begin(api: Hub, client: Subscriber, query: str, /, **variables: Any) -> None:
    """Subscribe, and wait until the feed knows."""
    before = api.streams.subscribers
    await client.subscribe(query, **variables)
    await until(lambda: api.streams.subscribers == before + 1)


async def test_each_event_tells_what_changed_and_how_the_thing_is_now(hub: Hub):
    async with transaction(hub.engine) as tx:
        berlin = await make_hub(tx, name="Berlin")
    async with served(hub.app) as address, connected(address) as client:
        await begin(hub, client, TASKS)

        task = await give_task(hub.engine, "a", berlin)
        created = await client.event()
        async with transaction(hub.engine) as tx:
            await move_task(tx, task, TaskState.IN_PROGRESS, actor="anna", at=NOW + timedelta(hours=1))
        moved = await client.event()

    assert {key: created[key] for key in ("cursor", "at", "operation", "actor", "before", "after", "task")} == {
        "cursor": "1",
        "at": "2026-11-25T09:00:00Z",
        "operation": "CREATED",
        "actor": "test",
        "before": None,
        "after": "OPEN",
        "task": {"title": "Task a", "state": "OPEN", "hub": {"name": "Berlin"}},
    }
    assert {"field": "title", "before": None, "after": "Task a"} in created["changes"]
    assert moved == {
        "cursor": "2",
        "at": "2026-11-25T10:00:00Z",
        "operation": "UPDATED",
        "actor": "anna",
        "before": "OPEN",
        "after": "IN_PROGRESS",
        "changes": [{"field": "state", "before": "open", "after": "in_progress"}],
        "task": {"title": "Task a", "state": "IN_PROGRESS", "hub": {"name": "Berlin"}},
    }


KINDS = {
    "approvals": EntityKind.APPROVAL,
    "incidentGroups": EntityKind.INCIDENT_GROUP,
    "recoveries": EntityKind.RECOVERY,
    "replenishments": EntityKind.REPLENISHMENT,
    "reservations": EntityKind.RESERVATION,
    "rolloutProgress": EntityKind.ROLLOUT,
    "shipmentStatus": EntityKind.SHIPMENT,
    "tasks": EntityKind.TASK,
    "tickets": EntityKind.TICKET,
}


async def test_whatever_can_be_followed_is_told_of(hub: Hub):
    introspection = await hub.query("{ __schema { subscriptionType { fields { name } } } }")
    fields = [field["name"] for field in introspection["__schema"]["subscriptionType"]["fields"]]
    assert sorted(fields) == sorted(KINDS)
    async with served(hub.app) as address, connected(address) as client:
        for name, kind in KINDS.items():
            async with transaction(hub.engine) as tx:
                await log_changes(tx, [NewChange(kind, 1, "deleted", {})], actor=name, at=NOW)
            await client.subscribe(f'subscription {{ {name}(after: "0") {{ operation actor }} }}', name)
            assert await client.event() == {"operation": "DELETED", "actor": name}


async def test_a_client_that_was_away_resumes_without_gap_or_duplicate(hub: Hub):
    async with served(hub.app) as address:
        async with connected(address) as client:
            await begin(hub, client, TASKS)
            await give_task(hub.engine, "1")
            last = (await client.event())["cursor"]
        for key in "23":
            await give_task(hub.engine, key)

        async with connected(address) as client:
            await begin(hub, client, TASKS, after=last)
            missed = [await client.event() for _ in range(2)]
            await give_task(hub.engine, "4")
            live = await client.event()

    assert [event["task"]["title"] for event in [*missed, live]] == ["Task 2", "Task 3", "Task 4"]


async def test_a_subscription_can_be_narrowed_to_a_hub(hub: Hub):
    seeded = await seed(hub.engine)
    async with served(hub.app) as address, connected(address) as client:
        await begin(hub, client, TASKS, hub=seeded.id("Hub"))

        await give_task(hub.engine, "elsewhere")
        await give_task(hub.engine, "here", seeded.hub)

        assert (await client.event())["task"]["title"] == "Task here"


async def test_a_scan_without_a_new_status_is_news_of_a_shipment_and_other_changes_are_not(hub: Hub):
    seeded = await seed(hub.engine)
    async with served(hub.app) as address, connected(address) as client:
        query = "subscription ($id: ID) { shipmentStatus(shipmentId: $id) { before after shipment { status } } }"
        await begin(hub, client, query, id=seeded.id("Shipment"))

        async with transaction(hub.engine) as tx:
            delivered = {"status": "delivered"}
            await tx.execute(update(tables.shipment).values(**delivered))
            changes = [
                NewChange(EntityKind.SHIPMENT, seeded.shipment, "updated", {"cost_cents": (1, 2)}),
                NewChange(EntityKind.SHIPMENT, seeded.shipment, "updated", {"events": (2, 3)}),
                NewChange(EntityKind.SHIPMENT, 999, "updated", {"status": ("pending", "lost")}),
                NewChange(EntityKind.SHIPMENT, seeded.shipment, "updated", {"status": ("in_transit", "delivered")}),
            ]
            await log_changes(tx, changes, actor="test", at=NOW)
        events = [await client.event() for _ in range(2)]

    now = {"shipment": {"status": "DELIVERED"}}
    assert events == [
        {"before": "DELIVERED", "after": "DELIVERED", **now},
        {"before": "IN_TRANSIT", "after": "DELIVERED", **now},
    ]


async def test_a_subscription_to_one_status_is_told_the_same_live_and_later_whatever_came_of_the_parcel(hub: Hub):
    seeded = await seed(hub.engine)
    start = await hub.feed.now()
    query = """subscription ($after: String, $site: ID) {
      shipmentStatus(after: $after, siteId: $site, status: IN_TRANSIT) { cursor before after shipment { status } }
    }"""
    async with served(hub.app) as address, connected(address) as client:
        await begin(hub, client, query, site=seeded.id("Site"))
        await until(lambda: hub.feed.readers == 1)

        for old, new in (("pending", "label_created"), ("label_created", "in_transit"), ("in_transit", "exception")):
            async with transaction(hub.engine) as tx:
                await tx.execute(update(tables.shipment).values(status=new))
                change = NewChange(EntityKind.SHIPMENT, seeded.shipment, "updated", {"status": (old, new)})
                scan = NewChange(EntityKind.SHIPMENT, seeded.shipment, "updated", {"events": (1, 2)})
                await log_changes(tx, [change, scan], actor="test", at=NOW)
        async with transaction(hub.engine) as tx:
            again = NewChange(EntityKind.SHIPMENT, seeded.shipment, "updated", {"status": ("exception", "in_transit")})
            await log_changes(tx, [again], actor="test", at=NOW)
        live = [await client.event() for _ in range(2)]

        await client.subscribe(query, "later", after=str(start), site=seeded.id("Site"))
        later = [await client.event() for _ in range(2)]

    told = [(int(event["cursor"]) - start, event["before"], event["after"]) for event in live]
    assert told == [(3, "LABEL_CREATED", "IN_TRANSIT"), (7, "EXCEPTION", "IN_TRANSIT")]
    assert [event["cursor"] for event in later] == [event["cursor"] for event in live]


@pytest.mark.parametrize(
    ("after", "message"),
    [("x", "cursor 'x' is not one of ours"), ("77", "cursor '77' lies ahead of everything that has happened")],
)
async def test_a_cursor_that_cannot_be_resumed_from_is_refused(hub: Hub, after: str, message: str):
    async with served(hub.app) as address, connected(address) as client:
        await client.subscribe(TASKS, after=after)

        answer = await client.receive()

    errors = answer["payload"]["errors"] if answer["type"] == "next" else answer["payload"]
    assert [(error["message"], error["extensions"]["code"]) for error in errors] == [(message, "INVALID_INPUT")]


async def test_queries_go_over_the_same_socket_and_share_its_token(open_hub: OpenHub):
    async with open_hub(token=TOKEN) as hub, served(hub.app) as address:
        async with connected(address, {"Authorization": f"Bearer {TOKEN}"}) as client:
            await client.subscribe("{ tickets { totalCount } }")
            assert await client.event() == {"totalCount": 0}
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with connected(address, additional_headers=headers) as client:
            await client.subscribe("{ tickets { totalCount } }")
            assert await client.event() == {"totalCount": 0}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({}, "a bearer token is needed"),
        ({"authorization": "Bearer wrong"}, "the bearer token is wrong"),
        ({"authorization": 7}, "a bearer token is needed"),
    ],
)
async def test_a_socket_without_the_right_token_is_closed(open_hub: OpenHub, payload: dict[str, Any], reason: str):
    async with open_hub(token=TOKEN) as hub, served(hub.app) as address:
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            async with connected(address, payload):
                pass

    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4403, reason)


async def test_a_page_of_another_site_cannot_open_a_socket(hub: Hub):
    async with served(hub.app) as address:
        with pytest.raises(websockets.InvalidStatus, match="403"):
            async with connected(address, origin=websockets.Origin("http://evil.example")):
                pass


async def test_clients_that_vanish_leave_nothing_behind(hub: Hub):
    async with served(hub.app) as address:
        await hub.feed.now()
        tasks = len(asyncio.all_tasks())
        sockets = []
        for number in range(8):
            raw = await websockets.connect(
                f"ws://{address}/graphql", subprotocols=[websockets.Subprotocol("graphql-transport-ws")]
            )
            client = Subscriber(raw)
            await client.send(type="connection_init")
            await client.receive()
            await client.subscribe(TASKS)
            sockets.append(raw)
            await until(lambda number=number: hub.streams.subscribers == number + 1)  # type: ignore[misc]

        for raw in sockets:
            raw.transport.abort()
        await until(lambda: hub.streams.subscribers == 0)
        await until(lambda: len(asyncio.all_tasks()) <= tasks)

        async with connected(address) as client:
            await begin(hub, client, TASKS)
            await give_task(hub.engine, "later")
            assert (await client.event())["task"]["title"] == "Task later"


async def test_a_client_that_completes_a_subscription_is_forgotten(hub: Hub):
    async with served(hub.app) as address, connected(address) as client:
        await begin(hub, client, TASKS)

        await client.send(type="complete", id="1")

        await until(lambda: hub.streams.subscribers == 0)


def impatient(seconds: float) -> LiveLimits:
    return LiveLimits(queue=10, patience=timedelta(seconds=seconds))


@asynccontextmanager
async def stuck(hub: Hub, address: str) -> AsyncIterator[Subscriber]:
    """A client that stops reading, so that the buffers of the server fill while 400 changes of 20 KB happen."""
    host, _, port = address.partition(":")
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, (host, int(port)))
    async with connected(address, sock=raw, max_queue=1, compression=None, close_timeout=1) as client:
        await begin(hub, client, TASKS)
        for batch in range(40):
            async with transaction(hub.engine) as tx:
                fields = {"title": (None, "x" * 20_000), "state": ("open", "open")}
                changes = [NewChange(EntityKind.TASK, batch * 10 + i, "updated", fields) for i in range(10)]
                await log_changes(tx, changes, actor="test", at=NOW)
        await until(lambda: hub.streams.subscribers == 0)
        yield client


async def test_a_client_that_does_not_keep_up_is_closed_and_resumes_by_cursor(open_hub: OpenHub):
    async with open_hub(window=10, page=10, live=impatient(1)) as hub, served(hub.app) as address:
        cursors: list[int] = []
        async with stuck(hub, address) as client:
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await read_cursors(client, cursors)

        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (
            4429,
            f'Too slow: resume with `after: "{cursors[-1]}"`',
        )
        assert 0 < len(cursors) < 400
        assert cursors == list(range(1, len(cursors) + 1))
        await until(lambda: hub.streams.subscribers == 0)
        async with connected(address, max_size=None) as client:
            await client.subscribe(TASKS, after=str(cursors[-1]))
            rest = [int((await client.event())["cursor"]) for _ in range(400 - len(cursors))]
        assert rest == list(range(cursors[-1] + 1, 401))


async def test_a_client_that_does_not_read_at_all_is_dropped(open_hub: OpenHub):
    async with (
        open_hub(window=10, page=10, live=impatient(0.3)) as hub,
        served(hub.app) as address,
        stuck(hub, address),
    ):
        await until(lambda: hub.streams.subscribers == 0)
        await until(
            lambda: {"socket", "operation", "stream"}.isdisjoint(task.get_name() for task in asyncio.all_tasks())
        )


async def read_cursors(client: Subscriber, cursors: list[int]) -> None:
    """Note the cursors of all events until the connection ends."""
    while True:
        message = json.loads(await client.socket.recv())
        if message["type"] == "next" and message["payload"]["data"]:
            cursors.append(int(message["payload"]["data"]["tasks"]["cursor"]))
