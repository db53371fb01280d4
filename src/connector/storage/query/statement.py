"""One statement for everything that a query reads: rows with the rows related to them, nested as JSON.

Every level is a subquery that depends on the row above it, so that a page of a relation is cut off where it is read and
no row travels twice. Values stand in the answer as `connector.storage.query.layout` tells. SQLite writes a row as an
array; PostgreSQL as an object whose names are the places, since `row_to_json` of a subquery costs it half of what
building an array does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import (
    JSON,
    ColumnElement,
    Float,
    FromClause,
    LargeBinary,
    ScalarSelect,
    Select,
    Subquery,
    Text,
    case,
    cast,
    func,
    literal_column,
    select,
)

from connector.storage.query.aggregate import AggregateRead, grouped
from connector.storage.query.conditions import cursor_condition, one_of, one_of_given, page_condition
from connector.storage.query.entity import Entity, ToMany, ToOne
from connector.storage.query.keyset import full_order, order_by
from connector.storage.query.layout import NEWEST, Branch, Layout, layout_of
from connector.storage.query.selection import Page, Selection
from connector.storage.query.sight import Sight, joining_key


@dataclass(frozen=True, slots=True)
class PageRead:
    """A page of an entity's rows."""

    selection: Selection
    page: Page


@dataclass(frozen=True, slots=True)
class RowsRead:
    """The rows with these ids, retired ones too. ids: None for those that are told when the statement is sent."""

    selection: Selection
    ids: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class ValueRead:
    """A single value. sql: a statement for it."""

    sql: Select[Any]


Read: TypeAlias = PageRead | RowsRead | ValueRead | AggregateRead
_Key: TypeAlias = tuple[str, Subquery]


def statement_of(reads: Sequence[Read], dialect: str, sight: Sight) -> Select[*tuple[Any, ...]]:
    """One row: a JSON text for each read, with the number of all rows behind it where a page is counted.

    sight: what lies outside is not read.
    """
    writer = _Writer(dialect, sight)
    return select(*(column.label(f"r{number}") for number, column in enumerate(writer.columns(reads))))


