"""Reservations that end so that others can begin: split, moved, or their units taken over for another ticket.

A new reservation names the one that it replaces. One of the same ticket keeps the decision that was behind it, and with
it what protects it, such as a red channel; one of another ticket has its own. The old one ends as released with the
reason, and its fulfilment is ordered to stop, in the same transaction: what was done for it is undone by the reader of
the change log, and the new one is fulfilled like any other. Units that pass over stay on their shelf as they are, so
that no book changes and nobody else can get in between. Steps of the caller's transaction, with the locks of
`connector.storage.stock.reserve`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.lifecycle import RESERVATION_LIVE, ReservationState
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.shipments.shipments import ON_ITS_WAY, outbound_shipment
from connector.storage.stock.kit_lines import Pool, claims_of_parts, pool_of
from connector.storage.stock.reservations import (
    Claim,
    Drawn,
    Reservation,
    change_of,
    claim_of,
    insert_reservations,
    kit_lines,
    reserved_units,
)
from connector.storage.stock.reserve import locked_reservation, require_own_fate
from connector.storage.stock.stopping import note_stop
from connector.storage.stock.units import ShelfKey, Taken, exchange_units, put_back, send_off
from connector.storage.stock.waiting import require_approved
from connector.storage.tables import reservation


async def split_reservation(
    tx: AsyncConnection,
    reservation_id: int,
    quantity: int,
    *,
    actor: str,
    at: datetime,
    expires_at: datetime,
    cause: str | None = None,
) -> tuple[Reservation, Reservation]:
    """Two reservations in place of one of several counted units: what is left on its line, `quantity` on a new one.

    expires_at: of the new ones, when the old one does not expire any more.
    Raises NotKnown, IllegalTransition when it has ended, is being withdrawn or has left the hub, InvalidInput when
    there are not more units than that in it.
    """
    old = await in_the_hub(tx, reservation_id, "split")
    await _require_own(tx, old, "split")
    if not 0 < quantity < old.quantity:
        units = "1 unit" if old.quantity == 1 else f"{old.quantity} units"
        raise InvalidInput(
            f"reservation {reservation_id} has {units}: {quantity} cannot be split off",
            hint="Give fewer units than it has, at least 1; a single unit is moved or released as a whole.",
        )
    last = select(func.max(reservation.c.line)).where(reservation.c.ticket_id == old.ticket_id)
    line = int((await tx.execute(last)).scalar_one()) + 1
    claim = replace(claim_of(old), expires_at=old.expires_at or expires_at)
    first = replace(claim, quantity=old.quantity - quantity)
    second = replace(claim, quantity=quantity, line=line)
    reason = f"split into {old.quantity - quantity} and {quantity}"
    parts = await kit_lines(tx, [old])
    heirs = await _succeed(tx, old, [first, second], parts=parts, reason=reason, actor=actor, at=at, cause=cause)
    return heirs[0], heirs[1]


async def move_reservation(
    tx: AsyncConnection,
    reservation_id: int,
    shelf: ShelfKey,
    *,
    asset_id: int | None = None,
    reason: str = "moved",
    actor: str,
    at: datetime,
    expires_at: datetime,
    cause: str | None = None,
) -> Reservation:
    """The same claim on another shelf, or on another unit of the same one: the new units are taken, the old given back.

    Its decision stays the one behind it, although that chose another shelf. A kit moves along to another hub, all of it
    or nothing; in the same hub it stays as it is.
    asset_id: which unit; without it, the first free one. expires_at: when the old one does not expire any more.
    Raises NotKnown, OutOfStock when they are not free there, InvalidInput when it is there already, IllegalTransition
    when it has ended, is being withdrawn or has left the hub. Nothing has changed then.
    """
    old = await in_the_hub(tx, reservation_id, "moved")
    await _require_own(tx, old, "moved")
    parts = await kit_lines(tx, [old])
    here = ShelfKey(old.hub_id, old.product_id, old.lane)
    if shelf == here and (asset_id is None or asset_id == old.asset_id):
        raise InvalidInput(
            f"reservation {reservation_id} is there already",
            hint="Name another hub, product, lane or unit.",
        )
    moving = parts if shelf.hub_id != old.hub_id else ()
    assets, counted = reserved_units([old, *moving])
    along = Counter[ShelfKey]()
    for part in moving:
        along[ShelfKey(shelf.hub_id, part.product_id, part.lane)] += part.quantity
    wanted = [(shelf, old.quantity), *along.items()]
    taken, *components = await exchange_units(tx, assets, counted, wanted, at, asset_id=asset_id, revision=old.revision)
    claim = replace(
        claim_of(old),
        hub_id=shelf.hub_id,
        product_id=shelf.product_id,
        lane=shelf.lane,
        estimated_arrival_at=None,
        expires_at=old.expires_at or expires_at,
    )
    pools = [
        Pool(place.hub_id, place.product_id, place.lane, quantity, units.asset_ids)
        for (place, quantity), units in zip(along.items(), components, strict=True)
    ]
    [new, *_] = await _succeed(
        tx, old, [claim], reason=reason, taken=taken, parts=parts, pools=pools or None, actor=actor, at=at, cause=cause
    )
    await log_changes(tx, [change for units in components for change in units.changes], actor=actor, cause=cause, at=at)
    return new


async def hand_over(
    tx: AsyncConnection, old: Reservation, quantity: int, *, reason: str, actor: str, at: datetime
) -> Taken:
    """End a reservation so that a claim of another ticket can have units of it; what that leaves goes back.

    old: as `in_the_hub` gave it. quantity: at most what it has. Of its kit goes back what was not handed over before.
    Returns the units that pass over, still reserved on their shelf, with all changes, which are for the caller to log.
    """
    ended = await _end(tx, old, reason=reason, actor=actor, at=at)
    parts = await kit_lines(tx, [old])
    kit = await _give_back(tx, parts, reason=reason, at=at)
    left = old.quantity - quantity
    shelf = ShelfKey(old.hub_id, old.product_id, old.lane)
    returned = await put_back(tx, (), [(shelf, left)], at) if left else ()
    return Taken(_passed(old).asset_ids, (ended, *returned, *kit))


async def _give_back(
    tx: AsyncConnection, parts: Sequence[Reservation], *, reason: str, at: datetime
) -> tuple[NewChange, ...]:
    """End reservations of components, whose units go back to their shelf."""
    if not parts:
        return ()
    values: dict[str, Any] = {"state": ReservationState.RELEASED, "reason": reason}
    returned = await put_back(tx, *reserved_units(parts), at)
    await tx.execute(
        update(reservation).where(reservation.c.id.in_([item.id for item in parts])).values(**values, updated_at=at)
    )
    return (*(change_of(item, values) for item in parts), *returned)


LEFT_BEFORE = "its unit had left the hub"
"""How the reason of a claim begins that ended since its units were not there any more."""


async def forfeit(tx: AsyncConnection, reservation_id: int, *, parcel: str, actor: str, at: datetime) -> bool:
    """The units of a reservation had left with its parcel before they were handed over: who got them has nothing.

    The claims of other tickets that replaced it end, their units are off the hub's book. False when there are none.
    parcel: what people call it.
    """
    reason = f"{LEFT_BEFORE} with {parcel} before it was given to this ticket"
    old = reservation.alias("old")
    heirs = (
        select(reservation.c.id)
        .join(old, and_(old.c.id == reservation.c.replaces_id, old.c.ticket_id != reservation.c.ticket_id))
        .where(old.c.id == reservation_id, reservation.c.state.in_(RESERVATION_LIVE))
        .order_by(reservation.c.id)
    )
    numbers = (await tx.execute(heirs)).scalars().all()
    for number in numbers:
        heir = await locked_reservation(tx, number)
        if heir.state in RESERVATION_LIVE:
            parts = await kit_lines(tx, [heir])
            left = await _packed_with(tx, parts, reservation_id)
            gone = await send_off(tx, *reserved_units([heir, *(part for part in parts if part.id in left)]), at)
            kit = await _give_back(tx, [part for part in parts if part.id not in left], reason=reason, at=at)
            values: dict[str, Any] = {"state": ReservationState.RELEASED, "reason": reason}
            await tx.execute(update(reservation).where(reservation.c.id.in_(left)).values(**values, updated_at=at))
            ended = [change_of(part, values) for part in parts if part.id in left]
            ended.append(await _end(tx, heir, reason=reason, actor=actor, at=at))
            await log_changes(tx, [*ended, *gone, *kit], actor=actor, at=at)
    return bool(numbers)


async def _packed_with(tx: AsyncConnection, parts: Sequence[Reservation], reservation_id: int) -> frozenset[int]:
    """Those of the components that another reservation's kit had before, and that have left with its device."""
    before = {part.replaces_id: part.id for part in parts if part.replaces_id is not None}
    statement = select(reservation.c.id).where(
        reservation.c.id.in_(before), reservation.c.ships_with_id == reservation_id
    )
    return frozenset(before[number] for number in (await tx.execute(statement)).scalars()) if before else frozenset()


