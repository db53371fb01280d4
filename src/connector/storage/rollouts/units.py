"""Units of a rollout's lines: claimed for a wave, given back, handed over. Set-based, whatever the wave's size.

Steps of a transaction that has locked the rollout; the locks after that are those of `connector.storage.stock.reserve`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import OutOfStock
from connector.model.kinds import Direction, Lane
from connector.model.lifecycle import RESERVATION_LIVE, ReservationState, ShipmentStatus
from connector.model.refs import EntityKind
from connector.storage.database.bulk import among, insert_rows, new_ids
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.rows import json_value
from connector.storage.rollouts.lines import LineRow
from connector.storage.stock.stopping import stop_key
from connector.storage.stock.units import ShelfKey, put_back, send_off, take_units
from connector.storage.tables import asset, reservation, shipment, step_receipt

AT_THE_HUB = (ShipmentStatus.PENDING, ShipmentStatus.LABEL_CREATED)


@dataclass(frozen=True, slots=True)
class ClaimedUnit:
    """What was claimed for a line. asset_id: None for counted products."""

    line: LineRow
    reservation_id: int
    asset_id: int | None


async def claim_lines(
    tx: AsyncConnection,
    lines: Mapping[int, Sequence[LineRow]],
    *,
    ticket_id: int,
    product_id: int,
    actor: str,
    cause: str,
    at: datetime,
) -> list[ClaimedUnit]:
    """Claim what lines need from their hubs: a few statements for each hub, and a few for all of them.

    lines: by hub, whose shelves are locked. A hub that turns out to have fewer units than its book says gives none;
    its lines are left out of the result.
    """
    taken: list[tuple[int, LineRow, int | None]] = []
    changes: list[NewChange] = []
    for hub_id in sorted(lines):
        wanted = lines[hub_id]
        shelf = ShelfKey(hub_id, product_id, Lane.NORMAL)
        try:
            units = await take_units(tx, shelf, sum(line.quantity for line in wanted), at)
        except OutOfStock:
            continue
        changes += units.changes
        assets = units.asset_ids or (None,) * len(wanted)
        taken += [(hub_id, line, asset_id) for line, asset_id in zip(wanted, assets, strict=True)]
    ids = await new_ids(tx, reservation, len(taken))
    rows: list[dict[str, Any]] = [
        {
            "id": number,
            "ticket_id": ticket_id,
            "line": line.line,
            "hub_id": hub_id,
            "product_id": product_id,
            "requested_product_id": product_id,
            "asset_id": asset_id,
            "site_id": line.site_id,
            "rollout_line_id": line.id,
            "lane": Lane.NORMAL,
            "quantity": line.quantity,
            "state": ReservationState.HELD,
            "created_at": at,
            "updated_at": at,
        }
        for number, (hub_id, line, asset_id) in zip(ids, taken, strict=True)
    ]
    await insert_rows(tx, reservation, rows)
    made = [
        NewChange(
            EntityKind.RESERVATION,
            row["id"],
            "created",
            {name: (None, json_value(value)) for name, value in row.items() if value is not None},
        )
        for row in rows
    ]
    await log_changes(tx, [*made, *changes], actor=actor, cause=cause, at=at)
    return [ClaimedUnit(line, number, asset_id) for number, (_, line, asset_id) in zip(ids, taken, strict=True)]


async def live_claims(tx: AsyncConnection, line_ids: Collection[int]) -> dict[int, int]:
    """Line to the id of its live reservation; lines without one are left out."""
    statement = select(reservation.c.rollout_line_id, reservation.c.id).where(
        among(tx, reservation.c.rollout_line_id, line_ids), reservation.c.state.in_(RESERVATION_LIVE)
    )
    return {line_id: reservation_id for line_id, reservation_id in await tx.execute(statement)}


async def give_back(
    tx: AsyncConnection, line_ids: Collection[int], *, reason: str, actor: str, cause: str | None, at: datetime
) -> int:
    """Release the claims of lines for which nothing else was done yet; returns how many that were."""
    found = await _live(tx, line_ids)
    if not found:
        return 0
    units = await put_back(tx, *_units(found), at)
    values = {"state": ReservationState.RELEASED, "reason": reason}
    await _move(tx, found, values, units, actor=actor, cause=cause, at=at)
    return len(found)


async def stop_claims(
    tx: AsyncConnection, reservation_ids: Collection[int], *, reason: str, actor: str, at: datetime
) -> None:
    """Order the fulfilments of these claims to stop, as `order_stop` does one; orders given before stay."""
    ordered = await _note_stops(tx, reservation_ids, reason=reason, actor=actor, at=at)
    if not ordered:
        return
    rows = (
        await tx.execute(
            select(reservation.c.id, reservation.c.reason)
            .where(among(tx, reservation.c.id, ordered))
            .order_by(reservation.c.id)
            .with_for_update()
        )
    ).all()
    await tx.execute(
        update(reservation).where(among(tx, reservation.c.id, ordered)).values(reason=reason, updated_at=at)
    )
    changes = [
        NewChange(EntityKind.RESERVATION, number, "updated", {"reason": (before, reason)})
        for number, before in rows
        if before != reason
    ]
    await log_changes(tx, changes, actor=actor, at=at)


async def hand_over(
    tx: AsyncConnection, line_ids: Collection[int], *, actor: str, cause: str, at: datetime
) -> set[int]:
    """The parcels of lines leave their hub: off its book, units and parcels in transit. Returns the lines that left.

    Left out are those that have no parcel yet, or are not committed.
    """
    found = [row for row in await _live(tx, line_ids) if row["state"] is ReservationState.COMMITTED]
    parcels = (
        await tx.execute(
            select(shipment.c.id, shipment.c.reservation_id, shipment.c.status)
            .where(
                among(tx, shipment.c.reservation_id, [row["id"] for row in found]),
                shipment.c.direction == Direction.OUTBOUND,
                shipment.c.status.in_(AT_THE_HUB),
            )
            .order_by(shipment.c.id)
            .with_for_update()
        )
    ).all()
    sent = {parcel.reservation_id for parcel in parcels}
    leaving = [row for row in found if row["id"] in sent]
    if not leaving:
        return set()
    units = await send_off(tx, *_units(leaving), at)
    await tx.execute(
        update(shipment)
        .where(among(tx, shipment.c.id, [parcel.id for parcel in parcels]))
        .values(status=ShipmentStatus.PICKED_UP, updated_at=at)
    )
    moved = [
        NewChange(
            EntityKind.SHIPMENT,
            parcel.id,
            "updated",
            {"status": (parcel.status.value, ShipmentStatus.PICKED_UP.value)},
        )
        for parcel in parcels
    ]
    values = {"state": ReservationState.FULFILLED}
    await _move(tx, leaving, values, [*units, *moved], actor=actor, cause=cause, at=at)
    return {row["rollout_line_id"] for row in leaving}


async def names_of_units(tx: AsyncConnection, asset_ids: Collection[int]) -> dict[int, tuple[str | None, str | None]]:
    """Serial and asset tag of units by their ids."""
    statement = select(asset.c.id, asset.c.serial, asset.c.asset_tag).where(among(tx, asset.c.id, asset_ids))
    return {row[0]: (row[1], row[2]) for row in await tx.execute(statement)}


async def _live(tx: AsyncConnection, line_ids: Collection[int]) -> Sequence[Any]:
    statement = (
        select(reservation)
        .where(among(tx, reservation.c.rollout_line_id, line_ids), reservation.c.state.in_(RESERVATION_LIVE))
        .order_by(reservation.c.id)
        .with_for_update()
    )
    return (await tx.execute(statement)).mappings().all()


def _units(rows: Sequence[Any]) -> tuple[list[int], list[tuple[ShelfKey, int]]]:
    assets = [row["asset_id"] for row in rows if row["asset_id"] is not None]
    counted = [
        (ShelfKey(row["hub_id"], row["product_id"], row["lane"]), row["quantity"])
        for row in rows
        if row["asset_id"] is None
    ]
    return assets, counted


async def _move(
    tx: AsyncConnection,
    rows: Sequence[Any],
    values: Mapping[str, Any],
    others: Sequence[NewChange],
    *,
    actor: str,
    cause: str | None,
    at: datetime,
) -> None:
    ids = [row["id"] for row in rows]
    await tx.execute(update(reservation).where(among(tx, reservation.c.id, ids)).values(**values, updated_at=at))
    changes = [
        NewChange(
            EntityKind.RESERVATION,
            row["id"],
            "updated",
            {name: (json_value(row[name]), json_value(value)) for name, value in values.items() if row[name] != value},
        )
        for row in rows
    ]
    await log_changes(tx, [*changes, *others], actor=actor, cause=cause, at=at)


async def _note_stops(
    tx: AsyncConnection, reservation_ids: Collection[int], *, reason: str, actor: str, at: datetime
) -> list[int]:
    """Write the receipts that every step looks for; the claims that had none before."""
    keys = {stop_key(number): number for number in sorted(reservation_ids)}
    known = select(step_receipt.c.key).where(among(tx, step_receipt.c.key, keys))
    found = set((await tx.execute(known)).scalars())
    new = [key for key in keys if key not in found]
    result = {"reason": reason, "actor": actor}
    rows = [{"key": key, "result": result, "recorded_at": at} for key in new]
    await insert_rows(tx, step_receipt, rows, skip_existing=True)
    return [keys[key] for key in new]
