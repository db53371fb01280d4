"""Which rows a level of a statement reads, and which of their columns; not yet how they are written."""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import FromClause, ScalarSelect, Select, Subquery, func, literal_column, select

from connector.storage.query.conditions import cursor_condition, one_of, one_of_given, page_condition
from connector.storage.query.entity import Entity, ToMany, ToOne
from connector.storage.query.keyset import full_order, order_by
from connector.storage.query.layout import NEWEST, Layout
from connector.storage.query.parameters import told
from connector.storage.query.selection import Page, Parameter
from connector.storage.query.sight import Sight, joining_key

Key: TypeAlias = tuple[str, Subquery]
"""The name of the column that holds the id of the row above, and where that comes from."""

Rows: TypeAlias = Select[*tuple[Any, ...]]


class RowSets:
    """Rows as somebody sees them. Sizes stand in the statement, so that its plan is made for them.

    dialect: of the database that reads. sight: what lies outside is not read.
    """

    def __init__(self, dialect: str, sight: Sight) -> None:
        self._dialect = dialect
        self._sight = sight

    def page(self, layout: Layout, page: Page, depth: int, key: Key | None, *, size: int) -> Rows:
        """The rows of a page in order of reading, so many at most."""
        entity = layout.entity
        source = self._sight.rows_at(entity, depth)
        terms = order_by(entity, source, full_order(entity, page.order), backward=page.backward)
        rows = self._plain(layout, source).where(
            page_condition(entity, source, page, self._sight), cursor_condition(entity, source, page)
        )
        return _belonging(rows, entity, source, key).order_by(*terms).limit(literal_column(str(size)))

    def by_ids(self, layout: Layout, ids: tuple[int, ...] | Parameter | None) -> Rows:
        """The rows with these ids, or this one; None for those that are told when the statement is sent."""
        source = self._sight.rows_at(layout.entity, 0)
        key = source.c.id
        if ids is None:
            wanted = one_of_given(key, dialect=self._dialect)
        elif isinstance(ids, Parameter):
            wanted = key == told(ids, key.type)
        else:
            wanted = key == ids[0] if len(ids) == 1 else one_of(key, ids, dialect=self._dialect)
        return self._plain(layout, source).where(wanted)

    def count(self, entity: Entity, page: Page, depth: int, key: Key | None) -> ScalarSelect[int]:
        """How many rows there are to be paged through."""
        source = self._sight.rows_at(entity, depth)
        counted = select(func.count()).select_from(source).where(page_condition(entity, source, page, self._sight))
        return _belonging(counted, entity, source, key).scalar_subquery()

    def one(self, layout: Layout, relation: ToOne, parent: Subquery, depth: int) -> Rows:
        """The row that a relation leads to."""
        source = self._sight.rows_at(layout.entity, depth)
        return self._plain(layout, source).where(source.c.id == parent.c[relation.key]).correlate(parent)

    def newest(self, layout: Layout, relation: ToMany, parent: Subquery, depth: int) -> Rows:
        """The newest of the rows that a relation leads to."""
        entity = layout.entity
        source = self._sight.rows_at(entity, depth)
        rows = _belonging(self._plain(layout, source), entity, source, (relation.key, parent))
        return rows.order_by(*order_by(entity, source, NEWEST.order, backward=False)).limit(literal_column("1"))

    def all(self, layout: Layout, relation: ToMany, parent: Subquery, depth: int) -> Rows:
        """All rows that a relation leads to."""
        entity = layout.entity
        source = self._sight.rows_at(entity, depth)
        rows = _belonging(self._plain(layout, source), entity, source, (relation.key, parent))
        if entity.retires:
            rows = rows.where(source.c.retired_at.is_(None))
        terms = (entity.expression(name, source) for name in relation.sorted_by)
        return rows.order_by(*terms, source.c.id)

    def _plain(self, layout: Layout, source: FromClause) -> Rows:
        """The columns of a row and the keys that its relations need, before JSON is made of those that are shown."""
        keys = {branch.relation.key for branch in layout.branches if isinstance(branch.relation, ToOne)}
        names = (*layout.names, *sorted(keys.difference(layout.names)))
        return select(*(layout.entity.expression(name, source).label(name) for name in names))


def _belonging(rows: Select[Any], entity: Entity, source: FromClause, key: Key | None) -> Select[Any]:
    """Only those rows that belong to a row above."""
    if key is None:
        return rows
    name, parent = key
    return rows.where(joining_key(entity, name, source) == parent.c.id).correlate(parent)
