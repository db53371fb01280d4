"""Conflicts and overrides as lists have them: with the name of the thing that each is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Select, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import GoldenReason
from connector.model.refs import EntityKind
from connector.storage.tables import asset, field_conflict, field_override, hub, product, site


@dataclass(frozen=True, slots=True)
class ListedStatement:
    """What a reference states. values: of the field's columns, as JSON has them."""

    source: str
    external_id: str
    values: list[Any]


@dataclass(frozen=True, slots=True)
class ListedConflict:
    """A conflict. name: of the thing. source: whose statement holds, None where a person overrode the field."""

    id: int
    kind: EntityKind
    entity_id: int
    name: str | None
    field: str
    source: str | None
    reason: GoldenReason
    statements: list[ListedStatement]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ListedOverride:
    """An override. name: of the thing. value, replaced: values of the field's columns, as JSON has them."""

    id: int
    kind: EntityKind
    entity_id: int
    name: str | None
    field: str
    value: list[Any]
    replaced: list[Any]
    reason: str
    created_by: str
    created_at: datetime
    until: datetime | None
    released_at: datetime | None
    released_by: str | None


async def list_conflicts(
    tx: AsyncConnection, *, kind: EntityKind | None = None, field: str | None = None, after: int = 0, limit: int
) -> list[ListedConflict]:
    """A page of conflicts, oldest first; the id of its last one is `after` of the next page."""
    c = field_conflict.c
    columns = (c.id, c.kind, c.entity_id, _NAME, c.field, c.source, c.reason, c.statements, c.created_at)
    rows = await tx.execute(_page(field_conflict, columns, kind=kind, field=field, after=after, limit=limit))
    return [
        ListedConflict(*(*head, [ListedStatement(*one[:3]) for one in statements], created_at))
        for *head, statements, created_at in rows
    ]


async def list_overrides(
    tx: AsyncConnection,
    *,
    kind: EntityKind | None = None,
    field: str | None = None,
    standing_only: bool = True,
    after: int = 0,
    limit: int,
) -> list[ListedOverride]:
    """A page of overrides in the same order."""
    c = field_override.c
    columns = (
        *(c.id, c.kind, c.entity_id, _NAME, c.field, c.value, c.replaced, c.reason),
        *(c.created_by, c.created_at, c.until, c.released_at, c.released_by),
    )
    statement = _page(field_override, columns, kind=kind, field=field, after=after, limit=limit)
    if standing_only:
        statement = statement.where(c.released_at.is_(None))
    return [ListedOverride(*row) for row in await tx.execute(statement)]


_NAME: Final[ColumnElement[Any]] = func.coalesce(
    asset.c.name,
    asset.c.serial,
    asset.c.asset_tag,
    site.c.name,
    hub.c.name,
    product.c.manufacturer + " " + product.c.model,
)


def _page(
    table: Table,
    columns: tuple[ColumnElement[Any], ...],
    *,
    kind: EntityKind | None,
    field: str | None,
    after: int,
    limit: int,
) -> Select[*tuple[Any, ...]]:
    named: FromClause = table
    for of in (asset, site, hub, product):
        named = named.outerjoin(of, of.c.id == table.c[f"{of.name}_id"])
    statement = select(*columns).select_from(named).where(table.c.id > after).order_by(table.c.id).limit(limit)
    if kind is not None:
        statement = statement.where(table.c.kind == kind)
    return statement if field is None else statement.where(table.c.field == field)
