"""Kits as the API shows them."""

from __future__ import annotations

from connector.storage import tables
from connector.storage.database.engine import transaction
from tests.api.conftest import Hub
from tests.api.seed import seed
from tests.api.test_queries import statements
from tests.factories import insert_row, make_counted_stock, make_hub, make_spares


async def test_how_many_kits_hubs_could_ship_is_asked_in_one_statement(hub: Hub):
    await seed(hub.engine)
    async with transaction(hub.engine) as tx:
        for brackets in (0, 9):
            other = await make_hub(tx)
            await make_spares(tx, hub_id=other, product_id=1, count=3)
            if brackets:
                await make_counted_stock(tx, hub_id=other, product_id=2, on_hand=brackets, safety_stock=2)

    with statements(hub.engine) as run:
        data = await hub.query(
            """{ stock(filter: {completeKits: {gte: 1}}, orderBy: [{field: COMPLETE_KITS, direction: DESC}]) {
              nodes { hub { id } free completeKits } }
              all: stock(orderBy: [{field: COMPLETE_KITS}]) { nodes { product { model } completeKits } } }"""
        )

    assert [(node["free"], node["completeKits"]) for node in data["stock"]["nodes"]] == [(3, 3), (2, 1)]
    kits = [(node["product"]["model"], node["completeKits"]) for node in data["all"]["nodes"]]
    assert [kit for kit in kits if kit[0] == "Switch 48"] == [("Switch 48", 0), ("Switch 48", 1), ("Switch 48", 3)]
    assert [kit for kit in kits if kit[0] == "Bracket"] == [("Bracket", None), ("Bracket", None)]
    assert sum("min(" in text for text in run) == 1  # one for each of the two lists


async def test_a_claim_shows_the_kit_that_goes_along(hub: Hub):
    await seed(hub.engine)
    async with transaction(hub.engine) as tx:
        device = (await tx.execute(tables.reservation.select())).mappings().one()
        await tx.execute(tables.reservation.update().values(kit_id=1))
        own = {"asset_id": None, "product_id": 2, "requested_product_id": 2, "quantity": 2, "line": 2, "kit_id": 1}
        row = {name: value for name, value in device.items() if name != "id"} | own | {"ships_with_id": device["id"]}
        await insert_row(tx, tables.reservation, row)

    data = await hub.query(
        "{ reservations(orderBy: [{field: LINE}]) { nodes { line kit { name } shipsWith { line } "
        "kitLines { line quantity product { model } } } } }"
    )

    assert data["reservations"]["nodes"] == [
        {"line": 1, "kit": {"name": "Swap kit"}, "shipsWith": None,
         "kitLines": [{"line": 2, "quantity": 2, "product": {"model": "Bracket"}}]},
        {"line": 2, "kit": {"name": "Swap kit"}, "shipsWith": {"line": 1}, "kitLines": []},
    ]  # fmt: skip


async def test_what_if_decides_with_the_kits_that_are_there(hub: Hub):
    seeded = await seed(hub.engine)
    policy = """
name: kits
rules:
  - {name: any, when: "true", hardware: replace, kit: swap}
sourcing: {courier: {transit: [{hours: 24}]}}
"""
    asked = {"productId": seeded.id("Product"), "siteId": seeded.id("Site")}
    query = """query ($draft: TicketDraftInput!, $policy: String!) { whatIf(draft: $draft, policy: $policy) {
      explanation { reason kit { name parts { product quantity } } losers { code text } } errors { message } } }"""

    one = (await hub.query(query, draft=asked, policy=policy))["whatIf"]
    two = (await hub.query(query, draft={**asked, "quantity": 2}, policy=policy))["whatIf"]

    assert one["errors"] == []
    assert one["explanation"]["kit"] == {
        "name": "Swap kit",
        "parts": [{"product": "Acme Bracket", "quantity": 2}],
    }
    assert (two["explanation"]["reason"], two["explanation"]["kit"]) == ("kit_incomplete", None)
    assert two["explanation"]["losers"] == [
        {"code": "kit_incomplete", "text": "lacks 4 × Acme Bracket of kit 'Swap kit'"}
    ]
