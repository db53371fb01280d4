"""Rows and pages as a response has them, written by the database: nothing of them is read or changed on the way.

`connector.storage.query.forms` says what they look like. Lists are in the order of the subquery that they are made of,
which both databases keep. What stands below a row is written where that row is read, not within what is made of all
rows: SQLite's parser remembers no more than a hundred things that have begun.
"""

from __future__ import annotations

from typing import Any, Final, Literal, assert_never

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, func, or_, select

from connector.storage.query.entity import ToOne
from connector.storage.query.forms import (
    Always,
    Below,
    Counted,
    Edge,
    EdgeForm,
    GlobalId,
    GroupForm,
    GroupsForm,
    Info,
    InfoForm,
    KeyForm,
    KeyShown,
    PageForm,
    PagePart,
    RowForm,
    RowMember,
    Shown,
    Total,
)
from connector.storage.query.json_text import FALSE, NULL, TRUE, Expression, Json, JsonText, Value, number
from connector.storage.query.layout import Branch, Layout
from connector.storage.query.rowsets import Key, Rows, RowSets
from connector.storage.query.selection import Parameter

_NUMBER: Final = "number_"
"""Of a row in its page, from 1 on; a name that no column has."""
Tests = list[ColumnElement[bool]]
"""Which rows count."""
_ALL: Final = "all_"
"""How many rows were read, the one behind the page included."""