async def in_the_hub(tx: AsyncConnection, reservation_id: int, verb: str) -> Reservation:
    """A live reservation whose units have not left the hub, locked after its ticket.

    verb: what is to be done to it, for messages. Raises NotKnown, and IllegalTransition when it has ended, is being
    withdrawn, or its parcel is under way.
    """
    current = await locked_reservation(tx, reservation_id)
    if current.state not in RESERVATION_LIVE:
        why = "its units have left the hub" if current.state is ReservationState.FULFILLED else "it has ended"
        raise IllegalTransition(f"reservation {reservation_id} is {current.state.value}: {why}, so it cannot be {verb}")
    if current.reason is not None:
        raise IllegalTransition(
            f"reservation {reservation_id} is being withdrawn ({current.reason}), so it cannot be {verb}",
            hint="Reserve again for the ticket once that is done.",
        )
    parcel = await outbound_shipment(tx, reservation_id)
    if parcel is not None and parcel.status in ON_ITS_WAY:
        raise IllegalTransition(
            f"reservation {reservation_id} cannot be {verb}: {parcel.name} is {parcel.status.value.replace('_', ' ')}",
            hint="Cancel the ticket's fulfilment to have it brought back.",
        )
    return current


async def _require_own(tx: AsyncConnection, old: Reservation, verb: str) -> None:
    """Refuse what is planned elsewhere: claims that wait for an approval, those of a rollout, components of a kit."""
    require_own_fate(old, verb)
    await require_approved(tx, old.id, old.approval_name, verb)
    if old.is_loan:
        raise InvalidInput(
            f"reservation {old.id} is the loan of its ticket, so it cannot be {verb}",
            hint="Release it; the unit goes back to the pool.",
        )
    if old.to_hub_id is not None:
        raise InvalidInput(
            f"reservation {old.id} is a transfer to another hub, which is planned by itself: it cannot be {verb}",
            hint="Release it; the shelf is looked at anew.",
        )
    if old.rollout_line_id is not None:
        raise InvalidInput(
            f"reservation {old.id} is for a line of a rollout, which plans its units itself: it cannot be {verb}",
            hint="Release it; the rollout plans that line anew.",
        )


