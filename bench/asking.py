"""How the servers are asked for the operations that are measured, and the databases that they read."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import orjson
import psycopg

from bench.databases import migrated_engine
from bench.peers.load import Exchange
from bench.peers.operations import Operation
from bench.peers.rows import fill

OURS, HAND_WRITTEN, POSTGRAPHILE = "connector", "hand-written", "postgraphile"


def new_database(url: str, rows: int) -> str:
    """Make a database on a server; its URL."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE tickets_{rows}")  # type: ignore[call-overload]
    head, _, query = url.partition("?")
    return f"{head.rsplit('/', 1)[0]}/tickets_{rows}?{query}".rstrip("?")


async def fill_database(url: str, rows: int) -> None:
    """Make the tables, and fill them with so many tickets and what belongs to them."""
    async with migrated_engine(url) as engine:
        await fill(engine, rows)


def exchange(port: int, path: str, body: Mapping[str, Any], answer: bytes) -> Exchange:
    """A request and the answer that it must get."""
    content = orjson.dumps(body)
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\naccept: application/json\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    return Exchange(head.encode() + content, answer)


def asked(server: str, operation: Operation, given: Mapping[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
    """Path and body of a request, in the words of a server."""
    variables = dict(operation.variables[0] if given is None else given)
    if server == HAND_WRITTEN:
        return f"/{operation.name}", {"variables": variables}
    if server == POSTGRAPHILE:
        if "state" in variables:
            variables["state"] = variables["state"].lower()
        return "/graphql", {"query": operation.postgraphile, "variables": variables}
    if operation.asks_one:
        variables["id"] = base64.b64encode(f"Ticket:{variables['id']}".encode()).decode()
    return "/graphql", {"query": operation.document, "variables": variables}