class FormWriter:
    """Writes forms as texts. rows: what is read. json: how the database writes."""

    def __init__(self, rows: RowSets, json: JsonText) -> None:
        self._rows = rows
        self._json = json

    def row(self, layout: Layout, form: RowForm, id_: int | Parameter) -> Expression:
        """The row with this id; NULL when there is none."""
        return self._one(form, self._rows.by_ids(layout, id_ if isinstance(id_, Parameter) else (id_,)), 0)

    def page(self, form: PageForm, depth: int = 0, key: Key | None = None) -> Expression:
        """A page of rows. key: what they belong to."""
        shown = self._shown(form, depth, key)
        members = [(name, self._part(part, form, depth, key, shown)) for name, part in form.members]
        made = self._json.text(self._json.object_of(members))
        return made if shown is None else select(made).select_from(shown).scalar_subquery()

    def groups(self, rows: Select[*tuple[Any, ...]], form: GroupsForm, size: int) -> Expression:
        """Groups. rows: as `connector.storage.query.aggregate.grouped` reads them; size: groups that are shown."""
        source, tests = rows.subquery("groups"), Tests()
        if form.looks_further:
            source = select(*source.c, func.row_number().over().label(_NUMBER)).subquery("numbered")
            tests.append(source.c[_NUMBER] <= number(size))
        members = [(name, self._of_groups(part, source, size, tests)) for name, part in form.members]
        return select(self._json.text(self._json.object_of(members))).select_from(source).scalar_subquery()

    def _of_groups(
        self,
        part: Always | Literal[Info.MORE] | GroupForm,
        source: Subquery,
        size: int,
        tests: list[ColumnElement[bool]],
    ) -> Value | Json:
        match part:
            case Always(text):
                return self._json.constant(text)
            case Info.MORE:
                return _is_more(size)
            case GroupForm(members):
                item = self._json.object_of([(name, self._of_group(member, source)) for name, member in members])
                return self._json.list_of(self._json.text(item), *tests)
            case _:
                assert_never(part)

    def _of_group(self, part: Always | Counted | KeyForm, source: Subquery) -> Value | Json:
        match part:
            case Always(text):
                return self._json.constant(text)
            case Counted.COUNT:
                return self._json.count(source.c.n)
            case KeyForm(members):
                return self._json.object_of([(name, self._of_key(member, source)) for name, member in members])
            case _:
                assert_never(part)

    def _of_key(self, part: Always | KeyShown | None, source: Subquery) -> Value | Json:
        match part:
            case None:
                return Json(("null",))
            case Always(text):
                return self._json.constant(text)
            case KeyShown(place, writing):
                return self._json.column(source.c[f"k{place}"], writing)
            case _:
                assert_never(part)

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
            cursor = self._json.cursor(form.layout.entity, form.layout.order, source)
            columns.append(case((is_end, cursor)).label("cursor"))
        if form.list is not None:
            columns.append(self._json.text(self._item(form.list, source, form, depth)).label("item"))
        return select(*columns).select_from(source).subquery(f"q{depth}")

    def _part(
        self, part: PagePart, form: PageForm, depth: int, key: Key | None, shown: Subquery | None
    ) -> Value | Json:
        match part:
            case Always(text):
                return self._json.constant(text)
            case Total():
                return self._json.count(self._rows.count(form.layout.entity, form.page, depth, key))
            case InfoForm():
                return self._json.object_of([(name, self._fact(fact, form, shown)) for name, fact in part.members])
            case RowForm() | EdgeForm():
                return self._items(form, shown)
            case _:
                assert_never(part)

    def _item(self, form: RowForm | EdgeForm, source: Subquery, page: PageForm, depth: int) -> Json:
        if isinstance(form, RowForm):
            return self._row(form, source, depth)
        return self._json.object_of([(name, self._edge(member, source, page, depth)) for name, member in form.members])

    def _edge(self, member: Always | Edge | RowForm, source: Subquery, page: PageForm, depth: int) -> Value | Json:
        match member:
            case Always(text):
                return self._json.constant(text)
            case Edge.CURSOR:
                return self._json.code(self._json.cursor(page.layout.entity, page.layout.order, source))
            case RowForm():
                return self._row(member, source, depth)
            case _:
                assert_never(member)

    def _row(self, form: RowForm, source: Subquery, depth: int) -> Json:
        return self._json.object_of([(name, self._member(member, source, depth)) for name, member in form.members])

    def _member(self, member: RowMember, source: Subquery, depth: int) -> Value | Json:
        match member:
            case Always(text):
                return self._json.constant(text)
            case GlobalId(type_name):
                return self._json.global_id(type_name, source.c.id)
            case Shown(column, writing):
                return self._json.column(source.c[column], writing)
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
            return _or_null(self._one(form, self._rows.one(layout, relation, parent, depth), depth))
        if relation.newest_only:
            return _or_null(self._one(form, self._rows.newest(layout, relation, parent, depth), depth))
        source = self._rows.all(layout, relation, parent, depth).subquery(f"p{depth}")
        item = self._json.text(self._row(form, source, depth)).label("item")
        items = select(item).select_from(source).subquery(f"q{depth}")
        made = self._json.text(self._json.list_of(items.c.item))
        return Json((select(made).select_from(items).scalar_subquery(),))

    def _one(self, form: RowForm, rows: Rows, depth: int) -> Expression:
        source = rows.subquery(f"p{depth}")
        return select(self._json.text(self._row(form, source, depth))).select_from(source).scalar_subquery()

    def _items(self, form: PageForm, shown: Subquery | None) -> Value | Json:
        if shown is None:
            raise TypeError("a list needs rows")
        tests = [shown.c[_NUMBER] <= number(form.page.size)] if _NUMBER in shown.c else []
        return self._json.list_of(shown.c.item, *tests)

    def _fact(self, part: Always | Info, form: PageForm, shown: Subquery | None) -> Value | Json:
        match part:
            case Always(text):
                return self._json.constant(text)
            case Info.FALSE:
                return Json(("false",))
            case Info.TRUE:
                return Json(("true",))
        if shown is None:
            raise TypeError(f"{part} needs rows")
        place = shown.c[_NUMBER]
        match part:
            case Info.MORE:
                return _is_more(form.page.size)
            case Info.START_CURSOR:
                return self._cursor_at(shown, and_(place == number(1), place <= number(form.page.size)))
            case Info.END_CURSOR:
                return self._cursor_at(shown, place == _last(shown, form))
            case _:
                assert_never(part)

    def _cursor_at(self, shown: Subquery, is_there: ColumnElement[bool]) -> Value | Json:
        return self._json.code(func.max(shown.c.cursor).filter(is_there))


def _is_more(size: int) -> Json:
    return Json((case((func.count() > number(size), TRUE), else_=FALSE),))


def _or_null(value: Expression) -> Json:
    return Json((func.coalesce(value, NULL),))


def _last(source: Subquery, form: PageForm) -> ColumnElement[int]:
    """The number of the last row of a page."""
    all_, most = source.c[_ALL], number(form.page.size)
    return case((all_ < most, all_), else_=most)
