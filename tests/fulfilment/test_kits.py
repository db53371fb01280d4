"""A kit from the ticket to the site: one parcel, one pickup task, everything in it deployed or given back."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.factories import NOW, insert_row, make_counted_stock, make_product, make_spares
from tests.fulfilment.scene import Scene, make_scene
from tests.fulfilment.world import World

from connector.fulfilment.parcels import parcel_of
from connector.model.lifecycle import AssetState, ReservationState, TaskState
from connector.model.refs import EntityKind
from connector.rules.policy.reading import read_policy
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.shipments.consignments import consignment

POLICY = read_policy("""
name: kits
rules:
  - {name: any, when: "true", hardware: replace, kit: swap}
sourcing: {courier: {transit: [{hours: 24}]}}
""")


async def make_kit_scene(database: AsyncEngine, *, adapters: int = 1) -> Scene:
    """A switch whose kit has two brackets and a serial adapter; the hub has brackets for one kit."""
    scene = await make_scene(database)
    async with transaction(database) as tx:
        bracket = (await tx.execute(tables.product.select().where(tables.product.c.model == "Bracket"))).one()
        await tx.execute(update(tables.product).where(tables.product.c.id == bracket.id).values(weight_g=150))
        await make_counted_stock(tx, hub_id=scene.hub_id, product_id=bracket.id, on_hand=2)
        adapter = await make_product(tx, model="Adapter", part_number="AD-1", weight_g=90)
        await make_spares(tx, hub_id=scene.hub_id, product_id=adapter, count=adapters)
        kit = (await tx.execute(tables.kit.select())).one()
        await tx.execute(update(tables.kit).values(instructions="Label both cables."))
        await insert_row(tx, tables.kit_component, {"kit_id": kit.id, "product_id": adapter, "quantity": 1})
    return scene


async def states(scene: Scene) -> Counter[ReservationState]:
    return Counter(row["state"] for row in await scene.rows(tables.reservation))


async def test_a_kit_is_one_parcel_with_one_task_that_lists_everything(engine: AsyncEngine, launch: Any, world: World):
    scene = await make_kit_scene(engine)
    hub = await launch(policy=POLICY)

    await scene.open_ticket()
    await scene.finished(1)

    assert await states(scene) == {ReservationState.COMMITTED: 3}
    device, *_ = await scene.rows(tables.reservation)
    assert world.bought() == ["TRK0001"]
    assert len(world.notes) == 1
    task = await scene.row(tables.task)
    adapter = await scene.row(tables.asset, id=(await scene.rows(tables.reservation))[2]["asset_id"])
    assert [(item["product"], item["quantity"], item["serial"]) for item in task["packing_list"][1:]] == [
        ("Acme Bracket", 2, None),
        ("Acme Adapter", 1, adapter["serial"]),
    ]
    assert task["instructions"].endswith("\nLabel both cables.")
    async with reading(engine) as tx:
        parcel = parcel_of(await consignment(tx, device["id"]), default_weight_g=1_000)
    assert (parcel.weight_g, parcel.length_mm) == (4_500 + 2 * 150 + 90, None)
    assert parcel.description == "Acme SW-48 with kit"

    await hub.commands.confirm_pickup(task["id"], key="p1", actor="ada")
    shipment = await scene.row(tables.shipment)
    await hub.commands.receive(shipment["id"], key="r1", actor="bob")

    assert await states(scene) == {ReservationState.FULFILLED: 3}
    deployed = await scene.rows(tables.asset, state=AssetState.DEPLOYED)
    assert {adapter["id"], device["asset_id"]} <= {row["id"] for row in deployed}
    assert {row["site_id"] for row in deployed} == {scene.site_id}


async def test_a_ticket_that_is_over_gives_the_whole_kit_back(engine: AsyncEngine, launch: Any, world: World):
    scene = await make_kit_scene(engine)
    await launch(policy=POLICY)
    ticket_id = await scene.open_ticket()
    await scene.finished(1)

    await scene.change(tables.ticket, EntityKind.TICKET, ticket_id, state="cancelled")
    await scene.undone(1)

    assert await states(scene) == {ReservationState.RELEASED: 3}
    assert {row["reserved"] for row in await scene.rows(tables.stock)} == {0}
    assert (await scene.row(tables.task))["state"] is TaskState.CANCELLED
    assert len(world.told("4711")) == 2  # that it comes, and that it does not


async def test_a_ticket_that_waits_for_a_component_is_served_when_that_comes(
    engine: AsyncEngine, launch: Any, world: World
):
    scene = await make_kit_scene(engine, adapters=0)
    await launch(policy=POLICY)
    await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.task))
    assert "lacks 1 × Acme Adapter of kit 'swap'" in (await scene.row(tables.task))["instructions"]
    adapter = await scene.row(tables.product, model="Adapter")
    book = await scene.row(tables.stock, product_id=adapter["id"])
    async with transaction(engine) as tx:
        unit = {"hub_id": scene.hub_id, "product_id": adapter["id"], "state": "in_stock", "lane": "normal"}
        await insert_row(tx, tables.asset, {**unit, "serial": "AD-9", "created_at": NOW, "updated_at": NOW})

    await scene.change(tables.stock, EntityKind.STOCK, book["id"], on_hand=1)
    await scene.finished(1)

    assert await states(scene) == {ReservationState.COMMITTED: 3}
