"""Units that change hands: out of the hub, and in at the site or at another hub. Steps of the caller's transaction."""

from __future__ import annotations

from datetime import datetime

from connector.fulfilment.rmas import call_off
from connector.fulfilment.wording import packing_list
from connector.model.errors import IllegalTransition
from connector.model.kinds import Lane, TaskKind, Tracking
from connector.model.lifecycle import ASSET_MOVES, AssetState, ReservationState, ShipmentStatus, TaskState, require_move
from connector.model.refs import EntityKind
from connector.storage.database.engine import Transaction
from connector.storage.database.rows import locked_row, update_logged
from connector.storage.shipments.consignments import Consignment, consignment, lock_reservation
from connector.storage.shipments.shipments import ShipmentRow, move_shipment, outbound_shipment
from connector.storage.stock.book import Shelf
from connector.storage.stock.goods_in import take_back, take_into_stock
from connector.storage.stock.reserve import fulfil_reservation
from connector.storage.stock.stopping import stop_reason
from connector.storage.tables import asset
from connector.storage.tables import shipment as parcels
from connector.storage.tickets.rmas import open_rma_of_device
from connector.storage.tickets.tasks import NewTask, move_task, unfinished_tasks

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


async def take_in(
    tx: Transaction, shipment: ShipmentRow, *, actor: str, cause: str | None = None, at: datetime
) -> int | None:
    """A parcel is taken in where it goes: at its site, or at the hub whose shelf it fills up. The device's id, if any.

    A transfer that was returned is taken in at the hub that it left. Raises IllegalTransition for another parcel that
    was returned, or one that was cancelled.
    """
    is_transfer = shipment.to_hub_id is not None
    if shipment.status is ShipmentStatus.CANCELLED or (shipment.status is ShipmentStatus.RETURNED and not is_transfer):
        raise IllegalTransition(f"{shipment.name} was {shipment.status.value}: it cannot be received")
    arrive = arrive_at_hub if is_transfer else arrive_at_site
    return await arrive(tx, shipment, actor=actor, cause=cause, at=at)


async def arrive_at_hub(
    tx: Transaction, shipment: ShipmentRow, *, actor: str, cause: str | None = None, at: datetime
) -> int | None:
    """The units of a transfer are put on the shelf that they were to fill up; of a returned one, on that they left.

    Returns the first device's id, if any; nothing happens when they were taken in before. Raises NotKnown, and
    IllegalTransition when the parcel or a unit cannot come to that from where they are.
    """
    if shipment.reservation_id is None or shipment.to_hub_id is None or shipment.received_at is not None:
        return None
    is_back = shipment.status is ShipmentStatus.RETURNED
    await leave_hub(tx, shipment.reservation_id, actor=actor, cause=cause, at=at, was_seen=True)
    goods = await consignment(tx, shipment.reservation_id)
    hub_id, lane = (goods.hub.id, Lane.NORMAL) if is_back else (shipment.to_hub_id, goods.to_lane)
    shelf, why = Shelf(hub_id, goods.goods.product_id, lane), cause or shipment.name
    units = [goods.goods.asset_id, *(line.asset_id for line in goods.kit)]
    for unit in sorted(unit for unit in units if unit is not None):
        await take_back(tx, unit, shelf, is_usable=True, actor=actor, cause=why, at=at)
    if goods.goods.asset_id is None:
        await take_into_stock(tx, shelf, goods.goods.quantity, (), Tracking.COUNTED, actor=actor, cause=why, at=at)
    if not is_back and shipment.status is not ShipmentStatus.DELIVERED:
        await move_shipment(tx, shipment.id, ShipmentStatus.DELIVERED, actor=actor, cause=cause, at=at)
    values = {"received_at": at}
    await update_logged(tx, parcels, EntityKind.SHIPMENT, shipment.id, values, actor=actor, cause=cause, at=at)
    for item in await unfinished_tasks(tx, shipment_id=shipment.id, key_prefixes=["receive:", "shipment:"]):
        await move_task(tx, item.id, TaskState.DONE, actor=actor, cause="it was received", at=at)
    return goods.goods.asset_id


def receiving_task(shipment: ShipmentRow, goods: Consignment) -> NewTask:
    """The task to take in what another hub has sent, or what has come back."""
    is_back = shipment.status is ShipmentStatus.RETURNED
    there = goods.hub if is_back else goods.destination or goods.hub
    from_where = "It has come back" if is_back else f"It comes from {goods.hub.label}"
    return NewTask(
        key=f"receive:{shipment.id}",
        kind=TaskKind.RECEIVE,
        title=f"Receive {goods.label} at hub {there.label} ({goods.ticket.number})",
        instructions=f"{from_where} as {shipment.name}. Check it, put it on its shelf, and record that it is received.",
        packing_list=packing_list(goods),
        ticket_id=goods.ticket.id,
        reservation_id=goods.reservation_id,
        shipment_id=shipment.id,
        hub_id=there.id,
        due_at=shipment.estimated_delivery_at,
    )


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
        back = await open_rma_of_device(tx, unit)
        if back is not None and back.is_surplus:
            await call_off(tx, back, reason=f"it is used ({shipment.name})", cancelled_by=actor, actor=actor, at=at)
    if shipment.reservation_id is not None:
        items = await unfinished_tasks(tx, shipment_id=shipment.id, key_prefixes=["bring-back:", "shipment:"])
        for item in items:
            await move_task(tx, item.id, TaskState.CANCELLED, actor=actor, cause="it was received", at=at)
    return asset_id
