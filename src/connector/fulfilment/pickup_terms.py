"""What a driver can be ordered for, and why not: parcels, the address of a hub, times. Steps of the caller's work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from connector.model.errors import IllegalTransition, InvalidInput, NotKnown
from connector.model.lifecycle import PickupState, ShipmentStatus
from connector.sdk import Connection
from connector.storage.database.engine import Transaction
from connector.storage.shipments.consignments import Place
from connector.storage.shipments.pickups import LabelledParcel, PickupRow, parcels_of_ids

_NEEDED: Final = ("line1", "city", "country")
"""What an address must say for somebody to find it."""


async def chosen_parcels(
    tx: Transaction,
    ids: set[int],
    waiting: Sequence[LabelledParcel],
    connection: Connection,
    hub_name: str,
    at: datetime,
) -> list[LabelledParcel]:
    """Those of these ids, of all that wait at the hub.

    Raises NotKnown, and InvalidInput saying of each of the others why nobody can come for it.
    """
    chosen = [parcel for parcel in waiting if parcel.id in ids and parcel.pickup_id is None]
    missing = ids - {parcel.id for parcel in chosen}
    if not missing:
        return chosen
    known = {parcel.id: parcel for parcel in await parcels_of_ids(tx, missing, now=at)}
    if unknown := sorted(missing - known.keys()):
        raise NotKnown(f"there is no shipment with id {unknown[0]}")
    at_hub = {parcel.id for parcel in waiting}
    reasons = []
    for parcel in known.values():
        if parcel.pickup_id is not None:
            why = f"waits for pickup {parcel.pickup_id} already"
        elif parcel.status is not ShipmentStatus.LABEL_CREATED:
            why = f"is {parcel.status.value.replace('_', ' ')}"
        else:
            why = f"does not wait at {hub_name} with a label of source {connection.name!r}"
        if parcel.id not in at_hub or parcel.pickup_id is not None:
            reasons.append(f"{parcel.name} {why}")
    raise InvalidInput(
        f"nobody can come for them: {'; '.join(reasons)}", hint="Leave these out, or name none for all that wait."
    )


def nothing_waits(
    waiting: Sequence[LabelledParcel], connection: Connection, hub_name: str, carrier: str | None
) -> InvalidInput:
    """Why there is no parcel to come for. waiting: those that have a driver already. carrier: of whom alone."""
    of = f"{carrier} by source {connection.name!r}" if carrier else f"source {connection.name!r}"
    numbers = sorted({parcel.pickup_id for parcel in waiting if parcel.pickup_id is not None})
    if numbers:
        listed = ", ".join(map(str, numbers))
        return InvalidInput(
            f"every parcel of {of} at {hub_name} waits for a driver already: pickup {listed}",
            hint="Cancel that first, to have somebody come at another time.",
        )
    return InvalidInput(
        f"no parcel at {hub_name} has a label of {of} and waits for a driver",
        hint="Parcels with a label that were not handed over are listed by `shipments`, status LABEL_CREATED.",
    )


def require_address(place: Place) -> None:
    """Refuse a hub that no driver would find. Raises InvalidInput."""
    missing = [name for name in _NEEDED if getattr(place.address, name) is None]
    if missing:
        raise InvalidInput(
            f"hub {place.label!r} has no {', '.join(missing)} in its address, so no driver would find it",
            hint="Complete the hub's address at its source.",
        )


def require_times(earliest_at: datetime, latest_at: datetime, place: Place, at: datetime) -> None:
    """Refuse times at which nobody can come. at: now. Raises InvalidInput."""
    if earliest_at >= latest_at:
        raise InvalidInput(
            f"nobody can come between {earliest_at:%Y-%m-%d %H:%M}Z and {latest_at:%Y-%m-%d %H:%M}Z",
            hint="Give an `earliestAt` that is before `latestAt`.",
        )
    if latest_at <= at:
        raise InvalidInput(f"{latest_at:%Y-%m-%d %H:%M}Z is over: give a time to come")
    zone = ZoneInfo(place.time_zone or "UTC")
    first, last = earliest_at.astimezone(zone), latest_at.astimezone(zone)
    if first.date() != last.date():
        raise InvalidInput(
            f"a driver comes within one day, not from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} ({zone.key})",
            hint="Give two times of one day of the hub.",
        )


def require_on(row: PickupRow, at: datetime) -> None:
    """Refuse to call off what is over, or never was. Raises IllegalTransition."""
    if row.state is PickupState.CANCELLED:
        raise IllegalTransition(f"{row.name} is cancelled already")
    if row.state is PickupState.REFUSED:
        raise IllegalTransition(f"{row.name} was refused by the courier, so nobody comes: {row.reason}")
    if row.latest_at <= at:
        raise IllegalTransition(f"the time of {row.name} was over at {row.latest_at:%Y-%m-%d %H:%M}Z")
