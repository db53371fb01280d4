from __future__ import annotations

import random
from typing import Any

import pytest
from sqlalchemy import event, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import NOW
from tests.ingest.conftest import Intake
from tests.ingest.records import SWITCH, asset, count, gone, hub, product, ref, site, ticket

from connector.ingest.replay import replay_arrived_in
from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.kinds import AliasKind
from connector.model.lifecycle import AssetState
from connector.model.refs import EntityKind
from connector.sdk import CompatibilityRecord, KitComponent, KitRecord, Point, ProductKey
from connector.storage import tables
from connector.storage.aliases.kept import add_alias, remove_alias
from connector.storage.aliases.lookup import names_of_products, own_makers
from connector.storage.aliases.rows import Added, NewAlias
from connector.storage.database.engine import transaction
from connector.storage.sources.sources import source_ids

OTHER_NAME = ProductKey(manufacturer="Cisco Systems", model="Catalyst 9300 48-port")
ROUTER = ProductKey(manufacturer="Cisco", model="ISR4331")


async def add(intake: Intake, *, move: bool = False, **values: Any) -> Added:
    async with transaction(intake.engine) as tx:
        return await add_alias(tx, NewAlias(**values), move_references=move, by="anna", at=intake.clock.now())


async def model_alias(intake: Intake, product_id: int, *, key: ProductKey = OTHER_NAME, **values: Any) -> Added:
    given = {"kind": AliasKind.MODEL, "name": key.model, "manufacturer": key.manufacturer, "product_id": product_id}
    return await add(intake, **given, **values)


async def maker_alias(intake: Intake, name: str, stands_for: str, **values: Any) -> Added:
    return await add(intake, kind=AliasKind.MANUFACTURER, name=name, manufacturer=stands_for, **values)


async def site_alias(intake: Intake, name: str, **values: Any) -> Added:
    return await add(intake, kind=AliasKind.SITE, name=name, **values)


async def test_a_model_that_has_an_alias_is_the_product_that_it_stands_for(intake: Intake):
    await intake(product("p1"))
    known = (await intake.row("product"))["id"]
    await model_alias(intake, known)

    await intake(asset(product=OTHER_NAME, place=None), ticket(product=OTHER_NAME), source="itsm")

    assert [row["id"] for row in await intake.rows("product")] == [known]
    assert ((await intake.row("asset"))["product_id"], (await intake.row("ticket"))["product_id"]) == (known, known)


async def test_a_record_that_calls_a_product_by_an_alias_completes_it_and_does_not_rename_it(intake: Intake):
    await intake(product("p1"))
    await model_alias(intake, (await intake.row("product"))["id"])

    await intake(product("9", key=OTHER_NAME, weight_g=7000), source="erp")
    await intake(product("9", v=2, key=OTHER_NAME, weight_g=7100), source="erp")

    row = await intake.row("product")
    assert (row["manufacturer"], row["model"], row["model_key"], row["weight_g"]) == (
        "Cisco", "C9300-48P", "c9300 48p", 7100,
    )  # fmt: skip


async def test_a_part_number_may_be_an_alias(intake: Intake):
    await intake(site(), product("p1"))
    known = (await intake.row("product"))["id"]
    await model_alias(intake, known, key=ProductKey(manufacturer="Cisco", model="C9300-48P-A"))

    await intake(asset(product=ProductKey(manufacturer="Cisco", model="Access switch", part_number="c9300 48p a")))

    assert (await intake.row("asset"))["product_id"] == known


