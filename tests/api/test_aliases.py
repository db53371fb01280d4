"""Aliases and suggestions of them over GraphQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from connector.api.schema.nodes import global_id
from connector.storage.database.engine import transaction
from tests.api.conftest import Hub
from tests.factories import make_asset, make_product, make_site, make_source, make_ticket

OPERATIONS = Path(__file__).parents[2] / "graphql/operations"
DOCUMENT = "".join((OPERATIONS / f"{name}.graphql").read_text() for name in ("NameAliases", "AliasSuggestions"))


async def do(hub: Hub, operation: str, **variables: Any) -> Any:
    body = {"query": DOCUMENT, "operationName": operation, "variables": variables}
    answer = (await hub.client.post("/graphql", json=body)).json()
    assert "errors" not in answer, answer
    return next(iter(answer["data"].values()))


async def test_an_alias_is_added_once_tells_doubles_and_is_removed(hub: Hub):
    async with transaction(hub.engine) as tx:
        stays = await make_product(tx, model="SW-48", model_key="sw 48")
        double = await make_product(tx, model="Switch 48", model_key="switch 48")
        await make_asset(tx, product_id=double)
    given = {
        "kind": "MODEL",
        "name": "Switch-48",
        "manufacturer": "ACME Inc.",
        "productId": global_id("Product", stays),
    }

    added = await do(hub, "AddAlias", input={**given, "idempotencyKey": "1"})
    again = await do(hub, "AddAlias", input={**given, "idempotencyKey": "1"})
    known = await do(hub, "AddAlias", input={**given, "idempotencyKey": "2"})
    other = {**given, "productId": global_id("Product", double), "idempotencyKey": "3"}
    taken = await do(hub, "AddAlias", input=other)
    nothing = await do(hub, "AddAlias", input={**given, "manufacturer": None, "idempotencyKey": "4"})
    [listed] = (await do(hub, "NameAliases"))["nodes"]
    removed = await do(hub, "RemoveAlias", alias=listed["id"], reason="wrong", key="5")
    gone = await do(hub, "RemoveAlias", alias=listed["id"], reason="wrong", key="6")

    assert added == again
    assert (added["isNew"], added["doubles"], added["moved"]) == (
        True,
        [{"id": global_id("Product", double), "name": "Acme Switch 48", "hanging": [{"what": "assets", "count": 1}]}],
        [],
    )
    assert (known["isNew"], known["alias"]) == (False, added["alias"])
    assert [(e["__typename"], e["message"]) for answer in (taken, nothing) for e in answer["errors"]] == [
        ("IllegalTransitionRefusal", f"'Switch-48' stands for product {stays} already"),
        ("InvalidInputRefusal", "an alias of a model needs its manufacturer and the product that it stands for, "
         "and nothing else"),
    ]  # fmt: skip
    assert (listed["name"], listed["manufacturerKey"], listed["product"]["model"], listed["origin"]) == (
        "Switch-48", "acme", "SW-48", "PERSON",
    )  # fmt: skip
    assert (removed["name"], [e["__typename"] for e in gone["errors"]]) == ("Switch-48", ["NotFoundRefusal"])
    assert (await do(hub, "NameAliases"))["nodes"] == []


async def test_suggestions_are_made_accepted_with_what_hangs_on_them_and_never_made_again_when_rejected(hub: Hub):
    async with transaction(hub.engine) as tx:
        source = await make_source(tx)
        stays = await make_product(tx, model="SW-48", model_key="sw 48", part_number="47 11")
        double = await make_product(tx, model="Access Switch", model_key="access switch", part_number="47-11")
        await make_asset(tx, product_id=stays)
        await make_ticket(tx, source_id=source, product_id=double)
        await make_site(tx, name="Hamburg Altona", code=None)
        await make_ticket(tx, source_id=source, site_hint="Altona, Hamburg")

    first = await do(hub, "SuggestAliases", key="1")
    model, place = (await do(hub, "AliasSuggestions"))["nodes"]
    accepted = await do(hub, "AcceptAliasSuggestion", suggestion=model["id"], moveReferences=True, key="2")
    rejected = await do(hub, "RejectAliasSuggestion", suggestion=place["id"], reason="two sites", key="3")
    twice = await do(hub, "AcceptAliasSuggestion", suggestion=place["id"], key="4")
    second = await do(hub, "SuggestAliases", key="5")

    assert (first["made"], second["made"], second["dropped"]) == (2, 0, 0)
    assert (model["score"], model["evidence"], model["product"]["model"], model["doubleProduct"]["model"]) == (
        99, "both have the part number '47 11'", "SW-48", "Access Switch",
    )  # fmt: skip
    assert (place["name"], place["score"], place["doubleSite"]) == ("Altona, Hamburg", 95, None)
    assert (accepted["alias"]["name"], accepted["alias"]["origin"], accepted["alias"]["reason"]) == (
        "Access Switch", "SUGGESTION", "both have the part number '47 11'",
    )  # fmt: skip
    assert accepted["moved"] == [{"what": "tickets", "count": 1}]
    assert rejected["suggestion"]["state"] == "REJECTED"
    assert [e["__typename"] for e in twice["errors"]] == ["IllegalTransitionRefusal"]
    assert (await do(hub, "AliasSuggestions"))["nodes"] == []
