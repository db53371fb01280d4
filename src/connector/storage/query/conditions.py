"""From conditions and cursors to SQL that means the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import cos, degrees, pi, radians, sin
from typing import Any, Final, assert_never, cast

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    FromClause,
    Text,
    and_,
    any_,
    bindparam,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)

from connector.model.geo import EARTH_RADIUS_KM
from connector.storage.query.entities import ENTITIES
from connector.storage.query.entity import Entity, Expression, ToOne
from connector.storage.query.keyset import beyond, decode_cursor, full_order
from connector.storage.query.parameters import ESCAPE, Literally, told
from connector.storage.query.selection import (
    AllOf,
    AnyOf,
    Compare,
    Condition,
    Near,
    Not,
    Order,
    Page,
    Parameter,
    Place,
    Related,
)
from connector.storage.query.sight import Sight, joining_key
from connector.storage.tables import MERGED_INTO

GIVEN: Final = "given_ids"
"""Name of the parameter that ids are told by."""


def condition_sql(entity: Entity, source: FromClause, condition: Condition, sight: Sight) -> ColumnElement[bool]:
    """The condition over rows of the entity. sight: related things outside of it are not there."""
    match condition:
        case Compare():
            return _compare(entity.expression(condition.column, source), condition)
        case Near():
            return _near(entity, source, condition)
        case Related():
            return _related(entity, source, condition, sight)
        case AllOf():
            return and_(true(), *(condition_sql(entity, source, item, sight) for item in condition.conditions))
        case AnyOf():
            return or_(false(), *(condition_sql(entity, source, item, sight) for item in condition.conditions))
        case Not():
            return not_(func.coalesce(condition_sql(entity, source, condition.condition, sight), false()))
        case _:
            assert_never(condition)


def one_of(column: ColumnElement[Any], ids: Collection[int], *, dialect: str) -> ColumnElement[bool]:
    """The column is one of the ids, which travel as one parameter however many they are."""
    if dialect == "postgresql":
        array = bindparam(None, sorted(ids), type_=ARRAY(BigInteger), unique=True)
        return column == any_(array)
    listed = func.json_each(f"[{','.join(map(str, sorted(ids)))}]").table_valued("value")
    return column.in_(select(listed.c.value))


def one_of_given(column: ColumnElement[Any], *, dialect: str) -> ColumnElement[bool]:
    """The same for ids that are told when the statement is sent, as the parameter `GIVEN`."""
    if dialect == "postgresql":
        return column == any_(bindparam(GIVEN, type_=ARRAY(BigInteger)))
    listed = func.json_each(bindparam(GIVEN, type_=Text())).table_valued("value")
    return column.in_(select(listed.c.value))


def page_condition(entity: Entity, source: FromClause, page: Page, sight: Sight) -> ColumnElement[bool]:
    """Which rows belong to the whole that is paged through, cursors left aside."""
    tests: list[ColumnElement[bool]] = []
    if entity.retires and not page.include_retired:
        tests.append(source.c.retired_at.is_(None))
    elif MERGED_INTO in entity.table.c:
        tests.append(joining_key(entity, MERGED_INTO, source).is_(None))
    if page.where is not None:
        tests.append(condition_sql(entity, source, page.where, sight))
    return and_(true(), *tests)


def cursor_condition(entity: Entity, source: FromClause, page: Page) -> ColumnElement[bool]:
    """Which rows lie between the page's cursors. Raises InvalidInput for a cursor that cannot be used."""
    order = full_order(entity, page.order)
    tests: list[ColumnElement[bool]] = []
    if page.after is not None:
        tests.append(beyond(entity, source, order, _place(entity, order, page.after), backward=False))
    if page.before is not None:
        tests.append(beyond(entity, source, order, _place(entity, order, page.before), backward=True))
    return and_(true(), *tests)