async def test_an_alias_of_a_manufacturer_goes_above_what_is_shipped_and_takes_its_products_along(intake: Intake):
    emc, dell = (
        ProductKey(manufacturer="Dell EMC", model="Unity 480"), ProductKey(manufacturer="Dell", model="R750"),
    )  # fmt: skip
    await intake(site(), product("p1", key=emc), product("p2", key=dell))
    assert [row["manufacturer_key"] for row in await intake.rows("product")] == ["dell", "dell"]

    added = await maker_alias(intake, "Dell EMC", "EMC Corporation")
    await intake(asset(product=ProductKey(manufacturer="EMC", model="EMC Unity 480")))

    assert added.renamed == 1
    assert [row["manufacturer_key"] for row in await intake.rows("product")] == ["emc", "dell"]
    assert (await intake.row("asset"))["product_id"] == (await intake.rows("product"))[0]["id"]

    async with transaction(intake.engine) as tx:
        await remove_alias(tx, added.id, by="anna", reason="sold", at=intake.clock.now())
    assert [row["manufacturer_key"] for row in await intake.rows("product")] == ["dell", "dell"]
    assert [(c["operation"], c["actor"], c["cause"]) for c in await intake.changes("name_alias")] == [
        ("created", "anna", None), ("deleted", "anna", "sold"),
    ]  # fmt: skip


async def test_a_name_of_a_site_stands_for_it_in_one_source_or_in_all(intake: Intake):
    await intake(site("s1", name="Berlin, Hauptstrasse", code="BER-1"), ticket(), source="cmdb")
    known = (await intake.row("site"))["id"]
    async with transaction(intake.engine) as tx:
        itsm = (await source_ids(tx))["cmdb"]
    await site_alias(intake, "HQ", site_id=known, source_id=itsm)
    await site_alias(intake, "Berlin (old building)", site_id=known)

    await intake(ticket("2", site_name="hq"), ticket("3", site_name="BERLIN old-building"), source="cmdb")
    await intake(ticket("4", site_name="HQ"), site("77", name="Berlin old building"), source="itsm")

    assert [row["site_id"] for row in await intake.rows("ticket")] == [None, known, known, None]
    row = await intake.row("site")
    assert (row["name"], row["code"]) == ("Berlin, Hauptstrasse", "BER-1")


async def test_a_source_that_has_one_site_twice_has_one_site_when_an_alias_says_so(intake: Intake):
    await intake(site("s1", name="Berlin"))
    known = (await intake.row("site"))["id"]
    await site_alias(intake, "Berlin 2", site_id=known)

    await intake(site("s2", name="Berlin 2"), asset(place=ref("site", "s2")))

    assert [row["id"] for row in await intake.rows("site")] == [known]
    assert (await intake.row("asset"))["site_id"] == known


async def test_a_location_may_be_an_alias_of_a_hub(intake: Intake):
    await intake(hub("ber", code="BER", name="Berlin depot"), source="file")
    known = (await intake.row("hub"))["id"]
    await site_alias(intake, "Lager Berlin", hub_id=known)

    await intake(site("loc-7", name="Lager Berlin", point=Point(52.4, 13.5)), asset(place=ref("site", "loc-7")))

    assert await intake.rows("site") == []
    assert (await intake.row("asset"))["hub_id"] == known
    assert (await intake.row("hub"))["name"] == "Berlin depot"


async def test_tickets_and_records_that_waited_for_a_name_have_it(intake: Intake):
    await intake(site(), product("p1"), ticket(product=OTHER_NAME, site_name="Main office"))
    pair = CompatibilityRecord(ref=ref("compatibility", "x1"), product=OTHER_NAME, substitute=ROUTER)
    await intake(product("p2", key=ROUTER), pair)
    assert [entry["waits_for"] for entry in await intake.quarantine()] == ["product:cisco/catalyst 9300 48 port"]
    known = (await intake.rows("product"))[0]["id"]

    linked = [await model_alias(intake, known),
              await site_alias(intake, "MAIN OFFICE", site_id=(await intake.row("site"))["id"])]  # fmt: skip
    async with transaction(intake.engine) as tx:
        source_id = (await source_ids(tx))["cmdb"]
        await replay_arrived_in(tx, source_id, actor="test", clock=intake.clock)

    row = await intake.row("ticket")
    assert [added.linked for added in linked] == [1, 1]
    assert (row["product_id"], row["product_hint"], row["site_hint"]) == (known, None, None)
    assert (await intake.row("compatibility"))["product_id"] == known
    assert await intake.quarantine() == []


