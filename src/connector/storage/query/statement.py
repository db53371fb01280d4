"""One statement for everything that a query reads: rows with the rows related to them, nested as JSON.

Every level is a subquery that depends on the row above it, so that a page of a relation is cut off where it is read and
no row travels twice. Values stand in the answer as `connector.storage.query.layout` tells. SQLite writes a row as an
array; PostgreSQL as an object whose names are the places, since `row_to_json` of a subquery costs it half of what
building an array does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    JSON,
    ColumnElement,
    Float,
    LargeBinary,
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
from connector.storage.query.entity import ToOne
from connector.storage.query.forms import GroupsForm, PageForm, RowForm
from connector.storage.query.json_text_postgresql import PostgresqlJson
from connector.storage.query.json_text_sqlite import SqliteJson
from connector.storage.query.layout import Branch, Layout, layout_of
from connector.storage.query.rowsets import Key, Rows, RowSets
from connector.storage.query.selection import Page, Parameter, Selection
from connector.storage.query.sight import Sight
from connector.storage.query.written import FormWriter


@dataclass(frozen=True, slots=True)
class PageRead:
    """A page of an entity's rows."""

    selection: Selection
    page: Page


@dataclass(frozen=True, slots=True)
class RowsRead:
    """The rows with these ids, or this one, retired ones too. ids: None for those told when the statement is sent."""

    selection: Selection
    ids: tuple[int, ...] | Parameter | None


@dataclass(frozen=True, slots=True)
class WrittenPage:
    """A page of an entity's rows as the response has it, written by the database."""

    form: PageForm


@dataclass(frozen=True, slots=True)
class WrittenRow:
    """The row with this id as the response has it, retired or not, written by the database."""

    selection: Selection
    id: int | Parameter
    form: RowForm


@dataclass(frozen=True, slots=True)
class WrittenGroups:
    """Groups as the response has them, written by the database."""

    read: AggregateRead
    form: GroupsForm


@dataclass(frozen=True, slots=True)
class ValueRead:
    """A single value. sql: a statement for it."""

    sql: Select[Any]


WRITTEN: Final = (WrittenPage, WrittenRow, WrittenGroups)
"""Whose one column is the answer as it is."""

Read: TypeAlias = PageRead | RowsRead | WrittenPage | WrittenRow | WrittenGroups | ValueRead | AggregateRead


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
        self._rows = RowSets(dialect, sight)
        self._forms = FormWriter(self._rows, PostgresqlJson() if self._is_postgres else SqliteJson())

    def columns(self, reads: Sequence[Read]) -> Iterator[ColumnElement[Any]]:
        for read in reads:
            match read:
                case PageRead(selection, page):
                    layout = layout_of(selection, page)
                    if page.rows:
                        yield self._text(self._page(layout, page))
                    if page.counts:
                        yield self._rows.count(layout.entity, page, 0, None)
                case RowsRead(selection, ids):
                    layout = layout_of(selection)
                    yield self._text(self._list(layout, self._rows.by_ids(layout, ids), 0))
                case WrittenPage(form):
                    yield self._forms.page(form)
                case WrittenRow(selection, id_, form):
                    yield self._forms.row(layout_of(selection), form, id_)
                case WrittenGroups(read=asked, form=groups):
                    rows = grouped(asked, self._dialect, self._sight, asked.size + groups.looks_further)
                    yield self._forms.groups(rows, groups, asked.size)
                case ValueRead(sql):
                    yield sql.scalar_subquery()
                case AggregateRead():
                    yield self._text(self._groups(read))

    def _page(self, layout: Layout, page: Page, depth: int = 0, key: Key | None = None) -> Any:
        """A page and, where there is one, the row behind it."""
        return self._list(layout, self._rows.page(layout, page, depth, key, size=page.size + 1), depth)

    def _groups(self, read: AggregateRead) -> Any:
        """An array for each group, whose values are asked for rarely enough that it may cost more than an object."""
        rows = grouped(read, self._dialect, self._sight, read.size + 1).subquery("groups")
        items = [self._json(column) for column in rows.c]
        if self._is_postgres:
            return select(func.coalesce(func.json_agg(func.json_build_array(*items)), literal_column("'[]'::json")))
        return select(func.json_group_array(func.json_array(*items))).select_from(rows)

    def _list(self, layout: Layout, rows: Rows, depth: int) -> Any:
        source = rows.subquery(f"p{depth}")
        items = self._items(layout, source, depth)
        if self._is_postgres:
            written = _numbered(items).select_from(source).subquery(f"w{depth}")
            return select(func.coalesce(func.json_agg(written.table_valued()), literal_column("'[]'::json")))
        return select(func.json_group_array(func.json_array(*items))).select_from(source)

    def _first(self, layout: Layout, rows: Rows, depth: int) -> Any:
        source = rows.subquery(f"p{depth}")
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
            yield self._nested(self._first(layout, self._rows.one(layout, relation, parent, depth), depth))
        elif relation.newest_only:
            yield self._nested(self._first(layout, self._rows.newest(layout, relation, parent, depth), depth))
        elif page is None:
            yield self._nested(self._list(layout, self._rows.all(layout, relation, parent, depth), depth))
        else:
            key = (relation.key, parent)
            if page.rows:
                yield self._nested(self._page(layout, page, depth, key))
            if page.counts:
                yield self._rows.count(layout.entity, page, depth, key)

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


def _numbered(items: Sequence[ColumnElement[Any]]) -> Select[*tuple[Any, ...]]:
    return select(*(item.label(str(place)) for place, item in enumerate(items)))
