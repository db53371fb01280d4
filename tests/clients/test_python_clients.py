"""The API through Python clients: one that takes any document, and one that is generated from the published ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.api.conftest import TOKEN, OpenHub, served
from tests.api.seed import seed
from tests.api.test_subscriptions import give_task
from tests.clients.conftest import python

PUBLISHED = Path(__file__).parents[2] / "graphql"
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

GQL = """
import asyncio, json, sys
from gql import Client, gql
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport
from gql.transport.exceptions import TransportQueryError

address, token = sys.argv[1:]
bearer = {"authorization": f"Bearer {token}"}
http = HTTPXAsyncTransport(f"http://{address}/graphql", headers=bearer, timeout=60)
socket = WebsocketsTransport(
    f"ws://{address}/graphql", init_payload=bearer, subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL]
)
COUNT = gql("{ tickets { totalCount } }")
TASKS = gql('subscription { tasks(after: "0") { cursor task { title } } }')

async def main():
    async with Client(transport=http) as session:
        counted = await session.execute(COUNT)
        try:
            await session.execute(gql('{ node(id: "x") { id } }'))
        except TransportQueryError as error:
            refused = error.errors[0]["extensions"]["code"]
    async with Client(transport=socket) as session:
        async for event in session.subscribe(TASKS):
            break
    print(json.dumps({"counted": counted, "refused": refused, "event": event}))

asyncio.run(main())
"""

GENERATED = """
import asyncio, sys
from hub import Client

async def main():
    async with Client(f"http://{sys.argv[1]}/graphql", {"authorization": f"Bearer {sys.argv[2]}"}) as hub:
        found = await hub.search_assets(text="foc")
    print([(edge.node.serial, edge.node.state.value) for edge in found.assets.edges])

asyncio.run(main())
"""

CONFIGURATION = """
[tool.ariadne-codegen]
schema_path = "schema.graphql"
queries_path = "operations"
target_package_name = "hub"
client_name = "Client"
"""


async def test_gql_queries_by_http_and_follows_over_a_socket(open_hub: OpenHub, client_python: Path, tmp_path: Path):
    async with open_hub(token=TOKEN) as hub, served(hub.app) as address:
        await give_task(hub.engine, "a")
        told = json.loads(await python(client_python, "-c", GQL, address, TOKEN, cwd=tmp_path))

    assert told == {
        "counted": {"tickets": {"totalCount": 0}},
        "refused": "INVALID_INPUT",
        "event": {"tasks": {"cursor": "1", "task": {"title": "Task a"}}},
    }


async def test_a_client_generated_from_the_published_operations_answers_in_types(
    open_hub: OpenHub, client_python: Path, tmp_path: Path
):
    (tmp_path / "pyproject.toml").write_text(CONFIGURATION)
    for name in ("schema.graphql", "operations"):
        (tmp_path / name).symlink_to(PUBLISHED / name)

    await python(client_python, "-m", "ariadne_codegen", cwd=tmp_path)
    async with open_hub(token=TOKEN) as hub, served(hub.app) as address:
        await seed(hub.engine)
        told = await python(client_python, "-c", GENERATED, address, TOKEN, cwd=tmp_path)

    assert told.strip() == "[('FOC1', 'DEPLOYED')]"
