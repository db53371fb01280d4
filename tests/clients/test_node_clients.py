"""The API through the libraries that portals in a browser are written with, and the audits of its specification."""

from __future__ import annotations

import asyncio
import json
import re
from asyncio.subprocess import Process
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from graphql import parse, print_ast
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.schema.nodes import global_id
from connector.model.errors import OutOfStock
from connector.storage.database.engine import transaction
from tests.api.conftest import NO_COMMANDS, Hub, OpenHub, served, until
from tests.api.test_subscriptions import give_task
from tests.clients.conftest import PATIENCE_S, Node, ended, printed
from tests.factories import make_source, make_ticket

PUBLISHED = Path(__file__).parents[2] / "graphql"
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""For what both databases answer alike."""
REFUSED = {
    "__typename": "ReservePayload",
    "reservation": None,
    "errors": [
        {
            "__typename": "OutOfStockRefusal",
            "code": "OUT_OF_STOCK",
            "message": "no hub has one",
            "hint": "Buy one.",
        }
    ],
}


async def _nothing_left(*_arguments: Any) -> Any:
    raise OutOfStock("no hub has one", hint="Buy one.")


async def three_tickets(engine: AsyncEngine) -> str:
    """INC-1 to INC-3; the id of the first."""
    async with transaction(engine) as tx:
        source = await make_source(tx)
        first, *_ = [await make_ticket(tx, source_id=source, number=f"INC-{n}") for n in (1, 2, 3)]
    return global_id("Ticket", first)


@on_sqlite
async def test_all_audits_of_graphql_over_http_pass(hub: Hub, node: Node):
    async with served(hub.app) as address:
        audits = await printed(await node("audits.mjs", f"http://{address}/graphql"))

    assert [audit for audit in audits if audit["status"] != "ok"] == []
    assert Counter(audit["name"].split()[0] for audit in audits) == {"MUST": 13, "SHOULD": 23, "MAY": 25}


@pytest.mark.parametrize("package", ["graphql-ws", "graphql-sse"])
async def test_a_subscription_whose_connection_breaks_is_resumed_without_gap(hub: Hub, node: Node, package: str):
    await give_task(hub.engine, "0")
    async with served(hub.app) as address:
        client = await node("resume.mjs", package, f"http://{address}", "3")
        await heard(client, "following")
        await give_task(hub.engine, "1")
        await go_on(client)
        await heard(client, "cut")
        await give_task(hub.engine, "2")
        await go_on(client)
        await give_task(hub.engine, "3")
        told = await printed(client)

    titles = [event["task"]["title"] for event in told["events"]]
    assert titles == ["Task 0", "Task 1", "Task 2", "Task 3"]
    assert told["broke"] != "null"
    assert told["answers"] == [{"data": {"tickets": {"totalCount": 0}}}, "GRAPHQL_VALIDATION_FAILED"]


@on_sqlite
@pytest.mark.parametrize("client", ["apollo", "urql"])
async def test_a_portals_client_follows_from_a_cursor_on(hub: Hub, node: Node, client: str):
    """Apollo over a WebSocket by its own link, urql by server-sent events."""
    await give_task(hub.engine, "0")
    async with served(hub.app) as address:
        script = await node("live.mjs", client, address)
        await heard(script, "following")
        assert hub.streams.subscribers == 1
        await give_task(hub.engine, "1")
        await give_task(hub.engine, "2")
        await go_on(script)

        assert await printed(script) == [["1", "Task 0"], ["2", "Task 1"], ["3", "Task 2"]]
        await until(lambda: hub.streams.subscribers == 0)


async def heard(client: Process, word: str) -> None:
    """Wait until a script says so."""
    assert client.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        line = await client.stdout.readline()
    assert line.decode().strip() == word, (await client.communicate())[1].decode()


async def go_on(client: Process) -> None:
    """Let a script that waits go on."""
    assert client.stdin is not None
    client.stdin.write(b"\n")
    await client.stdin.drain()


@on_sqlite
@pytest.mark.parametrize("script", ["apollo.mjs", "urql.mjs"])
async def test_a_portals_client_pages_by_post_and_by_get_and_gets_refusals_as_data(
    open_hub: OpenHub, node: Node, script: str
):
    async with open_hub(commands=replace(NO_COMMANDS, reserve=_nothing_left)) as hub:
        ticket = await three_tickets(hub.engine)
        async with served(hub.app) as address:
            told = await printed(await node(script, f"http://{address}/graphql", ticket))

    numbers = ["INC-1", "INC-2", "INC-3"]
    assert told["posted"] == {"numbers": numbers, "methods": ["POST", "POST"]}
    assert told["got"] == {"numbers": numbers, "methods": ["GET", "GET"]}
    assert (told["refused"], told["error"]) == (REFUSED, None)
    assert told["wrong"]["codes"] == ["GRAPHQL_VALIDATION_FAILED"]


@on_sqlite
async def test_apollos_link_for_persisted_queries_sends_a_document_once(hub: Hub, node: Node):
    async with served(hub.app) as address:
        told = await printed(await node("persisted.mjs", f"http://{address}/graphql"))

    assert told["counts"] == [0, 0, 0]
    assert told["sent"] == [
        {"method": "GET", "query": False},
        {"method": "POST", "query": True},
        {"method": "GET", "query": False},
        {"method": "GET", "query": False},
    ]


PAGED = """
graphql`query PagedQuery($first: Int, $after: String) { ...Paged_tickets }`;
graphql`fragment Paged_tickets on Query @refetchable(queryName: "PagedTicketsQuery") {
  tickets(first: $first, after: $after) @connection(key: "Paged_tickets") { edges { node { number ...Paged_ticket } } }
}`;
graphql`fragment Paged_ticket on Ticket @refetchable(queryName: "PagedTicketQuery") { title site { name } }`;
"""
"""Wants connections and `node(id:)` as Relay has them."""


async def test_relay_compiles_every_published_operation(node: Node, packages: Path, tmp_path: Path):
    """Relay names an operation after its module, with its kind at the end; nothing else is changed."""
    (tmp_path / "src").mkdir()
    (tmp_path / "made").mkdir()
    (tmp_path / "src" / "Paged.js").write_text(PAGED)
    expected = {"PagedQuery", "PagedTicketsQuery", "PagedTicketQuery"}
    for document in sorted((PUBLISHED / "operations").rglob("*.graphql")):
        module = document.stem

        def renamed(found: re.Match[str], module: str = module) -> str:
            name = module + found["name"].removeprefix(module) + found["kind"].capitalize()
            expected.add(name)
            return f"{found['kind']} {name}"

        text = print_ast(parse(document.read_text(encoding="utf-8")))  # without comments, which may hold a backtick
        text = re.sub(r"^(?P<kind>query|mutation|subscription) (?P<name>\w+)", renamed, text, flags=re.MULTILINE)
        (tmp_path / "src" / f"{module}.js").write_text(f"graphql`{text}`;\n", encoding="utf-8")
    (tmp_path / "schema.graphql").write_text((PUBLISHED / "schema.graphql").read_text(encoding="utf-8"))
    configuration = {"src": "src", "schema": "schema.graphql", "artifactDirectory": "made", "language": "javascript"}
    (tmp_path / "relay.config.json").write_text(json.dumps(configuration))

    compiler = packages / "relay-compiler" / "cli.js"
    told = await ended(await node(compiler, "--noWatchman", "relay.config.json", cwd=tmp_path))

    made = {path.name.removesuffix(".graphql.js") for path in (tmp_path / "made").glob("*.graphql.js")}
    assert expected <= made, told