async def test_a_double_is_told_with_what_hangs_on_it_and_its_source_goes_on(intake: Intake):
    await intake(site(), product("p1"), product("p2", key=OTHER_NAME), asset("a1", product=OTHER_NAME))
    first, second = (row["id"] for row in await intake.rows("product"))

    added = await model_alias(intake, first)
    await intake(product("p2", v=2, key=OTHER_NAME, weight_g=5000))

    (double,) = added.doubles
    assert (double.id, double.name, double.hangs) == (second, "Cisco Systems Catalyst 9300 48-port", {"assets": 1})
    assert added.moved == {}
    assert [row["weight_g"] for row in await intake.rows("product")] == [None, 5000]
    assert await intake.quarantine() == []


async def test_what_hangs_on_a_double_moves_along_when_that_is_asked_for(intake: Intake):
    pair = CompatibilityRecord(ref=ref("compatibility", "x1"), product=ROUTER, substitute=OTHER_NAME)
    same = CompatibilityRecord(ref=ref("compatibility", "x2"), product=ROUTER, substitute=SWITCH)
    kit = KitRecord(
        ref=ref("kit", "k1"), name="Swap", product=ROUTER,
        components=(KitComponent(product=OTHER_NAME, quantity=2), KitComponent(product=SWITCH, quantity=1)),
    )  # fmt: skip
    on_shelf = {"place": ref("hub", "h1"), "state": AssetState.IN_STOCK}
    await intake(
        hub(), product("p1"), product("p2", key=OTHER_NAME, sku="S-2"), product("p3", key=ROUTER), pair, same, kit,
        asset("a1", **on_shelf), asset("a2", product=OTHER_NAME, **on_shelf), ticket(product=OTHER_NAME),
    )  # fmt: skip
    first, second, _ = (row["id"] for row in await intake.rows("product"))

    added = await model_alias(intake, first, move=True)

    assert added.moved == {"assets": 1, "stock": 1, "tickets": 1, "kits": 1, "compatibilities": 1}
    rows = {row["id"]: row for row in await intake.rows("product")}
    assert (rows[first]["sku"], rows[second]["sku"], rows[second]["retired_at"]) == ("S-2", None, intake.clock.now())
    assert [row["product_id"] for row in await intake.rows("asset")] == [first, first]
    assert {(row["product_id"], row["on_hand"]) for row in await intake.rows("stock")} == {(first, 2), (second, 0)}
    assert [(row["substitute_id"], row["retired_at"] is None) for row in await intake.rows("compatibility")] == [
        (second, False), (first, True),
    ]  # fmt: skip
    async with transaction(intake.engine) as tx:
        c = tables.kit_component.c
        assert [tuple(row) for row in await tx.execute(select(c.product_id, c.quantity))] == [(first, 3)]
    moved = [c for c in await intake.changes("asset") if c["operation"] == "updated"]
    assert [(c["fields"], c["actor"]) for c in moved] == [({"product_id": [second, first]}, "anna")]

    await intake(product("p2", v=2, key=OTHER_NAME, sku="S-2", weight_g=5000))
    assert [row["weight_g"] for row in await intake.rows("product")] == [5000, None, None]
    assert await intake.quarantine() == []


