"""The shortest query of a hub that counts what clients ask, against that of one that does not.

Both are applications on one empty SQLite database, asked in turns in this process, without a socket: what stands around
a request weighs the most there. The client shows a key, and the headers that httpx sends.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import fields
from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.types import ASGIApp as Application
from starlette.types import Message, Scope

from bench.databases import migrated_engine
from bench.measure import Measure
from connector.api.access import ApiKey
from connector.api.app import create_app
from connector.api.commands import Commands
from connector.api.feed import Feed
from connector.api.rates import RateLimits, Rates
from connector.api.sync_commands import SyncCommands
from connector.fulfilment.suppliers import require_suppliers
from connector.memory import calm_garbage_collection
from connector.model.errors import Unavailable
from connector.model.principals import ADMIN, Principal
from connector.rules.policy.reading import default_policy

KEY = "a-key-of-sufficient-length"
BODY = b'{"query":"{ tickets(first: 1) { totalCount } }"}'
ROUNDS, REQUESTS = 30, 300
LEAST = 0.75
"""Of the requests per second of the hub that counts nothing, without the socket that takes most of the time of both."""


class _Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


async def _out_of_order(*_arguments: Any) -> Any:
    raise Unavailable("this hub has no workflows", hint="Only queries are measured here.")


def _none(commands: type[Any], **others: Any) -> Any:
    return commands(**{field.name: _out_of_order for field in fields(commands)} | others)


async def measures() -> list[Measure]:
    """The measure."""
    with tempfile.TemporaryDirectory(prefix="connector-bench-") as directory:
        async with migrated_engine(f"sqlite:///{directory}/bench.db") as engine:

            def hub(rates: Rates | None) -> Application:
                return create_app(
                    engine=engine,
                    clock=_Clock(),
                    commands=_none(
                        Commands,
                        check_suppliers=partial(require_suppliers, connections={}),
                        syncing=_none(SyncCommands),
                    ),
                    policy=default_policy(),
                    feed=Feed(engine),
                    connections={},
                    keys=[ApiKey.of(KEY, Principal("ada", frozenset({ADMIN})))],
                    rates=rates,
                )

            without, counting = hub(None), hub(Rates(RateLimits(100_000_000, 100_000_000, 100_000_000)))
            calm_garbage_collection()  # as `connector serve` does
            took: dict[str, list[float]] = {"without": [], "counting": []}
            for _ in range(ROUNDS):
                for name, app in (("without", without), ("counting", counting)):
                    took[name].append(await _ask(app))
    without_s, counting_s = min(took["without"]), min(took["counting"])
    figures = {
        "without_us": round(without_s * 1e6 / REQUESTS, 1),
        "counting_us": round(counting_s * 1e6 / REQUESTS, 1),
    }
    return [Measure("rates requests per second", without_s / counting_s, LEAST, figures)]


async def _ask(app: Application) -> float:
    headers = [
        (b"host", b"localhost"), (b"accept", b"*/*"), (b"accept-encoding", b"gzip, deflate"),
        (b"connection", b"keep-alive"), (b"user-agent", b"python-httpx"), (b"authorization", f"Bearer {KEY}".encode()),
        (b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY)),
    ]  # fmt: skip
    scope: Scope = {
        "type": "http", "method": "POST", "scheme": "http", "path": "/graphql", "query_string": b"", "headers": headers,
        "client": ("192.0.2.1", 1),
    }  # fmt: skip

    async def receive() -> Message:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] != 200:
            raise RuntimeError(f"the hub answered {message['status']}")

    begun = time.perf_counter()
    for _ in range(REQUESTS):
        await app(dict(scope), receive, send)
    return time.perf_counter() - begun
