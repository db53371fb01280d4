"""One thing that is in the catalogue twice: what hangs on the double, and moving it to the one that stays.

What was decided and has ended (reservations, orders, replenishments, rollouts) goes on naming the product that it was
decided for. Everything else that names the double names the other one afterwards, each with its line in the change
log, from which it can be taken back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypedDict

from sqlalchemy import ColumnElement, Select, Table, and_, func, literal_column, or_, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import IllegalTransition
from connector.model.kinds import Tracking
from connector.model.lifecycle import PROCUREMENT_OPEN, REPLENISHMENT_OPEN, RESERVATION_LIVE, ROLLOUT_MOVES, GroupState
from connector.model.refs import EntityKind
from connector.storage.aliases.restating import restate_product, standing_overrides
from connector.storage.database.bulk import among
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.drafts import Draft, load_drafts, write_drafts
from connector.storage.sources.refs import lock_ingest
from connector.storage.stock.book import ON_SHELF, Shelf, recount_shelves
from connector.storage.stock.kits import Component, components_of, set_components
from connector.storage.tables import (
    asset,
    compatibility,
    incident_group,
    incident_signal,
    kit,
    kit_component,
    loan,
    name_alias,
    procurement,
    replenishment,
    reservation,
    rma,
    rollout,
    source_ref,
    stock,
    ticket,
)

_LACKING: Final = (
    "part_number", "sku", "asset_class", "criticality", "unit_cost_cents", "currency", "weight_g", "length_mm",
    "width_mm", "height_mm", "is_data_bearing",
)  # fmt: skip
"""What the product that stays takes over from its double where it has nothing."""
_LEVELS: Final = ("reorder_point", "target", "safety_stock", "emergency_buffer")
_UNFINISHED: Final = frozenset(state for state, moves in ROLLOUT_MOVES.items() if moves)

_NAMED: Final[Mapping[str, Sequence[tuple[str, ColumnElement[Any]]]]] = {
    "product": (
        ("assets", asset.c.product_id),
        ("stock", stock.c.product_id),
        ("compatibilities", compatibility.c.product_id),
        ("compatibilities", compatibility.c.substitute_id),
        ("kits", kit.c.product_id),
        ("kits", kit_component.c.product_id),
        ("tickets", ticket.c.product_id),
        ("loans", loan.c.product_id),
        ("returns", rma.c.product_id),
    ),
    "site": (("assets", asset.c.site_id), ("tickets", ticket.c.site_id)),
}
"""What hangs on a thing: word for people, column that names it."""


class _Said(TypedDict):
    """Who has something moved, why, and when."""

    actor: str
    cause: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Double:
    """A thing that is called as an alias is. hangs: how many of each kind name it, by the word for people."""

    kind: EntityKind
    id: int
    name: str
    hangs: Mapping[str, int]

    @property
    def total(self) -> int:
        """How many things hang on it."""
        return sum(self.hangs.values())


async def hanging_on(tx: AsyncConnection, kind: EntityKind, thing_id: int) -> dict[str, int]:
    """How many things name a product or a site, by the word for people; nothing that none of does."""
    parts: list[Select[str, int]] = [
        select(literal_column(f"'{word}'").label("word"), func.count()).where(column == thing_id)
        for word, column in _NAMED[kind.value]
    ]
    found: dict[str, int] = {}
    for word, count in await tx.execute(union_all(*parts)):
        found[word] = found.get(word, 0) + count
    return {word: count for word, count in found.items() if count}


async def move_product_references(
    tx: AsyncConnection, double_id: int, onto_id: int, *, actor: str, cause: str, at: datetime
) -> dict[str, int]:
    """Let everything that names a product name another one, and retire the first; how many moved, by word.

    Also what sources call it, so that their records arrive at the other. Raises IllegalTransition, naming everything
    that stands against it, where units are claimed or counted: nothing is moved then.
    """
    await lock_ingest(tx)
    drafts = await load_drafts(tx, EntityKind.PRODUCT, {double_id, onto_id})
    double, onto = drafts[double_id], drafts[onto_id]
    units = await _rows(tx, asset, asset.c.product_id == double_id, "id", "hub_id", "lane")
    shelves = await _rows(tx, stock, or_(stock.c.product_id == double_id, stock.c.product_id == onto_id))
    against = await _against(tx, double, onto, shelves)
    if against:
        raise IllegalTransition(
            f"what hangs on {_name(double)} (id {double_id}) cannot be moved to {_name(onto)} (id {onto_id}): "
            f"{'; '.join(against)}",
            hint="See these through or take them back first, or add the alias without moving anything.",
        )
    said: _Said = {"actor": actor, "cause": cause, "at": at}
    moved = {"stock": await _move_shelves(tx, shelves, double_id, onto, **said)}
    columns: list[tuple[str, Table, EntityKind, str]] = [
        ("assets", asset, EntityKind.ASSET, "product_id"),
        ("tickets", ticket, EntityKind.TICKET, "product_id"),
        ("loans", loan, EntityKind.LOAN, "product_id"),
        ("returns", rma, EntityKind.RMA, "product_id"),
        ("kits", kit, EntityKind.KIT, "product_id"),
    ]
    for word, table, kind, column in columns:
        moved[word] = await repoint(tx, table, kind, column, double_id, onto_id, **said)
    moved["kits"] += await _move_components(tx, double_id, onto_id, **said)
    moved["compatibilities"] = await _move_pairs(tx, double_id, onto_id, **said)
    await repoint(tx, name_alias, EntityKind.NAME_ALIAS, "product_id", double_id, onto_id, **said)
    await tx.execute(
        update(incident_signal)
        .where(incident_signal.c.scope == f"product:{double_id}")
        .values(scope=f"product:{onto_id}")
    )
    await restate_product(tx, double_id, onto_id, at=at)
    lacking = {name: double.after[name] for name in _LACKING if onto.after[name] is None}
    double.after |= {"sku": None, "retired_at": at}
    await write_drafts(tx, EntityKind.PRODUCT, [double], **said)  # its SKU is free before the other takes it over
    onto.after |= lacking
    await write_drafts(tx, EntityKind.PRODUCT, [onto], **said)
    places = {Shelf(row["hub_id"], onto_id, row["lane"]) for row in units if row["hub_id"] is not None}
    await recount_shelves(tx, places | {shelf._replace(product_id=double_id) for shelf in places}, **said)
    return {word: count for word, count in moved.items() if count}


async def repoint(
    tx: AsyncConnection,
    table: Table,
    kind: EntityKind,
    column: str,
    before: int,
    after: int,
    *,
    actor: str,
    cause: str,
    at: datetime,
) -> int:
    """Let rows whose key column leads to one thing lead to another, each with its line in the log; how many did."""
    rows = await _rows(tx, table, table.c[column] == before, "id")
    ids = [row["id"] for row in rows]
    if ids:
        stamp = {"updated_at": at} if "updated_at" in table.c else {}
        await tx.execute(update(table).where(among(tx, table.c.id, ids)).values({column: after, **stamp}))
        changes = [NewChange(kind, row_id, "updated", {column: (before, after)}) for row_id in ids]
        await log_changes(tx, changes, actor=actor, cause=cause, at=at)
    return len(ids)


async def _rows(tx: AsyncConnection, table: Table, where: ColumnElement[bool], *columns: str) -> list[dict[str, Any]]:
    """Rows, locked in key order until the transaction ends."""
    wanted = [table.c[name] for name in columns] or list(table.c)
    statement = select(*wanted).where(where).order_by(table.c.id).with_for_update(key_share=True)
    return [dict(row) for row in (await tx.execute(statement)).mappings()]


async def _against(tx: AsyncConnection, double: Draft, onto: Draft, shelves: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why what hangs on a product cannot be moved. Asked when its units and shelves are locked."""
    c, against = reservation.c, []
    claimed = or_(c.product_id == double.id, c.requested_product_id == double.id)
    open_work: Sequence[tuple[str, Table, ColumnElement[bool]]] = (
        ("live reservation", reservation, and_(claimed, c.state.in_(RESERVATION_LIVE))),
        ("open order", procurement, _of(procurement, double.id, PROCUREMENT_OPEN)),
        ("open replenishment", replenishment, _of(replenishment, double.id, REPLENISHMENT_OPEN)),
        ("unfinished rollout", rollout, _of(rollout, double.id, _UNFINISHED)),
    )
    for word, table, where in open_work:
        count = int((await tx.execute(select(func.count()).select_from(table).where(where))).scalar_one())
        if count:
            against.append(f"{count} {word}{'s' if count > 1 else ''} of it")
    events = select(func.count()).where(
        incident_group.c.scope == f"product:{double.id}",
        incident_group.c.state.in_((GroupState.PROPOSED, GroupState.CONFIRMED)),
    )
    if (await tx.execute(events)).scalar_one():
        against.append("tickets about it are, or may be, one event: answer that, or close it")
    overridden = await standing_overrides(tx, double.id)
    if overridden:
        against.append(f"somebody has overridden its {', '.join(overridden)}")
    counted = [
        row
        for row in shelves
        if row["product_id"] == double.id
        and row["tracking"] is Tracking.COUNTED
        and (row["on_hand"] or row["reserved"])
    ]
    if counted:
        units = sum(row["on_hand"] for row in counted)
        shelf = "1 shelf" if len(counted) == 1 else f"{len(counted)} shelves"
        against.append(f"{units} units of it are counted on {shelf}: count them as the other's, and 0 here")
    on_shelves = (
        select(func.count()).select_from(asset).where(asset.c.product_id == double.id, asset.c.state.in_(ON_SHELF))
    )
    if onto.after["tracking"] is Tracking.COUNTED and (await tx.execute(on_shelves)).scalar_one():
        against.append("its units are known by serial, and those of the other are counted")
    both = await tx.execute(
        select(kit.c.name).where(kit.c.product_id.in_((double.id, onto.id)), kit.c.retired_at.is_(None))
    )
    kits = sorted(both.scalars())
    if len(kits) > 1:
        against.append(f"both have a kit ({' and '.join(map(repr, kits))})")
    return against