async def test_what_sources_stated_of_a_double_holds_of_the_product_that_stays(intake: Intake):
    await intake(site(), product("p1"), product("p2", key=OTHER_NAME), asset("a1", product=OTHER_NAME))
    await intake(asset("77", serial="SN-A1", asset_tag="TAG-A1", product=OTHER_NAME, place=None), source="erp")
    first = (await intake.rows("product"))[0]["id"]

    await model_alias(intake, first, move=True)
    await intake(gone("asset", "a1"), gone("product", "p1"))

    assert ((await intake.row("asset"))["product_id"], (await intake.row("asset"))["retired_at"]) == (first, None)
    refs = await intake.refs()
    assert {row["entity_id"] for row in refs if row["kind"] is EntityKind.PRODUCT} == {first}
    assert [row["stated"]["product"][0] for row in refs if row["external_id"] == "77"] == [[first]]


async def test_what_is_promised_or_counted_is_not_moved(intake: Intake):
    await intake(hub(), product("p1"), product("p2", key=OTHER_NAME), ticket(), count(product=OTHER_NAME))
    first, second = (row["id"] for row in await intake.rows("product"))
    stock, about = await intake.row("stock"), await intake.row("ticket")
    values = {
        "ticket_id": about["id"], "line": 1, "product_id": second, "requested_product_id": second, "quantity": 1,
        "hub_id": stock["hub_id"], "lane": "normal", "state": "held", "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    async with transaction(intake.engine) as tx:
        await tx.execute(insert(tables.reservation).values(**values))

    with pytest.raises(IllegalTransition) as refused:
        await model_alias(intake, first, move=True)

    assert refused.value.message == (
        f"what hangs on Cisco Systems Catalyst 9300 48-port (id {second}) cannot be moved to Cisco C9300-48P "
        f"(id {first}): 1 live reservation of it; 5 units of it are counted on 1 shelf: "
        "count them as the other's, and 0 here"
    )
    assert [row["retired_at"] for row in await intake.rows("product")] == [None, None]
    assert await intake.changes("name_alias") == []


async def test_an_alias_of_an_alias_and_a_circle_are_refused(intake: Intake):
    await intake(site("s1", name="Berlin"), site("s2", name="Hamburg"), product("p1"), product("p2", key=ROUTER))
    first, second = (row["id"] for row in await intake.rows("product"))
    berlin, hamburg = (row["id"] for row in await intake.rows("site"))
    await maker_alias(intake, "Cisko", "Cisco")
    await model_alias(intake, first, key=ProductKey(manufacturer="Cisco", model="Cat 9300"))
    await site_alias(intake, "Kreuzberg", site_id=berlin)

    async def refused(adding: Any) -> str:
        with pytest.raises(InvalidInput) as error:
            await adding
        return str(error.value)

    assert await refused(maker_alias(intake, "Sisco", "Cisko")) == (
        "'Cisko' is itself an alias, of 'cisco': an alias of an alias is none. Give 'cisco' as what 'Sisco' stands for."
    )
    assert await refused(maker_alias(intake, "Cisco", "Sisco")) == (
        "'Cisco' is what 'cisko' stand for: an alias of an alias is none. Remove these and add them for 'Sisco'."
    )
    assert await refused(maker_alias(intake, "Cisco", "Cisko")) == (
        "'Cisko' is itself an alias, of 'cisco': an alias of an alias is none. It would lead in a circle."
    )
    assert await refused(model_alias(intake, second, key=SWITCH)) == (
        f"Cisco C9300-48P (id {first}) is what 'Cat 9300' stand for: an alias of an alias is none. "
        "Move what hangs on it along (moveReferences), or remove these first."
    )
    await model_alias(intake, first, key=ROUTER)
    assert await refused(model_alias(intake, second, key=ProductKey(manufacturer="Cisco", model="ISR"))) == (
        f"Cisco ISR4331 (id {second}) is itself an alias, of product {first}: an alias of an alias is none. "
        "Add the name for that product."
    )
    assert await refused(site_alias(intake, "Berlin", site_id=hamburg)) == (
        f"site 'Berlin' (id {berlin}) is what 'Kreuzberg' stand for: an alias of an alias is none. "
        "Remove these and add them for the other."
    )
    await site_alias(intake, "Hamburg", site_id=berlin)
    assert await refused(site_alias(intake, "Altona", site_id=hamburg)) == (
        f"'Hamburg', as site {hamburg} is called, is itself an alias, of site {berlin}: an alias of an alias is none. "
        f"Add 'Altona' for site {berlin}."
    )


async def test_a_name_stands_for_one_thing(intake: Intake):
    await intake(site("s1"), site("s2"))
    first, second = (row["id"] for row in await intake.rows("site"))
    added = await site_alias(intake, "HQ", site_id=first)

    again = await site_alias(intake, "hq", site_id=first)
    with pytest.raises(IllegalTransition, match=f"'HQ' stands for site {first} already"):
        await site_alias(intake, "HQ", site_id=second)

    assert (again.id, again.is_new) == (added.id, False)


async def test_aliases_cost_no_statement(intake: Intake, engine: AsyncEngine):
    await intake(site(), product("p1"))
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        statements.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    await intake(asset("a1"), ticket("1", site_name="Site s1"))
    without = len(statements)
    await model_alias(intake, (await intake.row("product"))["id"])
    await site_alias(intake, "HQ", site_id=(await intake.row("site"))["id"])
    statements.clear()
    await intake(asset("a2", product=OTHER_NAME), ticket("2", site_name="HQ"))

    assert len(statements) == without
    assert sum("name_alias" in statement for statement in statements) == 2  # one of products, one of places


@pytest.mark.parametrize("seed", range(3))
async def test_to_look_a_name_up_again_changes_nothing_whatever_was_added_in_whichever_order(intake: Intake, seed: int):
    drawn = random.Random(seed)  # noqa: S311
    names = ["HP", "HPE", "Hewlett-Packard", "Hewlett Packard Enterprise", "H P", "Compaq", "3Com", "Aruba Networks"]
    keys = [ProductKey(manufacturer=drawn.choice(names), model=f"M {n}") for n in range(5)]
    await intake(*(product(f"p{n}", key=key) for n, key in enumerate(keys)))
    ids = [row["id"] for row in await intake.rows("product")]
    for _ in range(14):
        try:
            if drawn.random() < 0.6:
                await maker_alias(intake, drawn.choice(names), drawn.choice(names), move=drawn.random() < 0.3)
            else:
                key = ProductKey(manufacturer=drawn.choice(names), model=f"M {drawn.randrange(7)}")
                await model_alias(intake, drawn.choice(ids), key=key, move=drawn.random() < 0.3)
        except (InvalidInput, IllegalTransition):
            continue

    asked = [ProductKey(manufacturer=name, model=f"M {n}") for name in names for n in range(7)]
    shuffled = drawn.sample(asked, len(asked))
    async with transaction(intake.engine) as tx:
        makers = await own_makers(tx)
        at_once, otherwise = await names_of_products(tx, asked), await names_of_products(tx, shuffled)
        alone = {key: await names_of_products(tx, [key]) for key in asked[::5]}
        products = {row["id"]: row for row in await intake.rows("product")}
    assert not makers.own.keys() & set(makers.own.values())
    assert [makers.key_of(makers.key_of(name)) for name in names] == [makers.key_of(name) for name in names]
    assert {key: at_once.by_key(at_once.key_of(key)) for key in asked} == {
        key: otherwise.by_key(otherwise.key_of(key)) for key in asked
    }
    assert {key: found.by_key(found.key_of(key)) for key, found in alone.items()} == {
        key: at_once.by_key(at_once.key_of(key)) for key in alone
    }
    for key in asked:  # what a name leads to is not led on by what that is called
        found = at_once.by_key(at_once.key_of(key))
        if found is not None:
            own_name = (products[found]["manufacturer_key"], products[found]["model_key"])
            assert at_once.aliases.get(own_name, found) == found
    assert EntityKind.NAME_ALIAS in {c["kind"] for c in await intake.changes()}
