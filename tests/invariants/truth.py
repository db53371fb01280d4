"""What is true of books, units and reservations whatever was done to them; `lies` says in words what is not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import Tracking
from connector.model.lifecycle import RESERVATION_LIVE, RESERVATION_MOVES, ApprovalState, AssetState, ReservationState
from connector.model.refs import EntityKind
from connector.storage import tables
from connector.storage.stock.book import ON_SHELF, Shelf

FINAL = frozenset(state for state, moves in RESERVATION_MOVES.items() if not moves)


@dataclass(frozen=True)
class Book:
    """A stock row."""

    id: int
    tracking: Tracking
    on_hand: int
    reserved: int

    @property
    def free(self) -> int:
        return self.on_hand - self.reserved


@dataclass(frozen=True)
class Unit:
    """An asset. shelf: None when it is in no hub."""

    state: AssetState
    shelf: Shelf | None
    is_retired: bool


@dataclass(frozen=True)
class Claimed:
    """A reservation. ships_with: of a component, its device's; kit: of a device, whether one goes along.

    waits_for: the approval that it needs and has not been given; "" for none.
    """

    ticket_id: int
    line: int
    shelf: Shelf
    asset_id: int | None
    quantity: int
    state: ReservationState
    ships_with: int | None = None
    kit: bool = False
    waits_for: str = ""

    @property
    def is_live(self) -> bool:
        return self.state in RESERVATION_LIVE


@dataclass(frozen=True)
class Scene:
    """Everything about some products in one moment; assets and reservations by id."""

    books: Mapping[Shelf, Book]
    units: Mapping[int, Unit]
    claims: Mapping[int, Claimed]

    @property
    def shelves(self) -> dict[Shelf, tuple[int, int]]:
        """On hand and reserved."""
        return {shelf: (book.on_hand, book.reserved) for shelf, book in self.books.items()}

    @property
    def live(self) -> list[int]:
        """Ids of the live reservations."""
        return [number for number, claim in self.claims.items() if claim.is_live]


async def look(tx: AsyncConnection, product_ids: Collection[int]) -> Scene:
    """The scene of these products, as a transaction sees it."""
    stock, asset, reservation = tables.stock, tables.asset, tables.reservation

    async def rows(table: Any) -> list[Any]:
        statement = select(table).where(table.c.product_id.in_(product_ids)).order_by(table.c.id)
        return list((await tx.execute(statement)).all())

    books = {
        Shelf(row.hub_id, row.product_id, row.lane): Book(row.id, row.tracking, row.on_hand, row.reserved)
        for row in await rows(stock)
    }
    units = {
        row.id: Unit(
            row.state,
            None if row.hub_id is None else Shelf(row.hub_id, row.product_id, row.lane),
            row.retired_at is not None,
        )
        for row in await rows(asset)
    }
    reserved = await rows(reservation)
    decided: dict[int, list[int]] = defaultdict(list)
    for row in reserved:
        if row.decision_id is not None:
            decided[row.decision_id].append(row.id)
    asked = select(tables.approval.c.subject_id).where(
        tables.approval.c.subject_kind == EntityKind.RESERVATION,
        tables.approval.c.state.in_((ApprovalState.APPROVED, ApprovalState.WAIVED)),
    )
    given = set((await tx.execute(asked)).scalars())
    claims = {
        row.id: Claimed(
            row.ticket_id,
            row.line,
            Shelf(row.hub_id, row.product_id, row.lane),
            row.asset_id,
            row.quantity,
            row.state,
            row.ships_with_id,
            row.kit_id is not None and row.ships_with_id is None,
            ""
            if row.approval_name is None or {row.id, *decided.get(row.decision_id, ())} & given
            else row.approval_name,
        )
        for row in reserved
    }
    return Scene(books, units, claims)


def lies(scene: Scene) -> list[str]:
    """What is not as it must be.

    Of each shelf: on hand = free + held + committed; a serialised shelf's free units are assets in stock on it, its
    reserved ones are the assets that are reserved on it. Of each unit: no two live reservations, and it is reserved
    on a shelf exactly when one has it. Of each line of a ticket: one live reservation. Of each component of a kit: in
    the hub and the state of its device's reservation, which has some as long as it is live. Nothing that
    needs somebody's yes is committed or sent without.
    """
    promised: Counter[Shelf] = Counter()
    holders: dict[int, list[int]] = defaultdict(list)
    lines: Counter[tuple[int, int]] = Counter()
    found = []
    for number, claim in scene.claims.items():
        if not claim.is_live:
            continue
        promised[claim.shelf] += claim.quantity
        lines[claim.ticket_id, claim.line] += 1
        if claim.asset_id is None:
            continue
        holders[claim.asset_id].append(number)
        unit = scene.units.get(claim.asset_id)
        if unit is None or (unit.state, unit.shelf) != (AssetState.RESERVED, claim.shelf):
            found.append(f"reservation {number} has unit {claim.asset_id} of {claim.shelf}, which is {unit}")
    for number, claim in scene.claims.items():
        device = scene.claims.get(claim.ships_with or 0)
        if device is None:
            continue
        whole = (device.ticket_id, device.shelf.hub_id, device.state)
        if (claim.is_live or device.is_live) and (claim.ticket_id, claim.shelf.hub_id, claim.state) != whole:
            found.append(f"reservation {number} is {claim}, its device's is {device}")
    going = (ReservationState.COMMITTED, ReservationState.FULFILLED)
    found += [
        f"reservation {number} is {claim.state.value} without approval {claim.waits_for!r}"
        for number, claim in scene.claims.items()
        if claim.waits_for and claim.state in going
    ]
    kits = {claim.ships_with for claim in scene.claims.values()}
    found += [
        f"reservation {n} has lost its kit" for n, c in scene.claims.items() if c.is_live and c.kit and n not in kits
    ]
    found += [f"unit {unit} is in reservations {numbers}" for unit, numbers in holders.items() if len(numbers) > 1]
    found += [f"line {line[1]} of ticket {line[0]} has {count}" for line, count in lines.items() if count > 1]
    standing: dict[Shelf, Counter[AssetState]] = defaultdict(Counter)
    for number, unit in scene.units.items():
        if unit.state in ON_SHELF and unit.shelf is not None:
            standing[unit.shelf][unit.state] += 1
            if unit.is_retired:
                found.append(f"unit {number} is retired and still counts as {unit.state.value}")
        if unit.state is AssetState.RESERVED and number not in holders:
            found.append(f"unit {number} is reserved for nobody")
    for shelf in scene.books.keys() | promised.keys() | standing.keys():
        book = scene.books.get(shelf, Book(0, Tracking.SERIALISED, 0, 0))
        if not 0 <= book.reserved <= book.on_hand:
            found.append(f"{shelf} has {book.on_hand} on hand, {book.reserved} reserved")
        if book.on_hand != book.free + promised[shelf]:
            found.append(f"{shelf} has {book.on_hand} on hand, {book.free} free, {promised[shelf]} held or committed")
        if book.tracking is Tracking.SERIALISED:
            units = standing[shelf]
            if (book.free, book.reserved) != (units[AssetState.IN_STOCK], units[AssetState.RESERVED]):
                found.append(f"{shelf} has {book.free} free and {book.reserved} reserved, but units {dict(units)}")
    return sorted(found)


def broken_moves(before: Scene, after: Scene) -> list[str]:
    """Reservations that vanished, left a final state, or came to where no move leads from where they were."""
    found = []
    for number, claim in before.claims.items():
        then = after.claims.get(number)
        if then is None:
            found.append(f"reservation {number} is gone")
        elif then.state is not claim.state and then.state not in reachable(claim.state):
            found.append(f"reservation {number} went from {claim.state.value} to {then.state.value}")
    return found


def reachable(state: ReservationState) -> frozenset[ReservationState]:
    """The states that moves lead to, in any number of them."""
    found: set[ReservationState] = set()
    todo = set(RESERVATION_MOVES[state])
    while todo:
        state = todo.pop()
        found.add(state)
        todo |= RESERVATION_MOVES[state] - found
    return frozenset(found)


async def broken_histories(tx: AsyncConnection, scene: Scene) -> list[str]:
    """Histories in the change log that have a gap, which is what a lost update leaves, or an illegal move.

    Each change of a number or state begins where the one before it ended, and the last ends at what is there now. A
    reservation begins held, moves only as it may, and enters one final state at most.
    """
    now: dict[tuple[EntityKind, int, str], Any] = {}
    for book in scene.books.values():
        now[EntityKind.STOCK, book.id, "on_hand"] = book.on_hand
        now[EntityKind.STOCK, book.id, "reserved"] = book.reserved
    now |= {(EntityKind.RESERVATION, n, "state"): claim.state.value for n, claim in scene.claims.items()}
    now |= {(EntityKind.ASSET, n, "state"): unit.state.value for n, unit in scene.units.items()}
    change = tables.change
    kinds = (EntityKind.STOCK, EntityKind.RESERVATION, EntityKind.ASSET)
    statement = select(change.c.kind, change.c.entity_id, change.c.fields).where(change.c.kind.in_(kinds))
    last: dict[tuple[EntityKind, int, str], Any] = {}
    found = []
    for kind, entity_id, fields in await tx.execute(statement.order_by(change.c.id)):
        for name, (old, new) in fields.items():
            key = (kind, entity_id, name)
            if key not in now:
                continue
            if key in last and last[key] != old:
                found.append(f"{kind.value} {entity_id}: {name} was {last[key]}, then changed from {old} to {new}")
            if kind is EntityKind.RESERVATION:
                legal = {ReservationState.HELD} if old is None else RESERVATION_MOVES[ReservationState(old)]
                if ReservationState(new) not in legal:
                    found.append(f"reservation {entity_id} went from {old} to {new}")
            last[key] = new
    found += [
        f"{key} is {now[key]}, but its history ends at {value}" for key, value in last.items() if now[key] != value
    ]
    finals = [claim for claim in scene.claims.values() if claim.state in FINAL]
    logged = [
        key for key, value in last.items() if key[0] is EntityKind.RESERVATION and ReservationState(value) in FINAL
    ]
    if len(finals) != len(logged):
        found.append(f"{len(finals)} reservations have ended, {len(logged)} in the log")
    return found