def _of(table: Table, product_id: int, states: frozenset[Any]) -> ColumnElement[bool]:
    return and_(table.c.product_id == product_id, table.c.state.in_(states))


async def _move_shelves(
    tx: AsyncConnection,
    shelves: Sequence[dict[str, Any]],
    double_id: int,
    onto: Draft,
    *,
    actor: str,
    cause: str,
    at: datetime,
) -> int:
    """Shelves of the double become those of the other; where it has one, that takes over the levels it lacks."""
    onto_id, tracking = onto.id, onto.after["tracking"]
    own = {
        (row["hub_id"], row["lane"]): Draft(EntityKind.STOCK, before=row, after=dict(row), id=row["id"])
        for row in shelves
        if row["product_id"] == onto_id
    }
    drafts = list(own.values())
    moved = [row for row in shelves if row["product_id"] == double_id]
    for row in moved:
        draft = Draft(EntityKind.STOCK, before=row, after=dict(row), id=row["id"])
        drafts.append(draft)
        there = own.get((row["hub_id"], row["lane"]))
        if there is None:
            draft.after |= {"product_id": onto_id, "tracking": tracking}
            continue
        there.after |= {name: row[name] for name in _LEVELS if there.after[name] is None}
        draft.after |= dict.fromkeys(_LEVELS)
        await tx.execute(
            update(source_ref)
            .where(source_ref.c.kind == EntityKind.STOCK, source_ref.c.entity_id == row["id"])
            .values(entity_id=there.id)
        )
    await write_drafts(tx, EntityKind.STOCK, drafts, actor=actor, cause=cause, at=at)
    return len(moved)


