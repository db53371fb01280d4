"""Rows and pages as a response has them, written by PostgreSQL: nothing of them is read or changed on the way.

`connector.storage.query.forms` says what they look like. Everything that stands below a row is a subquery that depends
on it, as in `connector.storage.query.statement`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_never

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Subquery,
    Text,
    cast,
    false,
    func,
    literal_column,
    select,
    true,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from connector.storage.query.cursor import text_literal, written_cursor, written_instant
from connector.storage.query.entity import ToOne
from connector.storage.query.forms import (
    Always,
    Below,
    Edge,
    EdgeForm,
    GlobalId,
    Info,
    InfoForm,
    PageForm,
    PagePart,
    RowForm,
    RowMember,
    Shown,
    Total,
    Writing,
)
from connector.storage.query.layout import Branch, Layout
from connector.storage.query.rowsets import Key, RowSets
from connector.storage.query.selection import Parameter

_PLACE = "place_"
"""A name that no column has."""

_EMPTY: ColumnElement[Any] = literal_column("'[]'::json")


class FormWriter:
    """Writes forms. rows: what is read."""

    def __init__(self, rows: RowSets) -> None:
        self._rows = rows

    def row(self, layout: Layout, form: RowForm, id_: int | Parameter) -> ColumnElement[Any]:
        """The row with this id; NULL when there is none."""
        wanted = id_ if isinstance(id_, Parameter) else (id_,)
        made: ColumnElement[Any] = self._one(
            form, self._rows.by_ids(layout, wanted).subquery("p0"), 0
        ).scalar_subquery()
        return made

    def page(self, form: PageForm) -> ColumnElement[Any]:
        """A page of rows."""
        made: ColumnElement[Any] = self._page(form, 0, None).scalar_subquery()
        return made

    def _page(self, form: PageForm, depth: int, key: Key | None) -> Any:
        size = form.page.size
        if not (form.looks_further or form.has_cursors):
            return select(self._object(form, depth, key, None))
        found = self._rows.page(form.layout, form.page, depth, key, size=size + form.looks_further).subquery(
            f"s{depth}"
        )
        numbered = select(*found.c, func.row_number().over().label(_PLACE)).subquery(f"p{depth}")
        columns: list[ColumnElement[Any]] = [numbered.c[_PLACE].label("number")]
        if form.has_cursors:
            columns.append(written_cursor(form.layout.entity, form.layout.order, numbered).label("cursor"))
        if (listed := form.list) is not None:
            columns.append(self._item(listed, numbered, form, depth).label("item"))
        shown = select(*columns).subquery(f"q{depth}")
        return select(self._object(form, depth, key, shown)).select_from(shown)

    def _object(self, form: PageForm, depth: int, key: Key | None, shown: Subquery | None) -> ColumnElement[Any]:
        members: list[ColumnElement[Any]] = []
        for name, part in form.members:
            members += [text_literal(name), self._part(part, form, depth, key, shown)]
        return func.json_build_object(*members)

    def _part(
        self, part: PagePart, form: PageForm, depth: int, key: Key | None, shown: Subquery | None
    ) -> ColumnElement[Any]:
        match part:
            case Always(text):
                return text_literal(text)
            case Total():
                return self._rows.count(form.layout.entity, form.page, depth, key)
            case InfoForm():
                return self._info(part, form, shown)
            case RowForm() | EdgeForm():
                if shown is not None:
                    items = func.json_agg(shown.c.item).filter(shown.c.number <= form.page.size)
                    return func.coalesce(items, _EMPTY)
                found = self._rows.page(form.layout, form.page, depth, key, size=form.page.size)
                source = found.subquery(f"p{depth}")
                return self._agg(self._item_columns(part, source, form, depth), source, depth)
            case _:
                assert_never(part)

    def _info(self, info: InfoForm, form: PageForm, shown: Subquery | None) -> ColumnElement[Any]:
        members: list[ColumnElement[Any]] = []
        for name, part in info.members:
            members += [text_literal(name), self._fact(part, form, shown)]
        return func.json_build_object(*members)

    def _fact(self, part: Always | Info, form: PageForm, shown: Subquery | None) -> ColumnElement[Any]:
        match part:
            case Always(text):
                return text_literal(text)
            case Info.FALSE:
                return false()
            case Info.TRUE:
                return true()
        if shown is None:
            raise TypeError(f"{part} needs rows")
        size = form.page.size
        match part:
            case Info.MORE:
                return func.count() > literal_column(str(size))
            case Info.START_CURSOR:
                return func.min(shown.c.cursor).filter(shown.c.number == 1, shown.c.number <= size)
            case Info.END_CURSOR:
                last_first = func.array_agg(aggregate_order_by(shown.c.cursor, shown.c.number.desc()))
                cursor: ColumnElement[Any] = type_coerce(last_first.filter(shown.c.number <= size), ARRAY(Text))[1]
                return cursor
            case _:
                assert_never(part)

    def _item(self, form: RowForm | EdgeForm, source: Subquery, page: PageForm, depth: int) -> ColumnElement[Any]:
        return self._made(self._item_columns(form, source, page, depth), source, depth)

    def _item_columns(
        self, form: RowForm | EdgeForm, source: Subquery, page: PageForm, depth: int
    ) -> Iterator[ColumnElement[Any]]:
        if isinstance(form, RowForm):
            return self._columns(form, source, depth)
        return self._edge(form, source, page, depth)

    def _edge(self, form: EdgeForm, source: Subquery, page: PageForm, depth: int) -> Iterator[ColumnElement[Any]]:
        for name, member in form.members:
            match member:
                case Always(text):
                    yield text_literal(text).label(name)
                case Edge.CURSOR:
                    yield written_cursor(page.layout.entity, page.layout.order, source).label(name)
                case RowForm():
                    yield self._made(self._columns(member, source, depth), source, depth).label(name)
                case _:
                    assert_never(member)

    def _made(self, columns: Iterator[ColumnElement[Any]], source: Subquery, depth: int) -> ColumnElement[Any]:
        """The object of one row that is read beside other things."""
        row = select(*columns).correlate(source).subquery(f"o{depth}")
        made: ColumnElement[Any] = select(func.row_to_json(row.table_valued())).scalar_subquery()
        return made

    def _agg(self, columns: Iterator[ColumnElement[Any]], source: FromClause, depth: int) -> ColumnElement[Any]:
        row = select(*columns).select_from(source).subquery(f"w{depth}")
        made: ColumnElement[Any] = select(func.coalesce(func.json_agg(row.table_valued()), _EMPTY)).scalar_subquery()
        return made

    def _one(self, form: RowForm, source: Subquery, depth: int) -> Any:
        row = select(*self._columns(form, source, depth)).select_from(source).subquery(f"w{depth}")
        return select(func.row_to_json(row.table_valued()))

    def _columns(self, form: RowForm, source: Subquery, depth: int) -> Iterator[ColumnElement[Any]]:
        for name, member in form.members:
            yield self._member(member, source, depth).label(name)

    def _member(self, member: RowMember, source: Subquery, depth: int) -> ColumnElement[Any]:
        match member:
            case Always(text):
                return text_literal(text)
            case GlobalId(type_name):
                named = text_literal(f"{type_name}:") + cast(source.c.id, Text)
                return func.encode(func.convert_to(named, text_literal("UTF8")), text_literal("base64"))
            case Shown(column, Writing.PLAIN):
                return source.c[column]
            case Shown(column, Writing.NAME):
                return func.upper(cast(source.c[column], Text).collate("C"))
            case Shown(column, Writing.INSTANT):
                return written_instant(source.c[column]) + text_literal("Z")
            case Below(branch, form):
                below: ColumnElement[Any] = self._below(branch, form, source, depth + 1).scalar_subquery()
                return below
            case _:
                raise TypeError(f"{member} is not written")

    def _below(self, branch: Branch, form: RowForm | PageForm, parent: Subquery, depth: int) -> Any:
        layout, relation = branch.layout, branch.relation
        if isinstance(form, PageForm):
            if isinstance(relation, ToOne):
                raise TypeError(f"{branch.child.relation} leads to one thing")
            return self._page(form, depth, (relation.key, parent))
        if isinstance(relation, ToOne):
            rows = self._rows.one(layout, relation, parent, depth)
            return self._one(form, rows.subquery(f"p{depth}"), depth)
        if relation.newest_only:
            return self._one(form, self._rows.newest(layout, relation, parent, depth).subquery(f"p{depth}"), depth)
        source = self._rows.all(layout, relation, parent, depth).subquery(f"p{depth}")
        return select(self._agg(self._columns(form, source, depth), source, depth))
