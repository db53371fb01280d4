"""Keys with roles: who comes in under which name, and what they may do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema

from connector.api.access import ANYBODY, Access, ApiKey, Unauthenticated
from connector.api.permissions import MAY
from connector.api.schema import export
from connector.api.schema.nodes import global_id
from connector.model.errors import Forbidden
from connector.model.principals import Principal, at_the_command_line
from tests.api.conftest import TOKEN, OpenHub, connected, served

ADA, EVE = "the-token-of-ada-1234", "the-token-of-eve-1234"
KEYS = (
    ApiKey.of(ADA, Principal("ada", frozenset({"dispatcher"}))),
    ApiKey.of(EVE, Principal("eve", frozenset({"viewer"}))),
)
RELEASE = """mutation($id: ID!) { release(input: {reservationId: $id, reason: "x", idempotencyKey: "k"}) {
  isFinished errors { __typename code message hint } } }"""


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_every_key_comes_in_under_its_own_name_and_the_one_token_as_admin():
    access = Access(TOKEN, keys=KEYS)

    found = [(await access.check(f"Bearer {token}")).principal for token in (TOKEN, ADA, EVE)]

    assert found == [ANYBODY, KEYS[0].holder, KEYS[1].holder]
    with pytest.raises(Unauthenticated, match="the bearer token is wrong"):
        await Access(None, keys=KEYS[:1]).check(f"Bearer {EVE}")
    assert ADA not in repr(KEYS)


def test_a_role_that_is_missing_is_named_and_admin_has_every_role():
    with pytest.raises(Forbidden) as refused:
        KEYS[1].holder.require({"approver", "dispatcher"}, "reserve")

    assert (refused.value.code, refused.value.message) == (
        "FORBIDDEN",
        "'eve' may not reserve: that needs the role 'admin' or 'approver' or 'dispatcher', and its roles are 'viewer'",
    )
    at_the_command_line("root").require({"approver"}, "reserve")


async def test_over_http_a_viewer_reads_and_changes_nothing(open_hub: OpenHub):
    async with open_hub(keys=KEYS) as hub:

        async def ask(token: str, query: str, **variables: Any) -> Any:
            body = {"query": query, "variables": variables}
            return (await hub.client.post("/graphql", json=body, headers=bearer(token))).json()

        me = await ask(EVE, "{ me { name roles } }")
        refused = await ask(EVE, RELEASE, id=global_id("Reservation", 1))
        passed_on = await ask(ADA, RELEASE, id=global_id("Reservation", 1))

    assert me == {"data": {"me": {"name": "eve", "roles": ["viewer"]}}}
    assert refused["data"]["release"] == {
        "isFinished": False,
        "errors": [
            {
                "__typename": "ForbiddenRefusal",
                "code": "FORBIDDEN",
                "message": "'eve' may not release: that needs the role 'admin' or 'dispatcher' or 'machine', "
                "and its roles are 'viewer'",
                "hint": "Use a key that has the role, or have it added under [auth] in connector.toml.",
            }
        ],
    }
    assert passed_on["errors"][0]["extensions"]["code"] == "UNAVAILABLE"  # the command itself was reached


async def test_over_a_websocket_the_token_of_the_connection_says_who_asks(open_hub: OpenHub):
    async with (
        open_hub(keys=KEYS) as hub,
        served(hub.app) as address,
        connected(address, {"Authorization": f"Bearer {ADA}"}) as socket,
    ):
        await socket.subscribe("query { me { name } }")

        assert await socket.event() == {"name": "ada"}


def test_every_mutation_says_who_may_and_the_page_tells_it():
    mutations = set(build_schema(export()).mutation_type.fields)  # type: ignore[union-attr]
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")

    assert mutations == set(MAY)
    assert set(MAY) - set(re.findall(r"`(\w+)`", page)) == set()
