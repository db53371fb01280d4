"""Units on a shelf: taken for a reservation, put back, or gone from it. Never called outside a reservation's moves.

A shelf's `stock` row is its book. For serialised products the book follows the assets (on_hand: in stock or
reserved there; reserved: the reserved ones); for counted products it is all there is. Taking locks the stock row
first and then only assets that nobody else has locked, so it never waits while it holds something; putting back
locks the assets first, then the stock rows, each in the order of their ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Integer, Select, and_, bindparam, case, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import OutOfStock
from connector.model.kinds import Lane, Protection, Tracking
from connector.model.lifecycle import AssetState
from connector.model.refs import EntityKind
from connector.rules.facts.protection import Kept
from connector.storage.database.changes import NewChange
from connector.storage.facts.protection import protections
from connector.storage.tables import asset, stock


class ShelfKey(NamedTuple):
    """One product in one hub and lane."""

    hub_id: int
    product_id: int
    lane: Lane


_WANTED = bindparam("p_quantity", type_=Integer)
_KEPT = {purpose: bindparam(f"p_keep_{purpose.value}", type_=Integer) for purpose in Protection}
"""1 where a claim must leave what is kept for a purpose, else 0."""

_TAKE_FROM_BOOK = (
    update(stock)
    .where(
        stock.c.product_id == bindparam("p_product"),
        stock.c.hub_id == bindparam("p_hub"),
        stock.c.lane == bindparam("p_lane"),
        stock.c.on_hand - stock.c.reserved
        >= sum((_KEPT[purpose] * kept for purpose, kept in zip(Protection, protections(stock), strict=True)), _WANTED),
    )
    .values(reserved=stock.c.reserved + bindparam("p_quantity"), updated_at=bindparam("p_at"))
    .returning(stock.c.id, stock.c.tracking, stock.c.reserved)
)

_FREE_UNITS = (
    select(asset.c.id)
    .where(
        asset.c.hub_id == bindparam("p_hub"),
        asset.c.product_id == bindparam("p_product"),
        asset.c.lane == bindparam("p_lane"),
        asset.c.state == AssetState.IN_STOCK,
        asset.c.retired_at.is_(None),
    )
    .order_by(asset.c.id)
    .with_for_update(skip_locked=True)
)

_TAKE_ONE = (
    update(asset)
    .where(asset.c.id == _FREE_UNITS.limit(1).scalar_subquery())
    .values(state=AssetState.RESERVED, updated_at=bindparam("p_at"))
    .returning(asset.c.id)
)
_OF_REVISION = asset.c.revision == bindparam("p_revision")
_TAKE_ONE_OF_REVISION = (
    update(asset)
    .where(asset.c.id == _FREE_UNITS.where(_OF_REVISION).limit(1).scalar_subquery())
    .values(state=AssetState.RESERVED, updated_at=bindparam("p_at"))
    .returning(asset.c.id)
)
"""These are built once: building a statement costs as much as executing it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """asset_ids: the units, none for counted products. changes: for the caller to log."""

    asset_ids: tuple[int, ...]
    changes: tuple[NewChange, ...]


async def take_units(
    tx: AsyncConnection,
    shelf: ShelfKey,
    quantity: int,
    at: datetime,
    *,
    releases: Collection[Protection] = (),
    asset_id: int | None = None,
    revision: str | None = None,
) -> Taken:
    """Reserve units of a shelf, all of them or none.

    releases: which of the units that are kept may be taken as well. asset_id: the unit; without it, the first ones.
    revision: the one that they must have; None when any will do. Counted units have none.
    Raises OutOfStock when fewer are free beside what is kept; nothing has changed then.
    """
    place = {"p_hub": shelf.hub_id, "p_product": shelf.product_id, "p_lane": shelf.lane, "p_at": at}
    kept = {bind.key: int(purpose not in releases) for purpose, bind in _KEPT.items()}
    row = (await tx.execute(_TAKE_FROM_BOOK, {**place, **kept, "p_quantity": quantity})).one_or_none()
    if row is None:
        raise await _out_of_stock(tx, shelf, quantity, revision)
    stock_id, tracking, reserved = row
    booked = NewChange(EntityKind.STOCK, stock_id, "updated", {"reserved": (reserved - quantity, reserved)})
    if tracking is Tracking.COUNTED and revision is None:
        return Taken((), (booked,))
    is_counted = tracking is Tracking.COUNTED
    taken = () if is_counted else await _reserve_assets(tx, place, quantity, at, asset_id, revision)
    if len(taken) < quantity:
        await tx.execute(update(stock).where(stock.c.id == stock_id).values(reserved=stock.c.reserved - quantity))
        raise _not_free(asset_id, revision) if asset_id else await _out_of_stock(tx, shelf, quantity, revision)
    return Taken(tuple(taken), (*reserved_moves(taken), booked))


