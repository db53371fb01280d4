"""From conditions and pages to SQL that means the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, assert_never, cast

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    and_,
    any_,
    bindparam,
    false,
    func,
    not_,
    or_,
    select,
    true,
)

from connector.storage.query.entities import ENTITIES
from connector.storage.query.entity import Entity, Expression, ToOne
from connector.storage.query.keyset import beyond, decode_cursor, full_order, order_by
from connector.storage.query.selection import AllOf, AnyOf, Compare, Condition, Not, Page, Related

ROW_NUMBER = "page_row"
"""Label of the number of a row within its parent."""


def condition_sql(entity: Entity, source: FromClause, condition: Condition) -> ColumnElement[bool]:
    """The condition over the entity's table, or an alias of it."""
    match condition:
        case Compare():
            return _compare(entity.expression(condition.column, source), condition)
        case Related():
            return _related(entity, source, condition)
        case AllOf():
            return and_(true(), *(condition_sql(entity, source, item) for item in condition.conditions))
        case AnyOf():
            return or_(false(), *(condition_sql(entity, source, item) for item in condition.conditions))
        case Not():
            return not_(func.coalesce(condition_sql(entity, source, condition.condition), false()))
        case _:
            assert_never(condition)


def one_of(column: ColumnElement[Any], ids: Collection[int], *, dialect: str) -> ColumnElement[bool]:
    """The column is one of the ids, which travel as one parameter however many they are."""
    if dialect == "postgresql":
        array = bindparam(None, sorted(ids), type_=ARRAY(BigInteger), unique=True)
        return column == any_(array)
    listed = func.json_each(f"[{','.join(map(str, sorted(ids)))}]").table_valued("value")
    return column.in_(select(listed.c.value))


def page_condition(entity: Entity, source: FromClause, page: Page) -> ColumnElement[bool]:
    """Which rows belong to the whole that is paged through, cursors left aside."""
    tests: list[ColumnElement[bool]] = []
    if entity.retires and not page.include_retired:
        tests.append(source.c.retired_at.is_(None))
    if page.where is not None:
        tests.append(condition_sql(entity, source, page.where))
    return and_(true(), *tests)


def cursor_condition(entity: Entity, source: FromClause, page: Page) -> ColumnElement[bool]:
    """Which rows lie between the page's cursors. Raises InvalidInput for a cursor that cannot be used."""
    order = full_order(entity, page.order)
    tests: list[ColumnElement[bool]] = []
    if page.after is not None:
        tests.append(beyond(entity, source, order, decode_cursor(entity, order, page.after), backward=False))
    if page.before is not None:
        tests.append(beyond(entity, source, order, decode_cursor(entity, order, page.before), backward=True))
    return and_(true(), *tests)


def page_statement(entity: Entity, names: Sequence[str], page: Page) -> Select[*tuple[Any, ...]]:
    """One row more than the page holds, so that it is known whether there are more."""
    table = entity.table
    order = full_order(entity, page.order)
    return (
        select(*columns_sql(entity, table, names))
        .where(page_condition(entity, table, page), cursor_condition(entity, table, page))
        .order_by(*order_by(entity, table, order, backward=page.backward))
        .limit(page.size + 1)
    )


def count_statement(entity: Entity, page: Page) -> Select[int]:
    """How many rows all pages have together."""
    return select(func.count()).select_from(entity.table).where(page_condition(entity, entity.table, page))


def page_per_parent_statement(
    entity: Entity, names: Sequence[str], page: Page, *, key: str, parents: Collection[int], dialect: str
) -> Select[*tuple[Any, ...]]:
    """The page of each parent, all in one statement. key: the name of the column that holds the parent's id."""
    table = entity.table
    order = full_order(entity, page.order)
    terms = order_by(entity, table, order, backward=page.backward)
    parent = entity.expression(key, table)
    number = func.row_number().over(partition_by=parent, order_by=terms).label(ROW_NUMBER)
    numbered = (
        select(*columns_sql(entity, table, names), number)
        .where(
            one_of(parent, parents, dialect=dialect),
            page_condition(entity, table, page),
            cursor_condition(entity, table, page),
        )
        .subquery()
    )
    row_number = numbered.c[ROW_NUMBER]
    return (
        select(*(numbered.c[name] for name in names))
        .where(row_number <= page.size + 1)
        .order_by(numbered.c[key], row_number)
    )


def count_per_parent_statement(
    entity: Entity, page: Page, *, key: str, parents: Collection[int], dialect: str
) -> Select[*tuple[Any, ...]]:
    """How many rows each parent has."""
    parent = entity.expression(key, entity.table)
    return (
        select(parent, func.count())
        .where(one_of(parent, parents, dialect=dialect), page_condition(entity, entity.table, page))
        .group_by(parent)
    )


def columns_sql(entity: Entity, source: FromClause, names: Sequence[str]) -> list[ColumnElement[Any]]:
    """The columns, each under its public name."""
    return [entity.expression(name, source).label(name) for name in names]


def _compare(column: Expression, test: Compare) -> ColumnElement[bool]:
    return cast("ColumnElement[bool]", _comparison(column, test))


def _comparison(column: Expression, test: Compare) -> Any:
    value = test.value
    match test.operator:
        case "eq":
            return column.is_(None) if value is None else column == value
        case "ne":
            return column.is_distinct_from(value)
        case "in":
            return column.in_(value)
        case "not_in":
            return or_(column.is_(None), column.not_in(value))
        case "lt":
            return column < value
        case "lte":
            return column <= value
        case "gt":
            return column > value
        case "gte":
            return column >= value
        case "contains":
            return column.icontains(value, autoescape=True)
        case "starts_with":
            return column.istartswith(value, autoescape=True)
        case "ends_with":
            return column.iendswith(value, autoescape=True)
        case "is_null":
            return column.is_(None) if value else column.is_not(None)
        case _:
            assert_never(test.operator)


def _related(entity: Entity, source: FromClause, test: Related) -> ColumnElement[bool]:
    relation = entity.relations[test.relation]
    if not isinstance(relation, ToOne):
        raise TypeError(f"{entity.name}.{test.relation} leads to many rows and cannot be a condition")
    key = entity.expression(relation.key, source)
    if isinstance(test.condition, Compare) and test.condition.column == "id":
        return _compare(key, test.condition)
    if isinstance(test.condition, AllOf):
        own = [item for item in test.condition.conditions if isinstance(item, Compare) and item.column == "id"]
        if own and len(own) == len(test.condition.conditions):
            return and_(true(), *(_compare(key, item) for item in own))
    target = ENTITIES[relation.target]
    alias = target.table.alias()
    return (
        select(alias.c.id)
        .where(alias.c.id == key, condition_sql(target, alias, test.condition))
        .correlate(source)
        .exists()
    )
