"""The process is killed around whatever tells the CMDB of a swap: each device is changed once, and none is missing."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import NOW, insert_row, make_asset, make_ticket
from tests.fulfilment.cmdb import TOKEN, Cmdb
from tests.fulfilment.killed_hub import SystemClock
from tests.fulfilment.scene import Scene, make_scene
from tests.journeys.killing import Hub, served

from connector.model.lifecycle import AssetState, ReservationState, ShipmentStatus
from connector.model.refs import EntityKind
from connector.storage import tables
from connector.storage.database.engine import transaction

POINTS = ["before plan", "after plan", "before record_swap", "after record_swap", "settled, not committed"]


async def under_way(scene: Scene, failed_id: int, number: int) -> tuple[int, int]:
    """A unit is on its way in place of a device, as a fulfilment leaves it; the ids of unit and parcel."""
    async with transaction(scene.database) as tx:
        what = {"product_id": scene.product_id}
        unit_id = await make_asset(tx, **what, state=AssetState.IN_TRANSIT)
        ticket_id = await make_ticket(
            tx, source_id=scene.source_id, number=f"T{number}", external_id=f"T{number}", asset_id=failed_id
        )
        claim = {
            **what, "ticket_id": ticket_id, "hub_id": scene.hub_id, "requested_product_id": scene.product_id,
            "asset_id": unit_id, "state": ReservationState.FULFILLED, "created_at": NOW, "updated_at": NOW,
        }  # fmt: skip
        reservation_id = await insert_row(tx, tables.reservation, claim)
        parcel = {
            "reservation_id": reservation_id, "ticket_id": ticket_id, "hub_id": scene.hub_id, "site_id": scene.site_id,
            "status": ShipmentStatus.IN_TRANSIT, "created_at": NOW, "updated_at": NOW,
        }  # fmt: skip
        return unit_id, await insert_row(tx, tables.shipment, parcel)


async def test_killed_around_a_swap_the_cmdb_is_told_once(engine: AsyncEngine, killable_hub: Callable[..., Hub]):
    cmdb = Cmdb(SystemClock())
    scene = await make_scene(engine, spares=0)
    async with transaction(engine) as tx:
        place = {"site_id": scene.site_id, "product_id": scene.product_id}
        failed = [scene.failed_id, *[await make_asset(tx, **place) for _ in POINTS[1:]]]
    await cmdb.knows(scene, others=failed[1:])
    units: dict[int, int] = {}
    points: list[str | None] = []

    async with served(cmdb.nautobot.app) as url:
        settings = {"base_url": url, "token": TOKEN, "write_back": True}
        sources = {"cmdb": {"adapter": "nautobot", "settings": settings}}
        hub = killable_hub(sources=sources, swaps=True)
        for number, (failed_id, point) in enumerate(zip(failed, POINTS, strict=True), start=1):
            units[failed_id], parcel_id = await under_way(scene, failed_id, number)
            status = {"status": ShipmentStatus.DELIVERED}
            await scene.change(tables.shipment, EntityKind.SHIPMENT, parcel_id, **status)
            points.append(await hub.run({"cmdb": len(POINTS) + 1}, kill_at=1, only=point))
        await hub.run({"cmdb": len(POINTS)})

    assert points == POINTS
    told = [row["changed_object_id"] for row in cmdb.nautobot.rows("extras.objectchange")]
    assert sorted(told) == sorted(cmdb.devices[failed_id] for failed_id in failed)
    for failed_id, unit_id in units.items():
        unit = await scene.row(tables.asset, id=unit_id)
        assert cmdb.device(failed_id)["serial"] == unit["serial"]
        assert (unit["state"], unit["site_id"]) == (AssetState.DEPLOYED, scene.site_id)
        assert await cmdb.stands_for(scene, failed_id) == unit_id
    assert await cmdb.pulled(scene) == 0
