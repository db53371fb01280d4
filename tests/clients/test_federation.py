"""The hub as a part of a graph: behind Apollo's gateway, joined with a subgraph that others wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connector.api.access import ApiKey
from connector.api.schema.nodes import global_id
from connector.model.principals import Principal
from connector.storage.database.engine import transaction
from tests.api.conftest import OpenHub, served
from tests.clients.conftest import Node, printed
from tests.clients.install import HERE, node_packages
from tests.factories import make_hub, make_site, make_source, make_ticket

SCRIPTS = HERE / "federation"
TOKEN = "the-token-of-the-gateway"
EUROPE = ApiKey.of(TOKEN, Principal("gateway", frozenset({"viewer"}), frozenset({"EU"})))


@pytest.fixture(scope="session")
def gateway() -> Path:
    """The script; what it needs is installed."""
    node_packages(SCRIPTS)
    return SCRIPTS / "gateway.mjs"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_gateway_joins_what_the_hub_knows_with_another_subgraph(open_hub: OpenHub, node: Node, gateway: Path):
    async with open_hub(subgraph=True, keys=[EUROPE]) as hub:
        async with transaction(hub.engine) as tx:
            hamburg = await make_site(tx, name="Hamburg", region="EU")
            boston = await make_site(tx, name="Boston", region="US")
            await make_ticket(tx, source_id=await make_source(tx), site_id=hamburg)
            await make_hub(tx, name="Berlin", code="BER", region="EU")
        places = {"sites": [global_id("Site", key) for key in (hamburg, boston, 99)], "hubs": ["BER"]}
        async with served(hub.app) as address:
            told = await printed(await node(gateway, f"http://{address}/graphql", TOKEN, json.dumps(places)))

    hamburg_seen = {"name": "Hamburg", "tickets": {"totalCount": 1}}
    berlin_seen = {"name": "Berlin", "tier": "REGIONAL", "rent": 300}
    centre = {"code": "CC-1", "sites": [hamburg_seen, None, None], "hubs": [berlin_seen]}
    assert told["composition"] == []  # by the other implementation; the gateway has composed by Apollo's
    assert told["outward"] == {
        "data": {"costCentres": {"pageInfo": {"hasNextPage": False}, "nodes": [centre]}},
        "errors": [],
        "asked": [3, 1],  # all sites at once, whoever may see them; then all hubs
    }
    assert told["inward"] == {
        "data": {
            "sites": {
                "nodes": [{"name": "Hamburg", "costCentre": {"code": "CC-1", "hubs": [{"id": global_id("Hub", 1)}]}}]
            }
        },
        "errors": [],
        "asked": [1],
    }
    assert told["foreign"]["data"] == {"costCentre": {"sites": [None, None, None]}}
    assert [error["code"] for error in told["foreign"]["errors"]] == ["UNAUTHENTICATED"]
    assert told["changed"]["data"] == {"syncSource": {"errors": [{"code": "FORBIDDEN"}]}}
