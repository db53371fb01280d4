"""What no GraphQL server can be faster than: a hand-written statement for each query, and bytes that are just sent.

An application for the same server as Connector's. DATABASE: where the rows are. BODY: the file whose bytes are sent.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import orjson
import psycopg
from psycopg.adapt import Loader

from bench.peers.operations import OPERATIONS

CONNECTIONS = 10
STATEMENTS = {f"/{operation.name}": operation.sql for operation in OPERATIONS}
BODY = Path(os.environ["BODY"]).read_bytes()


class _AsIs(Loader):
    def load(self, data: Any) -> bytes:
        return bytes(data)


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """As ASGI has it: the path is the name of the query, the body holds its variables."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    variables = orjson.loads(await _body(receive))["variables"]
    answer = BODY if scope["path"] == "/bytes" else await _ask(STATEMENTS[scope["path"]], variables)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


async def _live(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            for _ in range(CONNECTIONS):
                connection = await psycopg.AsyncConnection.connect(os.environ["DATABASE"], autocommit=True)
                connection.prepare_threshold = 0
                connection.adapters.register_loader("json", _AsIs)
                idle.put_nowait(connection)
        else:
            while not idle.empty():
                await idle.get_nowait().close()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _body(receive: Any) -> bytes:
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def _ask(statement: str, variables: dict[str, Any]) -> bytes:
    connection = await idle.get()
    try:
        cursor = await connection.execute(statement, variables)
        row = await cursor.fetchone()
    finally:
        idle.put_nowait(connection)
    answer: bytes = row[0]
    return answer


idle: asyncio.LifoQueue[Any] = asyncio.LifoQueue()
