from __future__ import annotations

from typing import Any

from sqlalchemy import select
from tests.ingest.conftest import Intake
from tests.ingest.records import gone, product, ref

from connector.sdk import KitRecord, ProductKey
from connector.storage import tables
from connector.storage.database.engine import reading

BRACKET = ProductKey(manufacturer="Acme", model="Rack bracket")
SEAL = ProductKey(manufacturer="Acme", model="Tamper seal")


def kit(external_id: str = "k1", **values: Any) -> KitRecord:
    defaults = {
        "name": "Switch swap kit", "product": ref("product", "p1"), "instructions": "Swap, then seal.",
        "components": [{"product": BRACKET, "quantity": 2}, {"product": SEAL}],
    }  # fmt: skip
    return KitRecord.model_validate({"ref": ref("kit", external_id), **defaults, **values})


async def catalogue(intake: Intake) -> None:
    await intake(product("p1"), product("b", key=BRACKET), product("s", key=SEAL))


async def components(intake: Intake) -> list[tuple[str, str, int]]:
    c = tables.kit_component.c
    statement = (
        select(tables.kit.c.name, tables.product.c.model, c.quantity)
        .join(tables.kit, tables.kit.c.id == c.kit_id)
        .join(tables.product, tables.product.c.id == c.product_id)
        .order_by(c.kit_id, c.id)
    )
    async with reading(intake.engine) as tx:
        return [(row[0], row[1], row[2]) for row in await tx.execute(statement)]


async def reasons(intake: Intake) -> list[tuple[str, str]]:
    return [(row["reason"], row["path"]) for row in await intake.quarantine()]


async def test_a_kit_has_its_device_its_components_and_its_instructions(intake: Intake):
    await catalogue(intake)

    await intake(kit())

    row = await intake.row("kit")
    assert (row["name"], row["instructions"], row["retired_at"]) == ("Switch swap kit", "Swap, then seal.", None)
    assert row["product_id"] == (await intake.rows("product"))[0]["id"]
    assert await components(intake) == [("Switch swap kit", "Rack bracket", 2), ("Switch swap kit", "Tamper seal", 1)]
    (change,) = await intake.changes("kit")
    assert [item["quantity"] for item in change["fields"]["components"][1]] == [2, 1]


async def test_a_kit_whose_components_change_has_the_new_ones_and_says_so(intake: Intake):
    await catalogue(intake)
    await intake(kit())

    applied = await intake(kit(components=[{"product": BRACKET, "quantity": 4}]))
    again = await intake(kit(components=[{"product": BRACKET, "quantity": 4}]))

    assert await components(intake) == [("Switch swap kit", "Rack bracket", 4)]
    assert (applied.updated, again.unchanged) == (1, 1)
    assert list((await intake.changes("kit"))[-1]["fields"]) == ["components"]


async def test_a_kit_waits_for_a_component_that_arrives_later(intake: Intake):
    await intake(product("p1"), product("b", key=BRACKET))

    await intake(kit())

    assert await intake.rows("kit") == []
    (entry,) = await intake.quarantine()
    assert (entry["waits_for"], entry["path"]) == ("product:acme/tamper seal", "/components/1/product")
    assert entry["reason"] == (
        "kit:k1 refers to Acme Tamper seal, which is not known yet. It is applied by itself when that arrives."
    )


async def test_a_kit_without_components_is_refused(intake: Intake):
    await catalogue(intake)

    await intake(kit(components=[]))

    assert await reasons(intake) == [
        (
            "kit 'Switch swap kit' has no components. Name what is packed with the device, or delete the kit.",
            "/components",
        )
    ]


async def test_a_component_that_is_stated_twice_is_refused_however_it_is_named(intake: Intake):
    await catalogue(intake)

    await intake(kit(components=[{"product": BRACKET}, {"product": ref("product", "b"), "quantity": 2}]))

    assert await reasons(intake) == [
        (
            "kit 'Switch swap kit' has the component product 'b', twice. State it once, with the quantity of both.",
            "/components/1/product",
        )
    ]


async def test_the_device_is_not_a_component_of_its_own_kit(intake: Intake):
    await catalogue(intake)

    await intake(kit(components=[{"product": ref("product", "p1")}]))

    assert await reasons(intake) == [
        (
            "kit 'Switch swap kit' has the component product 'p1', which is its device: a kit is what goes along with "
            "the device. Leave it out of the components.",
            "/components/0/product",
        )
    ]


async def test_a_device_has_one_swap_kit(intake: Intake):
    await catalogue(intake)
    await intake(kit())

    await intake(kit("k2", name="Other kit"))

    assert await reasons(intake) == [
        (
            "kit 'Other kit' is said to be the swap kit of product 'p1', which has the kit 'Switch swap kit' already. "
            "Name the device at one of them only.",
            "/product",
        )
    ]


async def test_a_device_can_change_its_kit_in_one_batch(intake: Intake):
    await catalogue(intake)
    await intake(kit())

    await intake(kit(product=None), kit("k2", name="Other kit"))

    first, second = await intake.rows("kit")
    assert (first["product_id"], second["name"]) == (None, "Other kit")
    assert second["product_id"] is not None
    assert await intake.quarantine() == []


async def test_a_kit_that_is_renamed_to_another_one_is_refused(intake: Intake):
    await catalogue(intake)
    await intake(kit(), kit("k2", name="Edge kit", product=None))

    await intake(kit("k2", name="Switch swap kit", product=None))

    assert await reasons(intake) == [
        (
            "kit 'Edge kit' is to be called 'Switch swap kit', as another kit is already. Choose another name.",
            "/name",
        )
    ]


async def test_a_kit_that_its_source_drops_is_retired_and_comes_back(intake: Intake):
    await catalogue(intake)
    await intake(kit())

    await intake(gone("kit", "k1"))
    retired = (await intake.row("kit"))["retired_at"]
    await intake(kit())

    assert retired is not None
    assert (await intake.row("kit"))["retired_at"] is None
    assert len(await components(intake)) == 2
