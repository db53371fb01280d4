from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import make_service_class
from tests.ingest.conftest import Intake
from tests.ingest.records import asset, gone, hub, product, ref, site

from connector.model.kinds import Tracking
from connector.sdk import CompatibilityRecord, Point, ProductKey
from connector.storage.database.engine import transaction

OTHER = ProductKey(manufacturer="Cisco", model="C9300-24P")


def substitute(external_id: str = "x1", **values: object) -> CompatibilityRecord:
    defaults = {"product": ref("product", "p1"), "substitute": ref("product", "p2")}
    return CompatibilityRecord.model_validate({"ref": ref("compatibility", external_id), **defaults, **values})


async def test_one_product_written_in_two_ways_is_one(intake: Intake):
    await intake(product("p1", key=ProductKey(manufacturer="Cisco", model="C9300-48P"), unit_cost_cents=900))
    await intake(
        product("9", key=ProductKey(manufacturer="Cisco Systems, Inc.", model="cisco c9300 48P"), weight_g=7000),
        source="erp",
    )

    row = await intake.row("product")
    assert (row["manufacturer"], row["model"], row["model_key"]) == ("Cisco", "C9300-48P", "c9300 48p")
    assert (row["unit_cost_cents"], row["weight_g"]) == (900, 7000)


async def test_two_references_of_one_batch_to_one_product_are_one_product(intake: Intake):
    await intake(product("p1"), product("p2"))

    row = await intake.row("product")
    assert [r["entity_id"] for r in await intake.refs()] == [row["id"], row["id"]]


async def test_a_sku_that_belongs_to_another_product_is_refused(intake: Intake):
    await intake(product("p1", sku="S-1"), product("p2", key=OTHER, sku="S-2"))
    first = (await intake.rows("product"))[0]["id"]
    second = (await intake.rows("product"))[1]["id"]

    await intake(product("p2", v=2, key=OTHER, sku="S-1"))

    (entry,) = await intake.quarantine()
    assert entry["reason"] == (
        f"product Cisco C9300-24P (SKU 'S-1') is known as two: Cisco C9300-24P (id {second}) and "
        f"Cisco C9300-48P (id {first}). Correct its name or its SKU in one of the sources."
    )
    assert entry["path"] == "/sku"
    assert [row["sku"] for row in await intake.rows("product")] == ["S-1", "S-2"]


async def test_a_device_brings_its_product_into_the_catalogue(intake: Intake):
    await intake(site(), asset(product=OTHER))

    row = await intake.row("product")
    assert (row["manufacturer"], row["model"], row["tracking"]) == ("Cisco", "C9300-24P", Tracking.SERIALISED)
    assert (await intake.changes("product"))[0]["operation"] == "created"


async def test_a_part_number_finds_the_product_that_a_name_does_not(intake: Intake):
    await intake(site(), product(key=ProductKey(manufacturer="Cisco", model="Catalyst 9300", part_number="C93-X")))
    await intake(asset(product=ProductKey(manufacturer="Cisco", model="C9300", part_number="C93-X")))

    assert (await intake.row("asset"))["product_id"] == (await intake.row("product"))["id"]


async def test_a_substitute_needs_both_products(intake: Intake):
    await intake(product("p1"))
    await intake(substitute())

    (entry,) = await intake.quarantine()
    assert (entry["waits_for"], entry["path"]) == ("product:p2", "/substitute")
    assert await intake.rows("compatibility") == []


async def test_a_pair_is_one_row_whoever_names_it(intake: Intake):
    await intake(product("p1"), product("p2", key=OTHER), substitute(preference=2))
    await intake(substitute("x2", preference=5, condition="ticket.priority == 'P1'"))

    row = await intake.row("compatibility")
    assert (row["preference"], row["condition"]) == (5, "ticket.priority == 'P1'")


async def test_a_product_is_not_its_own_substitute(intake: Intake):
    await intake(product("p1"), substitute(substitute=ref("product", "p1")))

    assert (await intake.quarantine())[0]["reason"] == (
        "product 'p1' is named as its own substitute. Name another product."
    )


async def test_a_substitute_that_its_source_drops_is_retired(intake: Intake):
    await intake(product("p1"), product("p2", key=OTHER), substitute())

    await intake(gone("compatibility", "x1"))

    assert (await intake.row("compatibility"))["retired_at"] == intake.clock.now()


async def test_a_hub_is_known_by_its_code_whichever_source_names_it(intake: Intake):
    await intake(hub("h1", code="BER", name="Berlin"))
    await intake(hub("99", code="BER", name="Berlin depot", handling_minutes=15), source="erp")

    row = await intake.row("hub")
    assert (row["name"], row["handling_minutes"]) == ("Berlin depot", 15)


async def test_a_code_that_another_hub_has_is_refused(intake: Intake):
    await intake(hub("h1", code="BER", name="Berlin"), hub("h2", code="HAM", name="Hamburg"))

    await intake(hub("h2", v=2, code="BER", name="Hamburg"))

    assert (await intake.quarantine())[0]["reason"] == (
        f"hub 'Hamburg' has the code 'BER', which hub 'Berlin' (id {(await intake.rows('hub'))[0]['id']}) has already. "
        "Correct the code in one of them."
    )


async def test_a_location_that_is_a_hub_completes_it_and_holds_stock(intake: Intake):
    await intake(hub("ber", code="BER", name="Berlin"), source="file")

    applied = await intake(
        site("loc-7", name="Berlin", code="BER", point=Point(52.4, 13.5)), asset(place=ref("site", "loc-7"), state=None)
    )
    again = await intake(site("loc-7", name="Berlin", code="BER", point=Point(52.4, 13.5)))

    assert await intake.rows("site") == []
    row = await intake.row("hub")
    assert (row["latitude"], row["tier"].value) == (52.4, "regional")
    assert (await intake.row("asset"))["hub_id"] == row["id"]
    assert (applied.quarantined, again.unchanged) == (0, 1)


async def test_a_site_of_an_unknown_service_class_is_kept_without_it_and_says_so(intake: Intake, engine: AsyncEngine):
    record = site(service_class="gold")
    await intake(record)
    assert (await intake.quarantine())[0]["reason"] == (
        "site 'Site s1' has the service class 'gold', which the hub does not have. "
        "The site is kept without one; define the class and replay this record."
    )
    async with transaction(engine) as tx:
        gold = await make_service_class(tx, "gold")

    await intake(record)

    assert (await intake.row("site"))["service_class_id"] == gold
    assert await intake.quarantine() == []


async def test_sites_of_two_sources_are_one_by_code(intake: Intake):
    await intake(site("s1", code="HQ", name="Headquarters"))
    await intake(site("77", code="HQ", name="HQ building", access_hours="24x7"), source="itsm")

    row = await intake.row("site")
    assert (row["name"], row["access_hours"]) == ("HQ building", "24x7")