class _Writer:
    def __init__(self, dialect: str, sight: Sight) -> None:
        self._dialect = dialect
        self._sight = sight
        self._is_postgres = dialect == "postgresql"

    def columns(self, reads: Sequence[Read]) -> Iterator[ColumnElement[Any]]:
        for read in reads:
            match read:
                case PageRead(selection, page):
                    layout = layout_of(selection, page)
                    if page.rows:
                        yield self._text(self._page(layout, page))
                    if page.counts:
                        yield self._count(layout.entity, page)
                case RowsRead(selection, ids):
                    yield self._text(self._rows(layout_of(selection), ids))
                case ValueRead(sql):
                    yield sql.scalar_subquery()
                case AggregateRead():
                    yield self._text(self._groups(read))

    def _page(self, layout: Layout, page: Page, depth: int = 0, key: _Key | None = None) -> Any:
        """key: the name of the column that holds the parent's id, and where that comes from."""
        entity = layout.entity
        source = self._sight.rows_at(entity, depth)
        terms = order_by(entity, source, full_order(entity, page.order), backward=page.backward)
        rows = self._plain(layout, source).where(
            page_condition(entity, source, page, self._sight), cursor_condition(entity, source, page)
        )
        return self._list(layout, _belonging(rows, entity, source, key).order_by(*terms).limit(page.size + 1), depth)

    def _rows(self, layout: Layout, ids: tuple[int, ...] | None) -> Any:
        source, dialect = self._sight.rows_at(layout.entity, 0), self._dialect
        key = source.c.id
        wanted = one_of_given(key, dialect=dialect) if ids is None else one_of(key, ids, dialect=dialect)
        return self._list(layout, self._plain(layout, source).where(wanted), 0)

    def _groups(self, read: AggregateRead) -> Any:
        """An array for each group, whose values are asked for rarely enough that it may cost more than an object."""
        rows = grouped(read, self._dialect, self._sight).subquery("groups")
        items = [self._json(column) for column in rows.c]
        if self._is_postgres:
            return select(func.coalesce(func.json_agg(func.json_build_array(*items)), literal_column("'[]'::json")))
        return select(func.json_group_array(func.json_array(*items))).select_from(rows)

    def _count(self, entity: Entity, page: Page, depth: int = 0, key: _Key | None = None) -> ScalarSelect[int]:
        source = self._sight.rows_at(entity, depth)
        counted = select(func.count()).select_from(source).where(page_condition(entity, source, page, self._sight))
        return _belonging(counted, entity, source, key).scalar_subquery()

    def _plain(self, layout: Layout, source: FromClause) -> Select[*tuple[Any, ...]]:
        """The columns of a row and the keys that its relations need, before JSON is made of those that are shown."""
        keys = {branch.relation.key for branch in layout.branches if isinstance(branch.relation, ToOne)}
        names = (*layout.names, *sorted(keys.difference(layout.names)))
        return select(*(layout.entity.expression(name, source).label(name) for name in names))

    def _list(self, layout: Layout, rows: Select[*tuple[Any, ...]], depth: int) -> Any:
        source = rows.subquery(f"p{depth}")
        items = self._items(layout, source, depth)
        if self._is_postgres:
            written = _numbered(items).select_from(source).subquery(f"w{depth}")
            return select(func.coalesce(func.json_agg(written.table_valued()), literal_column("'[]'::json")))
        return select(func.json_group_array(func.json_array(*items))).select_from(source)

    def _one(self, layout: Layout, branch: ToOne, parent: Subquery, depth: int) -> Any:
        rows = self._sight.rows_at(layout.entity, depth)
        source = self._plain(layout, rows).where(rows.c.id == parent.c[branch.key]).correlate(parent)
        return self._first(layout, source.subquery(f"p{depth}"), depth)

    def _first(self, layout: Layout, source: Subquery, depth: int) -> Any:
        items = self._items(layout, source, depth)
        if self._is_postgres:
            written = _numbered(items).select_from(source).subquery(f"w{depth}")
            return select(func.row_to_json(written.table_valued()))
        return select(func.json_array(*items)).select_from(source)

    def _items(self, layout: Layout, source: Subquery, depth: int) -> list[ColumnElement[Any]]:
        """What stands in a row, place by place."""
        items = [self._json(source.c[name]) for name in layout.names]
        for branch in layout.branches:
            items.extend(self._branch(branch, source, depth + 1))
        return items

    def _branch(self, branch: Branch, parent: Subquery, depth: int) -> Iterator[ColumnElement[Any]]:
        layout, relation, page = branch.layout, branch.relation, branch.child.page
        if isinstance(relation, ToOne):
            yield self._nested(self._one(layout, relation, parent, depth))
            return
        key = (relation.key, parent)
        if relation.newest_only:
            yield self._nested(self._first(layout, self._newest(layout, relation, parent, depth), depth))
        elif page is None:
            yield self._nested(self._all(layout, relation, parent, depth))
        else:
            if page.rows:
                yield self._nested(self._page(layout, page, depth, key))
            if page.counts:
                yield self._count(layout.entity, page, depth, key)

    def _newest(self, layout: Layout, relation: ToMany, parent: Subquery, depth: int) -> Subquery:
        entity = layout.entity
        source = self._sight.rows_at(entity, depth)
        rows = _belonging(self._plain(layout, source), entity, source, (relation.key, parent))
        terms = order_by(entity, source, NEWEST.order, backward=False)
        return rows.order_by(*terms).limit(1).subquery(f"p{depth}")

    def _all(self, layout: Layout, relation: ToMany, parent: Subquery, depth: int) -> Any:
        entity = layout.entity
        source = self._sight.rows_at(entity, depth)
        rows = _belonging(self._plain(layout, source), entity, source, (relation.key, parent))
        if entity.retires:
            rows = rows.where(source.c.retired_at.is_(None))
        terms = (entity.expression(name, source) for name in relation.sorted_by)
        return self._list(layout, rows.order_by(*terms, source.c.id), depth)

    def _json(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """The column as JSON can hold it."""
        match column.type:
            case LargeBinary():
                return func.encode(column, "hex") if self._is_postgres else func.hex(column)
            case Float() if not self._is_postgres:
                return case((column.is_not(None), func.printf("%!.17g", column)))  # json_array writes 15 digits
            case JSON() if not self._is_postgres:
                return func.json(column)
            case _:
                return column

    def _nested(self, rows: Any) -> ColumnElement[Any]:
        """JSON within JSON, which SQLite may otherwise take for a text."""
        value: ColumnElement[Any] = rows.scalar_subquery()
        return value if self._is_postgres else func.json(value)

    def _text(self, rows: Any) -> ColumnElement[Any]:
        value: ColumnElement[Any] = rows.scalar_subquery()
        return cast(value, Text) if self._is_postgres else value


def _belonging(rows: Select[Any], entity: Entity, source: FromClause, key: _Key | None) -> Select[Any]:
    """Only those rows that belong to a row above."""
    if key is None:
        return rows
    name, parent = key
    return rows.where(joining_key(entity, name, source) == parent.c.id).correlate(parent)


def _numbered(items: Sequence[ColumnElement[Any]]) -> Select[*tuple[Any, ...]]:
    return select(*(item.label(str(place)) for place, item in enumerate(items)))
