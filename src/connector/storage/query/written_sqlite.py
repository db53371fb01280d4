"""Rows and pages as a response has them, written by SQLite.

Lists are in the order of the subquery that they are made of, which SQLite keeps for aggregates that depend on it. What
stands below a row is written where that row is read, not within what is made of all rows: SQLite's parser remembers
no more than a hundred things that have begun.
"""

from __future__ import annotations

from typing import Final, assert_never

from sqlalchemy import ColumnElement, Subquery, Text, and_, case, cast, func, or_, select

from connector.storage.database.functions import BASE64
from connector.storage.query.cursor import text_literal
from connector.storage.query.cursor_sqlite import written_cursor
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
)
from connector.storage.query.json_text import (
    FALSE,
    TRUE,
    Expression,
    Json,
    Value,
    column_json,
    list_of,
    number,
    object_of,
    or_null,
)
from connector.storage.query.layout import Branch, Layout
from connector.storage.query.rowsets import Key, Rows, RowSets
from connector.storage.query.selection import Parameter

_NUMBER: Final = "number_"
"""Of a row in its page, from 1 on; a name that no column has."""
_ALL: Final = "all_"
"""How many rows were read, the one behind the page included."""


class TextFormWriter:
    """Writes forms as texts. rows: what is read."""

    def __init__(self, rows: RowSets) -> None:
        self._rows = rows

    def row(self, layout: Layout, form: RowForm, id_: int | Parameter) -> Expression:
        """The row with this id; NULL when there is none."""
        return self._one(form, self._rows.by_ids(layout, id_ if isinstance(id_, Parameter) else (id_,)), 0)

    def page(self, form: PageForm, depth: int = 0, key: Key | None = None) -> Expression:
        """A page of rows. key: what they belong to."""
        shown = self._shown(form, depth, key)
        made = object_of([(name, self._part(part, form, depth, key, shown)) for name, part in form.members]).text()
        return made if shown is None else select(made).select_from(shown).scalar_subquery()

    def _shown(self, form: PageForm, depth: int, key: Key | None) -> Subquery | None:
        """The rows of a page as items of its list, with what else has to be known of them; None when it needs none."""
        looks_further = form.looks_further or form.has_end_cursors
        if form.list is None and not looks_further:
            return None
        rows = self._rows.page(form.layout, form.page, depth, key, size=form.page.size + looks_further)
        source = rows.subquery(f"p{depth}")
        columns: list[Expression] = []
        if looks_further:
            source = rows.subquery(f"s{depth}")
            numbers = [func.row_number().over().label(_NUMBER), func.count().over().label(_ALL)]
            source = select(*source.c, *numbers).subquery(f"p{depth}")
            columns += [source.c[_NUMBER], source.c[_ALL]]
        if form.has_end_cursors:
            is_end = or_(source.c[_NUMBER] == number(1), source.c[_NUMBER] == _last(source, form))
            columns.append(
                case((is_end, written_cursor(form.layout.entity, form.layout.order, source))).label("cursor")
            )
        if form.list is not None:
            columns.append(self._item(form.list, source, form, depth).text().label("item"))
        return select(*columns).select_from(source).subquery(f"q{depth}")

    def _part(
        self, part: PagePart, form: PageForm, depth: int, key: Key | None, shown: Subquery | None
    ) -> Value | Json:
        match part:
            case Always(text):
                return Value(text_literal(text))
            case Total():
                return Value(self._rows.count(form.layout.entity, form.page, depth, key))
            case InfoForm():
                return object_of([(name, _fact(fact, form, shown)) for name, fact in part.members])
            case RowForm() | EdgeForm():
                return _items(form, shown)
            case _:
                assert_never(part)

    def _item(self, form: RowForm | EdgeForm, source: Subquery, page: PageForm, depth: int) -> Json:
        if isinstance(form, RowForm):
            return self._row(form, source, depth)
        return object_of([(name, self._edge(member, source, page, depth)) for name, member in form.members])

    def _edge(self, member: Always | Edge | RowForm, source: Subquery, page: PageForm, depth: int) -> Value | Json:
        match member:
            case Always(text):
                return Value(text_literal(text))
            case Edge.CURSOR:
                return Value(written_cursor(page.layout.entity, page.layout.order, source))
            case RowForm():
                return self._row(member, source, depth)
            case _:
                assert_never(member)

    def _row(self, form: RowForm, source: Subquery, depth: int) -> Json:
        return object_of([(name, self._member(member, source, depth)) for name, member in form.members])

    def _member(self, member: RowMember, source: Subquery, depth: int) -> Value | Json:
        match member:
            case Always(text):
                return Value(text_literal(text))
            case GlobalId(type_name):
                return Value(getattr(func, BASE64)(text_literal(f"{type_name}:") + cast(source.c.id, Text)))
            case Shown(column, writing):
                return column_json(source.c[column], writing)
            case Below(branch, form):
                return self._below(branch, form, source, depth + 1)
            case _:
                assert_never(member)

    def _below(self, branch: Branch, form: RowForm | PageForm, parent: Subquery, depth: int) -> Json:
        layout, relation = branch.layout, branch.relation
        if isinstance(form, PageForm):
            if isinstance(relation, ToOne):
                raise TypeError(f"{branch.child.relation} leads to one thing")
            return Json((self.page(form, depth, (relation.key, parent)),))
        if isinstance(relation, ToOne):
            return or_null(self._one(form, self._rows.one(layout, relation, parent, depth), depth))
        if relation.newest_only:
            return or_null(self._one(form, self._rows.newest(layout, relation, parent, depth), depth))
        source = self._rows.all(layout, relation, parent, depth).subquery(f"p{depth}")
        item = self._row(form, source, depth).text().label("item")
        items = select(item).select_from(source).subquery(f"q{depth}")
        return Json((select(list_of(items.c.item).text()).select_from(items).scalar_subquery(),))

    def _one(self, form: RowForm, rows: Rows, depth: int) -> Expression:
        source = rows.subquery(f"p{depth}")
        return select(self._row(form, source, depth).text()).select_from(source).scalar_subquery()


def _items(form: PageForm, shown: Subquery | None) -> Value | Json:
    if shown is None:
        raise TypeError("a list needs rows")
    return list_of(shown.c.item, *([shown.c[_NUMBER] <= number(form.page.size)] if _NUMBER in shown.c else []))


def _fact(part: Always | Info, form: PageForm, shown: Subquery | None) -> Value | Json:
    match part:
        case Always(text):
            return Value(text_literal(text))
        case Info.FALSE:
            return Json(("false",))
        case Info.TRUE:
            return Json(("true",))
    if shown is None:
        raise TypeError(f"{part} needs rows")
    place = shown.c[_NUMBER]
    match part:
        case Info.MORE:
            return Json((case((func.count() > number(form.page.size), TRUE), else_=FALSE),))
        case Info.START_CURSOR:
            return _cursor_at(shown, and_(place == number(1), place <= number(form.page.size)))
        case Info.END_CURSOR:
            return _cursor_at(shown, place == _last(shown, form))
        case _:
            assert_never(part)


def _cursor_at(shown: Subquery, is_there: ColumnElement[bool]) -> Value:
    return Value(func.max(shown.c.cursor).filter(is_there))


def _last(source: Subquery, form: PageForm) -> ColumnElement[int]:
    """The number of the last row of a page."""
    return func.min(source.c[_ALL], number(form.page.size))
