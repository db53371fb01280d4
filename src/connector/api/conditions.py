"""From filter and ordering arguments to conditions on entities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial
from math import ceil, pi
from typing import Any, Final, get_args

from strawberry.utils.str_converters import to_camel_case

from connector.api.schema.nodes import key_of
from connector.api.variables import Variables
from connector.model.errors import InvalidInput
from connector.model.geo import EARTH_RADIUS_KM, Point
from connector.storage.query import (
    ENTITIES,
    AllOf,
    AnyOf,
    Compare,
    Condition,
    Near,
    Not,
    Operator,
    Order,
    Quantifier,
    Related,
    ToMany,
)

DEEPEST_FILTER = 8
"""Filters within filters: `and`, `or`, `not` and relations count alike."""

FARTHEST_KM = ceil(pi * EARTH_RADIUS_KM)
"""Half of the way around the Earth."""

LONGEST_PATTERN = 1_000
"""Signs of a text that others are searched for; SQLite takes no more than 50,000 bytes."""

_PATTERNS: Final[frozenset[Operator]] = frozenset({"contains", "starts_with", "ends_with"})

_SETTLED: Final[frozenset[Operator]] = frozenset({"in", "not_in", "is_null"})
"""Operators whose statement is another one for another value."""

_QUANTIFIERS: tuple[Quantifier, ...] = ("some", "every", "none")
_OPERATORS: Mapping[str, Operator] = {to_camel_case(name): name for name in get_args(Operator)}


def condition_of(entity: str, given: Any, variables: Variables | None = None) -> Condition | None:
    """The condition that a filter means; None when it is empty. given: argument as graphql-core coerced it.

    variables: those whose leaves may be in it; values that the condition is the same for become parameters. Raises
    InvalidInput for an id of something else, a text that is too long to be searched for, or a filter that is too deep.
    """
    return _Conditions(variables or Variables({}, {})).all(entity, given, 0)


def order_of(given: Sequence[Mapping[str, Any]] | None) -> tuple[Order, ...]:
    """The ordering that `orderBy` means."""
    return tuple(Order(key["field"].value, descending=key["direction"] == "desc") for key in given or ())


class _Conditions:
    def __init__(self, variables: Variables) -> None:
        self._variables = variables

    def all(self, entity: str, given: Any, depth: int) -> Condition | None:
        if depth > DEEPEST_FILTER:
            raise InvalidInput(
                f"the filter is nested more than {DEEPEST_FILTER} levels deep",
                hint="Ask for the inner things first, and filter by their ids with `in`.",
            )
        conditions = self._conditions(entity, self._members(given), depth + 1)
        if not conditions:
            return None
        return conditions[0] if len(conditions) == 1 else AllOf(tuple(conditions))

    def _members(self, given: Any) -> Mapping[str, Any]:
        members: Mapping[str, Any] = given if isinstance(given, dict) else self._variables.settled(given) or {}
        return members

    def _conditions(self, entity: str, given: Mapping[str, Any], depth: int) -> list[Condition]:
        found: list[Condition] = []
        for name, value in given.items():
            if value is None:
                continue
            match name:
                case "and":
                    found.append(AllOf(self._each(entity, value, depth)))
                case "or":
                    found.append(AnyOf(self._each(entity, value, depth)))
                case "not":
                    found.append(Not(self._whole(entity, value, depth)))
                case "near":
                    found.append(_near(self._variables.settled(value)))
                case _:
                    found.extend(self._field(entity, _names(entity)[name], self._members(value), depth))
        return found

    def _each(self, entity: str, given: Any, depth: int) -> tuple[Condition, ...]:
        items = given if isinstance(given, list) else self._variables.settled(given)
        return tuple(self._whole(entity, item, depth) for item in items)

    def _whole(self, entity: str, given: Any, depth: int) -> Condition:
        return self.all(entity, given, depth) or AllOf(())

    def _field(self, entity: str, name: str, value: Mapping[str, Any], depth: int) -> list[Condition]:
        relation = ENTITIES[entity].relations.get(name)
        if isinstance(relation, ToMany) and not relation.newest_only:
            return [
                Related(name, self._whole(relation.target, test, depth), quantifier)
                for quantifier in _QUANTIFIERS
                if (test := value.get(quantifier)) is not None
            ]
        if relation is not None:
            return [Related(name, self._whole(relation.target, value, depth))]
        return [
            Compare(name, _OPERATORS[operator], self._operand(entity, name, _OPERATORS[operator], operand))
            for operator, operand in value.items()
            if operand is not None or operator in ("eq", "ne")
        ]

    def _operand(self, entity: str, name: str, operator: Operator, operand: Any) -> Any:
        if operand is None:
            return None
        make = _pattern if operator in _PATTERNS else partial(_value, entity, name)
        return make(self._variables.settled(operand)) if operator in _SETTLED else self._variables.bound(operand, make)


def _near(given: Mapping[str, Any]) -> Condition:
    point, latitude, longitude = given.get("point"), given.get("latitude"), given.get("longitude")
    if point is not None and latitude is None and longitude is None:
        return _within(point, given["withinKm"])
    if point is not None or latitude is None or longitude is None:
        raise InvalidInput(
            "near: it takes either `point` or both `latitude` and `longitude`", hint="Give one point, in one way."
        )
    try:
        point = Point(latitude, longitude)
    except ValueError as error:
        raise InvalidInput(f"near: {error}", hint="Give decimal degrees, north and east positive.") from error
    return _within(point, given["withinKm"])


def _within(point: Point, kilometres: float) -> Condition:
    if not 0 <= kilometres <= FARTHEST_KM:
        raise InvalidInput(
            f"near: withinKm {kilometres} is not between 0 and {FARTHEST_KM:,.0f}",
            hint="Nothing on the Earth is farther away; leave `near` out.",
        )
    return Near(point, kilometres)


def _pattern(operand: Any) -> Any:
    if len(operand) > LONGEST_PATTERN:
        raise InvalidInput(
            f"a text of {len(operand):,} signs is searched for, {LONGEST_PATTERN:,} are allowed",
            hint="Compare with the whole text by `eq`.",
        )
    return operand


def _value(entity: str, name: str, operand: Any) -> Any:
    if isinstance(operand, list):
        return [_value(entity, name, item) for item in operand if item is not None]
    if name == "id" and isinstance(operand, str):
        return key_of(operand, entity=entity)
    return operand


@cache
def _names(entity: str) -> Mapping[str, str]:
    """GraphQL name -> name of the column or relation."""
    known = ENTITIES[entity]
    return {to_camel_case(name): name for name in (*known.names(), *known.relations)}
