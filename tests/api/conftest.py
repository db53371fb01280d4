"""A hub's API on a real database, over ASGI and over a real socket."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import Any

import httpx
import pytest
import uvicorn
import websockets
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette

from connector.api.access import Admit, ApiKey
from connector.api.app import create_app
from connector.api.commands import Commands
from connector.api.documents import Documents
from connector.api.feed import Feed
from connector.api.field_rights import EVERY_FIELD, FieldRights
from connector.api.kept import KeptAnswers
from connector.api.limits import Limits
from connector.api.live.limits import LiveLimits
from connector.api.live.streams import Streams
from connector.api.rates import Rates
from connector.api.refusals import Refusals
from connector.api.sync_commands import SyncCommands
from connector.connections import server_config
from connector.fulfilment.suppliers import require_suppliers
from connector.model.errors import Unavailable
from connector.rules.policy.reading import default_policy
from connector.sdk.connection import Connection
from connector.storage.quality.days import MEASURING, Measuring
from tests.conftest import MovableClock

TOKEN = "a-token-of-sufficient-length"


async def _out_of_order(*_arguments: Any) -> Any:
    raise Unavailable("this hub has no workflows", hint="Start one that has.")


NO_COMMANDS = Commands(
    reserve=_out_of_order,
    release=_out_of_order,
    cancel=_out_of_order,
    confirm_pickup=_out_of_order,
    order_pickup=_out_of_order,
    cancel_pickup=_out_of_order,
    receive=_out_of_order,
    record_procurement=_out_of_order,
    receive_procurement=_out_of_order,
    sync_source=_out_of_order,
    replay_quarantine=_out_of_order,
    discard_quarantine=_out_of_order,
    check_suppliers=partial(require_suppliers, connections={}),
    syncing=SyncCommands(*[_out_of_order] * 6),
)
"""For tests that change nothing."""


class Hub:
    """The API under test and a client of it."""

    def __init__(self, engine: AsyncEngine, clock: MovableClock, feed: Feed, app: Starlette, client: httpx.AsyncClient):
        self.engine = engine
        self.clock = clock
        self.feed = feed
        self.app = app
        self.client = client

    @property
    def streams(self) -> Streams:
        """What subscriptions share."""
        streams: Streams = self.app.state.streams
        return streams

    async def execute(self, query: str, name: str | None = None, /, **variables: Any) -> dict[str, Any]:
        """The whole answer to a query. name: which of the document's operations, where it has several."""
        asked = {"query": query, "operationName": name, "variables": variables}
        response = await self.client.post("/graphql", json=asked)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def query(self, query: str, name: str | None = None, /, **variables: Any) -> dict[str, Any]:
        """The data of a query that must not fail."""
        answer = await self.execute(query, name, **variables)
        assert "errors" not in answer, json.dumps(answer["errors"], indent=1)
        data: dict[str, Any] = answer["data"]
        return data

    async def error(self, query: str, /, **variables: Any) -> dict[str, Any]:
        """The one error of a query that must fail."""
        (error,) = (await self.execute(query, **variables))["errors"]
        found: dict[str, Any] = error
        return found


OpenHub = Callable[..., Any]


@pytest.fixture
def open_hub(engine: AsyncEngine, clock: MovableClock) -> OpenHub:
    """Opens an API on the test's database."""

    @asynccontextmanager
    async def open_hub(
        *,
        commands: Commands = NO_COMMANDS,
        connections: Mapping[str, Connection] | None = None,
        token: str | None = None,
        keys: Sequence[ApiKey] = (),
        others: Sequence[Admit] = (),
        webhook_received: Callable[[], Awaitable[None]] | None = None,
        host: str = "localhost",
        documents: Documents | None = None,
        limits: Limits | None = None,
        live: LiveLimits | None = None,
        origins: Sequence[str] = (),
        subgraph: bool = False,
        kept: KeptAnswers | None = None,
        fields: FieldRights = EVERY_FIELD,
        measuring: Measuring = MEASURING,
        longest_wait_s: float = 60.0,
        rates: Rates | None = None,
        refusals: Refusals | None = None,
        watching: Mapping[str, Any] = MappingProxyType({}),
        public_url: str | None = None,
        **feed_options: Any,
    ) -> AsyncIterator[Hub]:
        feed = Feed(engine, **{"poll": timedelta(seconds=0.05), **feed_options})
        app = create_app(
            engine=engine,
            clock=clock,
            commands=commands,
            policy=default_policy(),
            feed=feed,
            connections=connections or {},
            token=token,
            keys=keys,
            others=others,
            anonymous=not (token or keys or others),
            webhook_received=webhook_received,
            documents=documents,
            limits=limits,
            live=live,
            origins=origins,
            subgraph=subgraph,
            kept=kept,
            fields=fields,
            measuring=measuring,
            longest_wait_s=longest_wait_s,
            rates=rates,
            refusals=refusals,
            **watching,
            public_url=public_url,
        )
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client,
        ):
            yield Hub(engine, clock, feed, app, client)

    return open_hub


@pytest.fixture
async def hub(open_hub: OpenHub) -> AsyncIterator[Hub]:
    """An open API without configured sources."""
    async with open_hub() as hub:
        yield hub


@asynccontextmanager
async def served(app: Starlette, **options: Any) -> AsyncIterator[str]:
    """The application on a real socket, as a hub serves it; gives its address, `127.0.0.1:port`.

    Its lifespan is the caller's.
    """
    config = server_config(app, **options)
    config.port, config.lifespan = 0, "off"
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    try:
        yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


_TRUSTING_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def plain_client(**options: Any) -> httpx.AsyncClient:
    """A client of what is `served`, without TLS: reading whom to trust takes longer than a hundred requests."""
    return httpx.AsyncClient(verify=_TRUSTING_NOBODY, trust_env=False, **options)


class Subscriber:
    """A client of one WebSocket."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket

    async def send(self, **message: Any) -> None:
        """Send a message of the protocol."""
        await self.socket.send(json.dumps(message))

    async def receive(self, timeout: float = 10) -> dict[str, Any]:  # noqa: ASYNC109
        """The next message."""
        async with asyncio.timeout(timeout):
            message: dict[str, Any] = json.loads(await self.socket.recv())
            return message

    async def subscribe(self, query: str, key: str = "1", /, **variables: Any) -> None:
        """Begin an operation."""
        await self.send(type="subscribe", id=key, payload={"query": query, "variables": variables})

    async def event(self, timeout: float = 10) -> Any:  # noqa: ASYNC109
        """The only field of the next event's data."""
        message = await self.receive(timeout)
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        (value,) = message["payload"]["data"].values()
        return value


@asynccontextmanager
async def connected(
    address: str, payload: Mapping[str, Any] | None = None, **options: Any
) -> AsyncIterator[Subscriber]:
    """A WebSocket on which the connection has been acknowledged."""
    async with websockets.connect(
        f"ws://{address}/graphql", subprotocols=[websockets.Subprotocol("graphql-transport-ws")], **options
    ) as socket:
        subscriber = Subscriber(socket)
        await subscriber.send(type="connection_init", payload=dict(payload or {}))
        assert (await subscriber.receive())["type"] == "connection_ack"
        yield subscriber


async def until(condition: Callable[[], bool], timeout: float = 10) -> None:  # noqa: ASYNC109
    """Wait until something holds."""
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