async def _reserve_assets(
    tx: AsyncConnection,
    place: dict[str, Any],
    quantity: int,
    at: datetime,
    asset_id: int | None,
    revision: str | None,
) -> Sequence[int]:
    """Reserve the first free units by id, or that one, passing over those that another transaction has locked."""
    units = _FREE_UNITS if revision is None else _FREE_UNITS.where(_OF_REVISION)
    place = place if revision is None else {**place, "p_revision": revision}
    if asset_id is not None:
        this = units.where(asset.c.id == asset_id).scalar_subquery()
        reserve_it = update(asset).where(asset.c.id == this).values(state=AssetState.RESERVED, updated_at=at)
        found: Sequence[int] = (await tx.execute(reserve_it.returning(asset.c.id), place)).scalars().all()
        return found
    if quantity == 1:
        one = _TAKE_ONE if revision is None else _TAKE_ONE_OF_REVISION
        taken: Sequence[int] = (await tx.execute(one, place)).scalars().all()
        return taken
    ids: Sequence[int] = (await tx.execute(units.limit(quantity), place)).scalars().all()
    if len(ids) == quantity:
        reserve = update(asset).where(asset.c.id.in_(ids))
        await tx.execute(reserve.values(state=AssetState.RESERVED, updated_at=at))
    return ids


async def exchange_units(
    tx: AsyncConnection,
    reserved: Iterable[int],
    counted: Sequence[tuple[ShelfKey, int]],
    wanted: Sequence[tuple[ShelfKey, int]],
    at: datetime,
    *,
    asset_id: int | None = None,
    revision: str | None = None,
) -> list[Taken]:
    """Take units of shelves and put back others that were taken, on whatever shelves those are.

    reserved, counted: as `put_back` has them. wanted: each shelf once. asset_id, revision: of the first of them. On the
    same shelf nothing is kept from the exchange, which leaves its book as it was. All books are locked before any is
    changed, so that two exchanges never wait in a circle. Returns what was taken of each shelf, at the first with the
    changes of what was put back. Raises OutOfStock; then the transaction has to be undone when several were wanted.
    """
    shelves, ids = await _lock_reserved(tx, reserved)
    touched = {*(shelf for shelf, _ in wanted), *shelves, *(key for key, _ in counted)}
    await tx.execute(_books_of(touched))
    releases = tuple(Protection) if len(touched) == 1 else ()
    (first, quantity), *further = wanted
    taken = [await take_units(tx, first, quantity, at, releases=releases, asset_id=asset_id, revision=revision)]
    for shelf, units in further:
        taken.append(await take_units(tx, shelf, units, at, releases=releases))
    returned = await put_back(tx, ids, counted, at)
    device, *others = taken
    return [Taken(device.asset_ids, (*device.changes, *returned)), *others]


async def put_back(
    tx: AsyncConnection, asset_ids: Iterable[int], counted: Sequence[tuple[ShelfKey, int]], at: datetime
) -> tuple[NewChange, ...]:
    """Undo `take_units` for reserved assets and for counted units; returns the changes to log.

    An asset that is no longer reserved (somebody found it lost, say) stays as it is: whoever moved it has booked it.
    """
    shelves, ids = await _lock_reserved(tx, asset_ids)
    if ids:
        back = update(asset).where(asset.c.id.in_(ids)).values(state=AssetState.IN_STOCK, updated_at=at)
        await tx.execute(back)
    for shelf, quantity in counted:
        shelves[shelf] += quantity
    booked = await _book(tx, shelves, at, leaves=False)
    return (*_moves(ids, AssetState.RESERVED, AssetState.IN_STOCK), *booked)


async def send_off(
    tx: AsyncConnection, asset_ids: Iterable[int], counted: Sequence[tuple[ShelfKey, int]], at: datetime
) -> tuple[NewChange, ...]:
    """Units that were taken leave their hub: assets are in transit, the book has them no more."""
    shelves, ids = await _lock_reserved(tx, asset_ids)
    changes = []
    if ids:
        located = await tx.execute(select(asset.c.id, asset.c.hub_id).where(asset.c.id.in_(ids)))
        hubs = {row.id: row.hub_id for row in located}
        gone = update(asset).where(asset.c.id.in_(ids))
        await tx.execute(gone.values(state=AssetState.IN_TRANSIT, hub_id=None, updated_at=at))
        for asset_id in ids:
            moved = {
                "state": (AssetState.RESERVED.value, AssetState.IN_TRANSIT.value),
                "hub_id": (hubs[asset_id], None),
            }
            changes.append(NewChange(EntityKind.ASSET, asset_id, "updated", moved))
    for shelf, quantity in counted:
        shelves[shelf] += quantity
    return (*changes, *await _book(tx, shelves, at, leaves=True))