def _place(entity: Entity, order: Sequence[Order], cursor: str | Place) -> Sequence[Any]:
    return decode_cursor(entity, order, cursor) if isinstance(cursor, str) else cursor


def _compare(column: Expression, test: Compare) -> ColumnElement[bool]:
    return cast("ColumnElement[bool]", _comparison(column, test))


def _comparison(column: Expression, test: Compare) -> Any:
    value = told(test.value, column.type)
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
            return column.icontains(_literally(test.value), escape=ESCAPE)
        case "starts_with":
            return column.istartswith(_literally(test.value), escape=ESCAPE)
        case "ends_with":
            return column.iendswith(_literally(test.value), escape=ESCAPE)
        case "is_null":
            return column.is_(None) if value else column.is_not(None)
        case _:
            assert_never(test.operator)


def _literally(text: str | Parameter) -> Any:
    return told(text, Literally()) if isinstance(text, Parameter) else literal(text, Literally())


def _near(entity: Entity, source: FromClause, test: Near) -> ColumnElement[bool]:
    """The haversine of the angle between two places against that of the distance; see `connector.model.geo`.

    The band of latitudes says nothing new: it costs less than the rest and leaves most places out.
    """
    latitude, longitude = entity.expression("latitude", source), entity.expression("longitude", source)
    angle = min(test.within_km / EARTH_RADIUS_KM, pi)
    south, north = test.point.latitude - degrees(angle), test.point.latitude + degrees(angle)
    half_lat = func.sin(func.radians(latitude - test.point.latitude) / 2)
    half_lon = func.sin(func.radians(longitude - test.point.longitude) / 2)
    haversine = half_lat * half_lat + (
        func.cos(func.radians(latitude)) * cos(radians(test.point.latitude)) * half_lon * half_lon
    )
    return and_(latitude >= south, latitude <= north, haversine <= sin(angle / 2) ** 2)


def _related(entity: Entity, source: FromClause, test: Related, sight: Sight) -> ColumnElement[bool]:
    relation = entity.relations[test.relation]
    if isinstance(relation, ToOne):
        return _related_one(entity, source, relation, test.condition, sight)
    target = ENTITIES[relation.target]
    alias = sight.rows(target)
    own = joining_key(target, relation.key, alias) == source.c.id
    holds = condition_sql(target, alias, test.condition, sight)
    if relation.newest_only:
        other = sight.rows(target)
        newest = select(func.max(other.c.id)).where(joining_key(target, relation.key, other) == source.c.id)
        return _exists(source, alias, alias.c.id == newest.correlate(source).scalar_subquery(), holds)
    if target.retires:
        own = and_(own, alias.c.retired_at.is_(None))
    match test.quantifier:
        case "some":
            return _exists(source, alias, own, holds)
        case "none":
            return not_(_exists(source, alias, own, holds))
        case "every":
            return not_(_exists(source, alias, own, not_(func.coalesce(holds, false()))))
        case "one":
            raise TypeError(f"{entity.name}.{test.relation} leads to many rows: some, every or none must be said of it")
        case _:
            assert_never(test.quantifier)


def _related_one(
    entity: Entity, source: FromClause, relation: ToOne, condition: Condition, sight: Sight
) -> ColumnElement[bool]:
    key = entity.expression(relation.key, source)
    if isinstance(condition, Compare) and condition.column == "id":
        return _compare(key, condition)
    if isinstance(condition, AllOf):
        own = [item for item in condition.conditions if isinstance(item, Compare) and item.column == "id"]
        if own and len(own) == len(condition.conditions):
            return and_(true(), *(_compare(key, item) for item in own))
    target = ENTITIES[relation.target]
    alias = sight.rows(target)
    it = alias.c.id == joining_key(entity, relation.key, source)
    return _exists(source, alias, it, condition_sql(target, alias, condition, sight))


def _exists(source: FromClause, alias: FromClause, *tests: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(alias.c.id).where(*tests).correlate(source).exists()
