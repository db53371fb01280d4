"""Somebody who is limited to regions: over every way into the hub what lies outside is as if it were not there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.access import ApiKey
from connector.api.identity import IdentityProvider
from connector.api.schema.nodes import global_id
from connector.model.principals import Principal
from connector.model.refs import EntityKind
from connector.serve import api_keys, identity_provider
from connector.settings.loading import load_settings
from connector.storage import tables
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.engine import transaction
from tests.api.conftest import TOKEN, Hub, OpenHub, connected, served
from tests.api.provider import provider_on_loopback
from tests.api.seed import LABEL, Seeded, seed
from tests.api.test_identity import options_of, outcome_of
from tests.conftest import MovableClock
from tests.factories import NOW, make_site, make_ticket

TOKENS = {name: f"the-token-of-{name}-12345" for name in ("europe", "america", "all")}
KEYS = {
    name: ApiKey.of(TOKENS[name], Principal(name, frozenset({"dispatcher"}), regions))
    for name, regions in {"europe": frozenset({"EU"}), "america": frozenset({"US"}), "all": None}.items()
}


def bearer(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {TOKENS[name]}"}


async def ask(hub: Hub, name: str, query: str, **variables: Any) -> Any:
    body = {"query": query, "variables": variables}
    return (await hub.client.post("/graphql", json=body, headers=bearer(name))).json()


@pytest.fixture
async def seeded(engine: AsyncEngine) -> Seeded:
    """Everything of the seed is in the EU, but for the hub: it gives from the US to the EU."""
    seeded = await seed(engine)
    async with transaction(engine) as tx:
        await tx.execute(update(tables.hub).values(region="US"))
        await make_site(tx, name="Nowhere", region=None)
    return seeded


@asynccontextmanager
async def two_sided(open_hub: OpenHub, **options: Any) -> AsyncIterator[Hub]:
    async with open_hub(token=TOKEN, keys=tuple(KEYS.values()), **options) as hub:
        yield hub


async def test_lists_counts_nodes_and_relations_know_nothing_of_other_regions(open_hub: OpenHub, seeded: Seeded):
    query = """query ($ids: [ID!]!, $site: ID!) {
      sites { totalCount nodes { name } } hubs { nodes { name } } stock { totalCount }
      tickets { nodes { number site { name } } } ticketAggregate { groups { count } }
      reservations { nodes { state hub { name } ticket { number } } }
      probed: reservations(filter: {hub: {name: {eq: "Berlin"}}}) { totalCount }
      probedKey: reservations(filter: {hub: {id: {isNull: true}}}) { totalCount }
      nodes(ids: $ids) { id } site(id: $site) { tickets { totalCount } }
      me { regions }
    }"""
    ids = [seeded.id(name) for name in ("Ticket", "Hub", "Product", "Decision")]

    async with two_sided(open_hub) as hub:
        given = {"ids": ids, "site": seeded.id("Site")}
        data = {name: (await ask(hub, name, query, **given))["data"] for name in KEYS}
        again = {name: (await ask(hub, name, query, **given))["data"] for name in KEYS}  # from what is kept ready

    europe, america = data["europe"], data["america"]
    assert again == data
    assert europe["sites"] == {"totalCount": 1, "nodes": [{"name": "Hamburg"}]}
    assert (europe["hubs"]["nodes"], europe["stock"]["totalCount"]) == ([], 0)
    assert europe["tickets"]["nodes"] == [{"number": "INC-1", "site": {"name": "Hamburg"}}]
    assert europe["ticketAggregate"]["groups"] == [{"count": 1}]
    assert europe["reservations"]["nodes"] == [{"state": "COMMITTED", "hub": None, "ticket": {"number": "INC-1"}}]
    assert (europe["probed"]["totalCount"], europe["probedKey"]["totalCount"]) == (0, 1)
    assert [node is not None for node in europe["nodes"]] == [True, False, True, True]
    assert europe["site"] == {"tickets": {"totalCount": 1}}
    assert europe["me"] == {"regions": ["EU"]}

    assert (america["sites"]["totalCount"], america["tickets"]["nodes"]) == (0, [])
    assert america["ticketAggregate"]["groups"] == [{"count": 0}]
    assert [node["name"] for node in america["hubs"]["nodes"]] == ["Berlin"]
    assert america["reservations"]["nodes"] == [{"state": "COMMITTED", "hub": {"name": "Berlin"}, "ticket": None}]
    assert [node is not None for node in america["nodes"]] == [False, True, True, False]
    assert america["site"] is None

    assert (data["all"]["sites"]["totalCount"], data["all"]["me"]) == (2, {"regions": None})


REFUSED = "{ errors { __typename code message } }"


@pytest.mark.parametrize(
    ("who", "mutation", "of"),
    [
        ("america", 'reserve(input: {ticketId: $id, idempotencyKey: "k"})', "Ticket"),
        ("europe", 'reserve(input: {ticketId: $seen, hubId: $id, idempotencyKey: "k"})', "Hub"),
        ("america", 'cancel(input: {ticketId: $id, reason: "x", idempotencyKey: "k"})', "Ticket"),
        ("america", 'approve(input: {approvalId: $id, idempotencyKey: "k"})', "Approval"),
    ],
)
async def test_a_mutation_says_the_same_of_what_is_outside_and_of_what_is_not_there(
    open_hub: OpenHub, seeded: Seeded, who: str, mutation: str, of: str
):
    outside, missing = global_id(of, 1), global_id(of, 999)
    seen = ", $seen: ID!" if "$seen" in mutation else ""
    document = f"mutation ($id: ID!{seen}) {{ it: {mutation} {REFUSED} }}"

    async with two_sided(open_hub) as hub:
        answers = [
            (await ask(hub, who, document, id=id_, seen=seeded.id("Ticket")))["data"]["it"]["errors"]
            for id_ in (outside, missing)
        ]

    for id_, errors in zip((outside, missing), answers, strict=True):
        message = f"there is no {of} with the id {id_!r}"
        assert errors == [{"__typename": "NotFoundRefusal", "code": "NOT_FOUND", "message": message}]


async def test_a_mutation_of_what_is_seen_reaches_its_command(open_hub: OpenHub, seeded: Seeded):
    async with two_sided(open_hub) as hub:
        answer = await ask(
            hub,
            "europe",
            f'mutation ($id: ID!) {{ cancel(input: {{ticketId: $id, reason: "x", idempotencyKey: "k"}}) {REFUSED} }}',
            id=seeded.id("Ticket"),
        )

    assert answer["errors"][0]["extensions"]["code"] == "UNAVAILABLE"


async def test_what_is_about_all_regions_is_for_those_who_are_not_limited(open_hub: OpenHub, seeded: Seeded):
    async with two_sided(open_hub) as hub:
        explained = await ask(
            hub, "europe", "query ($id: ID!) { explain(ticketId: $id) { text } }", id=seeded.id("Ticket")
        )
        placed = await ask(hub, "europe", "{ placements { nodes { product } } }")
        supposed = await ask(hub, "europe", f"{{ whatIf(draft: {{}}) {REFUSED} }}")
        decision = await ask(hub, "europe", "{ decisions { nodes { reason explanation { text } } } }")

    message = "'europe' may not explain: that is about all regions, and it is limited to 'EU'"
    assert [(error["message"], error["extensions"]["code"]) for error in explained["errors"]] == [
        (message, "FORBIDDEN")
    ]
    assert placed["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert supposed["data"]["whatIf"]["errors"][0]["code"] == "FORBIDDEN"
    assert decision["data"]["decisions"]["nodes"] == [{"reason": "sourced", "explanation": None}]


async def test_labels_of_other_regions_are_not_there(open_hub: OpenHub, seeded: Seeded, engine: AsyncEngine):
    async with two_sided(open_hub) as hub:
        mine = await hub.client.get("/labels/1", headers=bearer("america"))  # the parcel leaves a hub of theirs
        async with transaction(engine) as tx:
            await tx.execute(update(tables.hub).values(region="ASIA"))
        theirs = await hub.client.get("/labels/1", headers=bearer("america"))
        missing = await hub.client.get("/labels/999", headers=bearer("america"))

    assert (mine.status_code, mine.content) == (200, LABEL)
    assert (theirs.status_code, theirs.json()["errors"][0]["message"]) == (404, "there is no document 1")
    assert (missing.status_code, missing.json()["errors"][0]["message"]) == (404, "there is no document 999")


async def test_subscriptions_live_and_from_a_cursor_tell_of_ones_own_regions_alone(
    open_hub: OpenHub, seeded: Seeded, engine: AsyncEngine
):
    async with transaction(engine) as tx:
        abroad = await make_site(tx, region="US")
        other = await make_ticket(tx, source_id=seeded.source, number="INC-US", site_id=abroad)

    async def happen(*tickets: int) -> None:
        fields: dict[str, Any] = {"state": ("new", "in_progress"), "site_id": (1, abroad)}
        async with transaction(engine) as tx:
            changes = [NewChange(EntityKind.TICKET, key, "updated", fields) for key in tickets]
            await log_changes(tx, changes, actor="test", at=NOW)

    async with two_sided(open_hub) as hub, served(hub.app) as address:
        before = (await ask(hub, "europe", "{ feedCursor }"))["data"]["feedCursor"]
        await happen(other, 999, seeded.ticket)
        async with connected(address, {"authorization": f"Bearer {TOKENS['europe']}"}) as socket:
            told = "{ changes { field } ticket { number } }"
            await socket.subscribe(f"subscription ($after: String) {{ tickets(after: $after) {told} }}", after=before)
            replayed = await socket.event()
            await happen(999, other, seeded.ticket)
            live = await socket.event()

    expected = {"changes": [{"field": "state"}], "ticket": {"number": "INC-1"}}
    assert (replayed, live) == (expected, expected)


async def test_a_key_of_the_configuration_is_limited_to_its_regions(tmp_path: Path):
    file = tmp_path / "connector.toml"
    file.write_text(
        """
        [auth.keys.europe]
        token = "the-token-of-europe-12345"
        roles = ["dispatcher"]
        regions = ["EU", "ME"]
        [auth.keys.world]
        token = "the-token-of-world-12345"
        roles = ["viewer"]
        """
    )

    found = {key.holder.name: key.holder.regions for key in api_keys(load_settings(file).settings)}

    assert found == {"europe": {"EU", "ME"}, "world": None}


async def test_groups_of_a_provider_say_which_regions_their_people_see(clock: MovableClock):
    regions = {"emea": ("EU", "ME"), "poland": ("PL",), "world": ("*",)}
    async with provider_on_loopback() as provider:
        people = IdentityProvider(replace(options_of(provider), regions=regions, regions_claim="places"), clock=clock)

        async def seen(**claims: Any) -> Any:
            return (await people.admit(provider.token(clock.now(), **claims))).principal.regions

        found = [await seen(places=groups) for groups in (["emea", "poland"], "poland other", ["emea", "world"])]
        tokens = [provider.token(clock.now(), places=groups) for groups in ([], None, ["PL"], "*")]
        nobody = {str(await outcome_of(people, token)) for token in tokens}
        await people.aclose()

    assert found == [{"EU", "ME", "PL"}, {"PL"}, None]
    assert nobody == {
        "'grace@example.com' has no region in this hub: no group in the claim 'places' has one. Have the person added "
        "to a group at the provider, or a group of theirs under [auth.oidc.regions]; '*' is all regions."
    }


async def test_the_configuration_maps_groups_to_regions(clock: MovableClock, tmp_path: Path):
    async with provider_on_loopback() as provider:
        file = tmp_path / "connector.toml"
        file.write_text(
            f"""
            [auth.oidc]
            issuer = "{provider.issuer}"
            audience = "connector"
            [auth.oidc.roles]
            dispatchers = ["dispatcher"]
            [auth.oidc.regions]
            dispatchers = ["EU"]
            """
        )
        people = identity_provider(load_settings(file).settings, clock)
        assert people is not None

        found = await people.admit(provider.token(clock.now()))
        await people.aclose()

    assert found.principal == Principal("grace@example.com", frozenset({"dispatcher"}), frozenset({"EU"}))