async def _move_components(
    tx: AsyncConnection, double_id: int, onto_id: int, *, actor: str, cause: str, at: datetime
) -> int:
    """Kits that pack the double pack the other; where both are packed, as many as of both together."""
    within = select(kit_component.c.kit_id).where(kit_component.c.product_id == double_id)
    kits = await components_of(tx, set((await tx.execute(within)).scalars()))
    after: dict[int, tuple[Component, ...]] = {}
    for kit_id, components in kits.items():
        quantities: dict[int, int] = {}
        for product_id, quantity in components:
            packed = onto_id if product_id == double_id else product_id
            quantities[packed] = quantities.get(packed, 0) + quantity
        after[kit_id] = tuple(Component(*item) for item in quantities.items())
    await set_components(tx, after)
    changes = [
        NewChange(EntityKind.KIT, kit_id, "updated", {"components": (_shown(kits[kit_id]), _shown(components))})
        for kit_id, components in after.items()
    ]
    await log_changes(tx, changes, actor=actor, cause=cause, at=at)
    return len(after)


async def _move_pairs(
    tx: AsyncConnection, double_id: int, onto_id: int, *, actor: str, cause: str, at: datetime
) -> int:
    """What can stand in for the double, and for what it can. A pair that is there already, or of itself, is retired."""
    c = compatibility.c
    both = (double_id, onto_id)
    rows = await _rows(tx, compatibility, or_(c.product_id.in_(both), c.substitute_id.in_(both)))
    drafts = [Draft(EntityKind.COMPATIBILITY, before=row, after=dict(row), id=row["id"]) for row in rows]
    there = {(draft.after["product_id"], draft.after["substitute_id"]): draft for draft in drafts}
    moved = [draft for pair, draft in there.items() if double_id in pair]
    for draft in moved:
        first, second = (
            onto_id if draft.after[name] == double_id else draft.after[name] for name in ("product_id", "substitute_id")
        )
        same = there.get((first, second))
        if first != second and same is None:
            draft.after |= {"product_id": first, "substitute_id": second}
            there[first, second] = draft
            continue
        if same is not None:
            if draft.after["retired_at"] is None:
                same.after["retired_at"] = None
            refs = update(source_ref).where(
                source_ref.c.kind == EntityKind.COMPATIBILITY, source_ref.c.entity_id == draft.id
            )
            await tx.execute(refs.values(entity_id=same.id, content_hash=b""))
        draft.after["retired_at"] = at
    await write_drafts(tx, EntityKind.COMPATIBILITY, drafts, actor=actor, cause=cause, at=at)
    return len(moved)


def _shown(components: Sequence[Component]) -> list[dict[str, int]]:
    return [component._asdict() for component in components]


def _name(draft: Draft) -> str:
    return f"{draft.after['manufacturer']} {draft.after['model']}"