async def _lock_reserved(tx: AsyncConnection, asset_ids: Iterable[int]) -> tuple[Counter[ShelfKey], list[int]]:
    """Lock the assets that are still reserved; how many of them are on which shelf, and their ids."""
    wanted = sorted(asset_ids)
    if not wanted:
        return Counter(), []
    rows = (
        await tx.execute(
            select(asset.c.id, asset.c.hub_id, asset.c.product_id, asset.c.lane)
            .where(asset.c.id.in_(wanted), asset.c.state == AssetState.RESERVED)
            .order_by(asset.c.id)
            .with_for_update()
        )
    ).all()
    shelves = Counter(ShelfKey(hub_id, product_id, lane) for _, hub_id, product_id, lane in rows if hub_id is not None)
    return shelves, [row[0] for row in rows]


async def _book(
    tx: AsyncConnection, shelves: Counter[ShelfKey], at: datetime, *, leaves: bool
) -> tuple[NewChange, ...]:
    """Take reserved units off the books of their shelves; with `leaves` they are no longer on hand either.

    A book that says less than that (it was counted anew meanwhile) stops at zero instead of refusing the move.
    """
    if not shelves:
        return ()
    locked = (await tx.execute(_books_of(shelves))).all()
    changes, on_hand_now, reserved_now = [], {}, {}
    for stock_id, hub_id, product_id, lane, on_hand, reserved in locked:
        quantity = shelves[ShelfKey(hub_id, product_id, lane)]
        reserved_now[stock_id] = max(reserved - quantity, 0)
        on_hand_now[stock_id] = max(on_hand - quantity, reserved_now[stock_id], 0) if leaves else on_hand
        fields = {"reserved": (reserved, reserved_now[stock_id]), "on_hand": (on_hand, on_hand_now[stock_id])}
        changed = {name: pair for name, pair in fields.items() if pair[0] != pair[1]}
        if changed:
            changes.append(NewChange(EntityKind.STOCK, stock_id, "updated", changed))
    if changes:
        await tx.execute(
            update(stock)
            .where(stock.c.id.in_([change.entity_id for change in changes]))
            .values(
                reserved=case(reserved_now, value=stock.c.id),
                on_hand=case(on_hand_now, value=stock.c.id),
                updated_at=at,
            )
        )
    return tuple(changes)


def _books_of(shelves: Iterable[ShelfKey]) -> Select[Any]:
    """The books of these shelves, locked in the order of their ids."""
    return (
        select(stock.c.id, stock.c.hub_id, stock.c.product_id, stock.c.lane, stock.c.on_hand, stock.c.reserved)
        .where(or_(*(and_(true(), *_on_shelf(shelf)) for shelf in shelves)))
        .order_by(stock.c.id)
        .with_for_update()
    )


def _on_shelf(shelf: ShelfKey) -> tuple[ColumnElement[bool], ...]:
    return (stock.c.product_id == shelf.product_id, stock.c.hub_id == shelf.hub_id, stock.c.lane == shelf.lane)


def reserved_moves(asset_ids: Iterable[int]) -> tuple[NewChange, ...]:
    """The changes of units that were taken."""
    return _moves(asset_ids, AssetState.IN_STOCK, AssetState.RESERVED)


def _moves(ids: Iterable[int], before: AssetState, after: AssetState) -> tuple[NewChange, ...]:
    fields = {"state": (before.value, after.value)}
    return tuple(NewChange(EntityKind.ASSET, asset_id, "updated", fields) for asset_id in ids)


async def _out_of_stock(tx: AsyncConnection, shelf: ShelfKey, quantity: int, revision: str | None = None) -> OutOfStock:
    """Why a claim is refused, with what the shelf keeps, if that is the reason."""
    book = select(stock.c.on_hand - stock.c.reserved, *protections(stock)).where(*_on_shelf(shelf))
    row = (await tx.execute(book)).one_or_none()
    kept = Kept(*row) if row is not None else Kept(0)
    beside = f": {kept.free} free, {kept.text()}" if kept.free >= quantity > kept.usable() else ""
    of_revision = f" of revision {revision!r}" if revision is not None else ""
    return OutOfStock(
        f"hub {shelf.hub_id} has fewer than {quantity} free units of product {shelf.product_id}"
        f" in the {shelf.lane.value} lane{of_revision}{beside}",
        hint="Choose another hub, or ask the rules to decide anew.",
    )


def _not_free(asset_id: int, revision: str | None) -> OutOfStock:
    of_revision = f", or not of revision {revision!r}, which is needed" if revision is not None else ""
    return OutOfStock(
        f"asset {asset_id} is not free on that shelf{of_revision}",
        hint="Choose another unit, or none to take the first free one.",
    )
