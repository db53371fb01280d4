"""Units that change hands: out of the hub, and in at the site. Steps of the caller's transaction."""

from __future__ import annotations

from datetime import datetime

from connector.model.errors import IllegalTransition
from connector.model.kinds import TaskKind
from connector.model.lifecycle import ASSET_MOVES, AssetState, ReservationState, ShipmentStatus, TaskState, require_move
from connector.model.refs import EntityKind
from connector.storage.database.engine import Transaction
from connector.storage.database.rows import locked_row, update_logged
from connector.storage.shipments.consignments import consignment, lock_reservation
from connector.storage.shipments.shipments import ShipmentRow, move_shipment, outbound_shipment
from connector.storage.stock.reserve import fulfil_reservation
from connector.storage.stock.stopping import stop_reason
from connector.storage.tables import asset
from connector.storage.tickets.tasks import move_task, unfinished_tasks

AT_THE_HUB = (ShipmentStatus.PENDING, ShipmentStatus.LABEL_CREATED)


async def leave_hub(
    tx: Transaction, reservation_id: int, *, actor: str, cause: str | None = None, at: datetime, was_seen: bool = False
) -> ShipmentRow | None:
    """The unit was handed over at the hub: off the hub's book, the asset and the parcel in transit, the task done.

    was_seen: the courier reports it, so that it is so even when the reservation is being withdrawn. Returns the
    parcel. Raises NotKnown, and IllegalTransition when the reservation is withdrawn or has ended.
    """
    state = await lock_reservation(tx, reservation_id)
    reason = await stop_reason(tx, reservation_id)
    if reason is not None and state is not ReservationState.FULFILLED and not was_seen:
        raise IllegalTransition(
            f"reservation {reservation_id} is being withdrawn ({reason}), so its unit must not leave the hub",
            hint="Put the unit back on its shelf.",
        )
    await fulfil_reservation(tx, reservation_id, actor=actor, cause=cause, at=at)
    for item in await unfinished_tasks(tx, reservation_id=reservation_id, kind=TaskKind.PICKUP):
        await move_task(tx, item.id, TaskState.DONE, actor=actor, cause=cause, at=at)
    shipment = await outbound_shipment(tx, reservation_id)
    if shipment is not None and shipment.status in AT_THE_HUB:
        await move_shipment(tx, shipment.id, ShipmentStatus.PICKED_UP, actor=actor, cause=cause, at=at)
    return await outbound_shipment(tx, reservation_id)


async def arrive_at_site(
    tx: Transaction, shipment: ShipmentRow, *, actor: str, cause: str | None = None, at: datetime
) -> int | None:
    """The parcel was taken in at its site: delivered, its units deployed there. Returns the device's id, if any.

    Raises IllegalTransition when the parcel or the asset cannot come to that from where they are.
    """
    asset_id: int | None = None
    along: list[int] = []
    if shipment.reservation_id is not None:
        await leave_hub(tx, shipment.reservation_id, actor=actor, cause=cause, at=at, was_seen=True)
        goods = await consignment(tx, shipment.reservation_id)
        asset_id = goods.goods.asset_id
        along = [line.asset_id for line in goods.kit if line.asset_id is not None]
    if shipment.status is not ShipmentStatus.DELIVERED:
        await move_shipment(tx, shipment.id, ShipmentStatus.DELIVERED, actor=actor, cause=cause, at=at)
    for unit in sorted([*along, *([asset_id] if asset_id is not None else [])]):
        row = await locked_row(tx, asset, EntityKind.ASSET, unit)
        what = f"asset {row['serial'] or row['asset_tag'] or unit!r}"
        require_move(ASSET_MOVES, row["state"], AssetState.DEPLOYED, what=what)
        values = {"state": AssetState.DEPLOYED, "site_id": shipment.site_id, "hub_id": None}
        await update_logged(tx, asset, EntityKind.ASSET, unit, values, actor=actor, cause=cause, at=at)
    if shipment.reservation_id is not None:
        items = await unfinished_tasks(tx, shipment_id=shipment.id, key_prefixes=["bring-back:", "shipment:"])
        for item in items:
            await move_task(tx, item.id, TaskState.CANCELLED, actor=actor, cause="it was received", at=at)
    return asset_id
