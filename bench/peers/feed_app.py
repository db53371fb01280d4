"""Serves subscriptions in one of three ways, over the same server and rows: python -m bench.peers.feed_app WAY.

`connector` as it is; `strawberry`: the same schema and resolvers behind strawberry's own handler; `raw`: no GraphQL at
all, each subscription is sent a text that is ready. The hub and the ready texts have the sockets and the memory of
`connector serve`, strawberry has uvicorn's. `POST /happen` logs one change of a task and answers at once.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from strawberry.asgi import GraphQL

from bench.databases import migrated_engine
from bench.peers.gathering import gathering_sockets
from connector.api.app import create_app
from connector.api.commands import Commands
from connector.api.context import ApiContext
from connector.api.feed import Feed
from connector.api.limits import Limits
from connector.api.live.limits import LiveLimits
from connector.api.schema import build_schema
from connector.framing import FramingSocket
from connector.fulfilment.approvals import Approvals, holders_of
from connector.fulfilment.channels import Channels
from connector.fulfilment.options import FulfilmentOptions
from connector.fulfilment.work import Work
from connector.memory import calm_garbage_collection
from connector.model.errors import Unavailable
from connector.model.kinds import TaskKind
from connector.model.refs import EntityKind
from connector.rules.policy.reading import default_policy
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.engine import Database, transaction
from connector.storage.tickets.tasks import NewTask, require_task

PATIENCE = timedelta(minutes=10)
"""For strawberry's handler, which works on each event once for each of its subscriptions."""
NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)


class Clock:
    """A time that stands still, so that all servers send the same."""

    def now(self) -> datetime:
        """Always the same instant."""
        return NOW


async def _never(*_: Any) -> Any:
    raise Unavailable("nothing is commanded here", hint="Measure mutations elsewhere.")


COMMANDS = Commands(**dict.fromkeys(Commands.__dataclass_fields__, _never))


class StrawberryFeed(GraphQL[ApiContext, None]):
    """Strawberry's handler of the same schema."""

    def __init__(self, engine: Database, feed: Feed) -> None:
        super().__init__(build_schema(), subscription_protocols=("graphql-transport-ws",))
        work = Work(engine, {}, Clock(), FulfilmentOptions())
        self._context = partial(
            ApiContext,
            engine=engine,
            clock=Clock(),
            commands=COMMANDS,
            policy=default_policy(),
            feed=feed,
            approvals=Approvals(work, holders_of({})),
            channels=Channels(work, default_policy()),
            public_url="",
            limits=Limits(longest_query=PATIENCE),
        )

    async def get_context(self, request: Any, response: Any) -> ApiContext:  # noqa: ARG002
        """As strawberry wants it."""
        return self._context()


class Raw:
    """Sends each subscription a text that is ready. ready: one for each document."""

    def __init__(self, ready: Sequence[str]) -> None:
        self._ready = ready
        self._sockets: dict[WebSocket, list[str]] = {}
        self._sending: set[asyncio.Task[None]] = set()

    async def socket(self, socket: WebSocket) -> None:
        """As much of the protocol as the load needs."""
        await socket.accept(subprotocol="graphql-transport-ws")
        texts = self._sockets[socket] = []
        try:
            while True:
                message = orjson.loads(await socket.receive_text())
                if message["type"] == "connection_init":
                    await socket.send_text('{"type":"connection_ack"}')
                else:
                    document = int(message["id"]) % len(self._ready)
                    texts.append(self._ready[document].replace("ID", message["id"], 1))
        except WebSocketDisconnect:
            del self._sockets[socket]

    def begin(self) -> None:
        """Have all of them sent."""
        sending = asyncio.create_task(self._send_all())
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def _send_all(self) -> None:
        await asyncio.gather(*(self._send(socket, texts) for socket, texts in self._sockets.items()))

    async def _send(self, socket: WebSocket, texts: list[str]) -> None:
        for text in texts:
            await socket.send_text(text)


async def main(way: str) -> None:
    """Serve until the process is ended."""
    async with migrated_engine(os.environ["DATABASE"]) as engine:
        setattr(engine.sync_engine.pool, "_timeout", PATIENCE.total_seconds())  # noqa: B010 - it has no other door
        feed, raw = Feed(engine), Raw(orjson.loads(await asyncio.to_thread(Path(os.environ["READY"]).read_bytes)))
        async with transaction(engine) as tx:
            new = NewTask(key="task", kind=TaskKind.PICKUP, title="Fetch a switch")
            task = await require_task(tx, new, actor="bench", cause=None, at=Clock().now())

        async def happen(_request: Request) -> Response:
            if way == "raw":
                raw.begin()
                return Response()
            async with transaction(engine) as tx:
                change = NewChange(EntityKind.TASK, task, "updated", {"title": ("Fetch", "Fetch a switch")})
                await log_changes(tx, [change], actor="bench", at=Clock().now())
            feed.wake()
            return Response()

        @asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            await feed.start()
            yield
            await feed.stop()

        if way == "connector":
            app = create_app(
                engine=engine,
                clock=Clock(),
                commands=COMMANDS,
                policy=default_policy(),
                feed=feed,
                connections={},
                anonymous=True,
                live=LiveLimits(heartbeat=timedelta(hours=1)),  # the load answers no ping
            )
            app.router.routes.append(Route("/happen", happen, methods=["POST"]))
        else:
            endpoint = raw.socket if way == "raw" else StrawberryFeed(engine, feed)
            routes = [Route("/happen", happen, methods=["POST"]), WebSocketRoute("/graphql", endpoint)]
            app = Starlette(routes=routes, lifespan=lifespan)
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(os.environ["PORT"])))
        ws: Any = {"connector": FramingSocket, "raw": gathering_sockets(), "strawberry": "websockets-sansio"}[way]
        if way != "strawberry":
            calm_garbage_collection()
        config = uvicorn.Config(app, log_config=None, access_log=False, ws=ws, ws_ping_interval=None)
        await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
