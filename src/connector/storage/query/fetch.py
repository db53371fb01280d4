"""Runs selections: one statement for the rows, one more for each relation level, however many rows there are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.storage.query.entities import ENTITIES
from connector.storage.query.entity import Entity, ToMany, ToOne
from connector.storage.query.keyset import encode_cursor, full_order
from connector.storage.query.rows import Connection, Edge, PageInfo, Row
from connector.storage.query.selection import Child, Order, Page, Selection
from connector.storage.query.statements import (
    columns_sql,
    count_per_parent_statement,
    count_statement,
    one_of,
    page_per_parent_statement,
    page_statement,
)


async def fetch_page(tx: AsyncConnection, selection: Selection, page: Page) -> Connection:
    """One page of an entity's rows, with everything that the selection asks for."""
    entity = ENTITIES[selection.entity]
    total = None
    if page.counts:
        total = int((await tx.execute(count_statement(entity, page))).scalar_one())
    rows: list[Row] = []
    if page.rows:
        names = _names(entity, selection, page.order)
        rows = await _rows(tx, entity, names, page_statement(entity, names, page))
        await _load_children(tx, rows[: page.size], selection)
    return _connection(entity, page, rows, total)


async def fetch_rows(tx: AsyncConnection, selection: Selection, ids: Collection[int]) -> dict[int, Row]:
    """The rows with these ids, retired ones too; ids that do not exist are left out."""
    if not ids:
        return {}
    entity = ENTITIES[selection.entity]
    names = _names(entity, selection)
    statement = select(*columns_sql(entity, entity.table, names)).where(
        one_of(entity.table.c.id, ids, dialect=tx.dialect.name)
    )
    rows = await _rows(tx, entity, names, statement)
    await _load_children(tx, rows, selection)
    return {row.id: row for row in rows}


async def _rows(
    tx: AsyncConnection, entity: Entity, names: Sequence[str], statement: Select[*tuple[Any, ...]]
) -> list[Row]:
    result = await tx.execute(statement)
    return [Row(entity.name, dict(zip(names, values, strict=True))) for values in result]


def _names(entity: Entity, selection: Selection, order: Sequence[Order] = (), *extra: str) -> tuple[str, ...]:
    """The columns to read: those asked for, the id, the keys of relations and what the cursor holds."""
    keys = (
        relation.key for child in selection.children if isinstance(relation := entity.relations[child.relation], ToOne)
    )
    return tuple(dict.fromkeys(["id", *sorted(selection.columns), *keys, *(key.column for key in order), *extra]))


async def _load_children(tx: AsyncConnection, rows: Sequence[Row], selection: Selection) -> None:
    if not rows:
        return
    entity = ENTITIES[selection.entity]
    for child in selection.children:
        match entity.relations[child.relation]:
            case ToOne() as relation:
                await _load_one(tx, rows, child, relation)
            case ToMany(newest_only=True) as relation:
                await _load_newest(tx, rows, child, relation)
            case ToMany() as relation if child.page is None:
                await _load_list(tx, rows, child, relation)
            case ToMany() as relation:
                await _load_pages(tx, rows, child, relation, child.page)


async def _load_one(tx: AsyncConnection, rows: Sequence[Row], child: Child, relation: ToOne) -> None:
    ids = {row.values[relation.key] for row in rows} - {None}
    found = await fetch_rows(tx, child.selection, ids)
    for row in rows:
        row.related[child.key] = found.get(row.values[relation.key])


async def _load_newest(tx: AsyncConnection, rows: Sequence[Row], child: Child, relation: ToMany) -> None:
    newest = Page(size=1, order=(Order("id", descending=True),), include_retired=True)
    grouped = await _pages(tx, rows, child.selection, relation, newest)
    await _load_children(tx, [found[0] for found in grouped.values()], child.selection)
    for row in rows:
        found = grouped.get(row.id)
        row.related[child.key] = found[0] if found else None


async def _load_list(tx: AsyncConnection, rows: Sequence[Row], child: Child, relation: ToMany) -> None:
    entity = ENTITIES[relation.target]
    names = _names(entity, child.selection, (), relation.key)
    parent = entity.expression(relation.key, entity.table)
    statement = (
        select(*columns_sql(entity, entity.table, names))
        .where(one_of(parent, [row.id for row in rows], dialect=tx.dialect.name))
        .order_by(parent, *(entity.expression(name, entity.table) for name in relation.sorted_by), entity.table.c.id)
    )
    if entity.retires:
        statement = statement.where(entity.table.c.retired_at.is_(None))
    found = await _rows(tx, entity, names, statement)
    await _load_children(tx, found, child.selection)
    grouped = _group(found, relation.key)
    for row in rows:
        row.related[child.key] = grouped.get(row.id, [])


async def _load_pages(tx: AsyncConnection, rows: Sequence[Row], child: Child, relation: ToMany, page: Page) -> None:
    entity = ENTITIES[relation.target]
    parents = [row.id for row in rows]
    totals: dict[int, int] = {}
    if page.counts:
        counted = count_per_parent_statement(entity, page, key=relation.key, parents=parents, dialect=tx.dialect.name)
        totals = {parent: total for parent, total in await tx.execute(counted)}
    grouped: dict[int, list[Row]] = {}
    if page.rows:
        grouped = await _pages(tx, rows, child.selection, relation, page)
        shown = [row for found in grouped.values() for row in found[: page.size]]
        await _load_children(tx, shown, child.selection)
    for row in rows:
        total = totals.get(row.id, 0) if page.counts else None
        row.related[child.key] = _connection(entity, page, grouped.get(row.id, []), total)


async def _pages(
    tx: AsyncConnection, rows: Sequence[Row], selection: Selection, relation: ToMany, page: Page
) -> dict[int, list[Row]]:
    entity = ENTITIES[relation.target]
    names = _names(entity, selection, page.order, relation.key)
    statement = page_per_parent_statement(
        entity, names, page, key=relation.key, parents=[row.id for row in rows], dialect=tx.dialect.name
    )
    return _group(await _rows(tx, entity, names, statement), relation.key)


def _group(rows: Iterable[Row], key: str) -> dict[int, list[Row]]:
    grouped: dict[int, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row.values[key], []).append(row)
    return grouped


def _connection(entity: Entity, page: Page, rows: Sequence[Row], total: int | None) -> Connection:
    """Rows as they were read, one more than the page when there are more, become a page in reading order."""
    more = len(rows) > page.size
    shown = list(rows[: page.size])
    if page.backward:
        shown.reverse()
    order = full_order(entity, page.order)
    edges = tuple(Edge(row, encode_cursor(order, [row.values[key.column] for key in order])) for row in shown)
    return Connection(
        edges=edges,
        page_info=PageInfo(
            has_next_page=page.before is not None if page.backward else more,
            has_previous_page=more if page.backward else page.after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
        total_count=total,
    )