async def _succeed(
    tx: AsyncConnection,
    old: Reservation,
    claims: Sequence[Claim],
    *,
    taken: Taken | None = None,
    parts: Sequence[Reservation] = (),
    pools: Sequence[Pool] | None = None,
    reason: str,
    actor: str,
    at: datetime,
    cause: str | None,
) -> list[Reservation]:
    """End a reservation and begin others of its ticket; without `taken` its units pass over to them.

    parts: of its kit, which ends with it. pools: units that were taken for the new kit; without, those of the old one.
    """
    changes = [await _end(tx, part, reason=reason, actor=actor, at=at) for part in (*parts, old)]
    heirs: list[Reservation] = []
    for claim in claims:
        units = _passed(old) if taken is None else taken
        drawn = Drawn(replace(claim, replaces_id=old.id), units, old.decision_id)
        [(made, created)] = await insert_reservations(tx, [drawn], at=at)
        heirs += made
        changes += created
    if parts:
        last = select(func.max(reservation.c.line)).where(reservation.c.ticket_id == old.ticket_id)
        line = int((await tx.execute(last)).scalar_one()) + 1
        given = [pool_of(part) for part in parts] if pools is None else pools
        for _, created in await insert_reservations(tx, claims_of_parts(heirs, given, line=line), at=at):
            changes += created
    units_changed = () if taken is None else taken.changes
    await log_changes(tx, [*changes, *units_changed], actor=actor, cause=cause, at=at)
    return heirs


async def _end(tx: AsyncConnection, old: Reservation, *, reason: str, actor: str, at: datetime) -> NewChange:
    """Mark a reservation as released without giving its units back, its fulfilment stopped, if it has one."""
    if old.ships_with_id is None:
        await note_stop(tx, old.id, reason=reason, actor=actor, at=at)
    values: dict[str, Any] = {"state": ReservationState.RELEASED, "reason": reason}
    await tx.execute(update(reservation).where(reservation.c.id == old.id).values(**values, updated_at=at))
    return change_of(old, values)


def _passed(old: Reservation) -> Taken:
    return Taken(() if old.asset_id is None else (old.asset_id,), ())
