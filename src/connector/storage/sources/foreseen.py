"""What a transaction under way has changed so far, told by the names that people and sources have for things."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.refs import EntityKind
from connector.storage.database.bulk import among
from connector.storage.database.drafts import TABLES
from connector.storage.tables import change, hub, product, source_ref

_NAMED_BY: Final[Mapping[EntityKind, tuple[str, ...]]] = {
    EntityKind.SITE: ("name", "code"),
    EntityKind.HUB: ("name", "code"),
    EntityKind.KIT: ("name",),
    EntityKind.ASSET: ("name", "serial", "asset_tag"),
    EntityKind.TICKET: ("number",),
    EntityKind.SHIPMENT: ("tracking_number",),
    EntityKind.PROCUREMENT: ("order_number",),
}
"""The columns that people know a thing by; the first one that is filled in."""
PAGE: Final = 500
"""Things that are told at once."""
_LEADS_TO: Final[Mapping[str, EntityKind]] = {
    "site_id": EntityKind.SITE,
    "hub_id": EntityKind.HUB,
    "to_hub_id": EntityKind.HUB,
    "product_id": EntityKind.PRODUCT,
    "substitute_id": EntityKind.PRODUCT,
    "asset_id": EntityKind.ASSET,
}
"""Columns that hold the id of another thing."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What becomes of a thing, by changes that were made and are not committed.

    operation: created, updated, retired; withdrawn, where its source has it no more and it stays as it is. name: what
    people call the thing, "" where nothing says so. external_ids: what the source calls it. fields: by name, before and
    after; of other things their names instead of their ids.
    """

    kind: EntityKind
    entity_id: int
    operation: str
    fields: Mapping[str, tuple[Any, Any]]
    name: str = ""
    external_ids: tuple[str, ...] = ()


async def newest_change(tx: AsyncConnection) -> int:
    """The id of the newest change; 0 without one."""
    return int((await tx.execute(select(func.coalesce(func.max(change.c.id), 0)))).scalar_one())


async def changes_after(
    tx: AsyncConnection, after: int, *, source_id: int, actor: str
) -> AsyncGenerator[list[Foreseen], None]:
    """What becomes of each thing of the model that somebody changed after a change, in pages.

    In the order in which things were changed first. What was changed several times is told once, as it ends; what ends
    as it began is left out.
    """
    c, earlier = change.c, change.alias()
    told = (c.actor == actor, c.kind.not_in([EntityKind.SOURCE, EntityKind.QUARANTINE, EntityKind.IDENTITY_REVIEW]))
    same = (earlier.c.kind == c.kind, earlier.c.entity_id == c.entity_id, earlier.c.id < c.id)
    is_first = ~exists().where(*same, earlier.c.id > after, earlier.c.actor == actor)
    last = after
    while True:
        statement = select(c.id, c.kind, c.entity_id).where(c.id > last, *told, is_first).order_by(c.id).limit(PAGE)
        firsts = (await tx.execute(statement)).all()
        if not firsts:
            return
        last = firsts[-1].id
        by_kind: defaultdict[EntityKind, set[int]] = defaultdict(set)
        for _, kind, entity_id in firsts:
            by_kind[kind].add(entity_id)
        steps: defaultdict[tuple[EntityKind, int], list[tuple[str, Mapping[str, Sequence[Any]]]]] = defaultdict(list)
        for kind, ids in by_kind.items():
            rows = select(c.entity_id, c.operation, c.fields).where(c.id > after, c.actor == actor, c.kind == kind)
            for entity_id, operation, fields in await tx.execute(
                rows.where(among(tx, c.entity_id, ids)).order_by(c.id)
            ):
                steps[kind, entity_id].append((operation, fields))
        found = [_together(kind, entity_id, steps[kind, entity_id]) for _, kind, entity_id in firsts]
        yield await named(tx, [item for item in found if item is not None], source_id)


def _together(
    kind: EntityKind, entity_id: int, steps: Sequence[tuple[str, Mapping[str, Sequence[Any]]]]
) -> Foreseen | None:
    """Changes of one thing as one; None where they take each other back."""
    fields: dict[str, tuple[Any, Any]] = {}
    for _, changed in steps:
        for name, (before, after) in changed.items():
            fields[name] = (fields[name][0] if name in fields else before, after)
    if len(steps) > 1:
        fields = {name: pair for name, pair in fields.items() if pair[0] != pair[1]}
        if not fields and steps[0][0] == "updated":
            return None
    return Foreseen(kind, entity_id, _operation(steps[0][0], fields), fields)


def _operation(operation: str, fields: Mapping[str, Sequence[Any]]) -> str:
    is_retired = "retired_at" in fields and fields["retired_at"][1] is not None
    return "retired" if operation == "updated" and is_retired else operation


async def named(tx: AsyncConnection, changes: Sequence[Foreseen], source_id: int) -> list[Foreseen]:
    """The same, with the names of things; where nothing says what the source calls one, that as well."""
    things: defaultdict[EntityKind, set[int]] = defaultdict(set)
    mentioned: defaultdict[EntityKind, set[int]] = defaultdict(set)
    for item in changes:
        things[item.kind].add(item.entity_id)
        for kind, number in _mentioned(item):
            mentioned[kind].add(number)
    names = {
        kind: await _names_of(tx, kind, things[kind] | mentioned[kind]) for kind in things.keys() | mentioned.keys()
    }
    known = {kind: await _external_ids(tx, source_id, kind, ids) for kind, ids in things.items()}
    return [
        replace(
            item,
            name=names[item.kind].get(item.entity_id, ""),
            external_ids=item.external_ids or tuple(known[item.kind].get(item.entity_id, ())),
            fields={name: _told(name, pair, names) for name, pair in item.fields.items()},
        )
        for item in changes
    ]


async def names_in(tx: AsyncConnection, values: Collection[tuple[str, Any]]) -> dict[tuple[str, int], str]:
    """What people call the things whose ids these columns hold; without whatever is no id, or has no name."""
    ids: defaultdict[EntityKind, set[int]] = defaultdict(set)
    led = [(column, value) for column, value in values if column in _LEADS_TO and isinstance(value, int)]
    for column, number in led:
        ids[_LEADS_TO[column]].add(number)
    names = {kind: await _names_of(tx, kind, numbers) for kind, numbers in ids.items()}
    found = {(column, number): names[_LEADS_TO[column]].get(number) for column, number in led}
    return {pair: name for pair, name in found.items() if name}


def _mentioned(item: Foreseen) -> Iterator[tuple[EntityKind, int]]:
    for name, pair in item.fields.items():
        if name in _LEADS_TO:
            yield from ((_LEADS_TO[name], number) for number in pair if isinstance(number, int))


def _told(name: str, pair: tuple[Any, Any], names: Mapping[EntityKind, Mapping[int, str]]) -> tuple[Any, Any]:
    if name not in _LEADS_TO:
        return pair
    known = names.get(_LEADS_TO[name], {})
    before, after = (known.get(number) or number for number in pair)
    return before, after


async def _names_of(tx: AsyncConnection, kind: EntityKind, ids: Collection[int]) -> dict[int, str]:
    table = TABLES.get(kind)
    named = _name(kind, table) if table is not None else None
    if table is None or named is None:
        return {}
    rows = await tx.execute(select(table.c.id, named).where(among(tx, table.c.id, ids)))
    return {number: name for number, name in rows if name}


def _name(kind: EntityKind, table: Table) -> ColumnElement[str] | None:
    """What people call a thing of this kind; None where they call it nothing."""
    if kind is EntityKind.PRODUCT:
        return product.c.manufacturer + " " + product.c.model
    if kind is EntityKind.STOCK:
        where = select(hub.c.name).where(hub.c.id == table.c.hub_id).scalar_subquery()
        what = select(product.c.manufacturer + " " + product.c.model).where(product.c.id == table.c.product_id)
        return what.scalar_subquery() + " in " + where
    columns = [table.c[name] for name in _NAMED_BY.get(kind, ())]
    if len(columns) < 2:  # SQLite's coalesce takes two or more
        return columns[0] if columns else None
    return func.coalesce(*columns)


async def _external_ids(
    tx: AsyncConnection, source_id: int, kind: EntityKind, ids: Collection[int]
) -> dict[int, list[str]]:
    c = source_ref.c
    statement = select(c.entity_id, c.external_id).where(c.source_id == source_id, c.kind == kind)
    found: defaultdict[int, list[str]] = defaultdict(list)
    for entity_id, external_id in await tx.execute(statement.where(among(tx, c.entity_id, ids)).order_by(c.id)):
        found[entity_id].append(external_id)
    return found
