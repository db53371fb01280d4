"""Groups by texts and enums that are only counted: what the database answers becomes the response in one step.

These are the figures of every dashboard, and asked for again and again. The statement is quick; making objects of its
few rows and looking at each of their fields would take as long as all else that the hub does for the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from graphql import FieldNode, GraphQLEnumType, GraphQLObjectType, get_named_type

from connector.api.document import object_type
from connector.api.plan import Plan
from connector.api.ready import NotCompiled
from connector.storage.query import ENTITIES, AggregateRead
from connector.storage.query.forms import kind_of

Rows = list[list[Any]]
"""For each group its keys and the number of its rows."""
Part = Callable[[list[Any]], Any]
"""Makes a member of the response of a group."""

LARGEST_INT: Final = 2**31 - 1


class _NotPlainError(Exception):
    """Something else is asked for."""


def plain_groups(plan: Plan, read: AggregateRead) -> Callable[[Rows], Any] | None:
    """What makes the field's value of an answer; None where something else is asked for."""
    if read.aggregates:
        return None
    try:
        return _Planner(plan, read).whole()
    except _NotPlainError:
        return None


class _Planner:
    def __init__(self, plan: Plan, read: AggregateRead) -> None:
        self._plan = plan
        self._read = read

    def whole(self) -> Callable[[Rows], Any]:
        type_, size = self._plan.type, self._read.size
        members: list[tuple[str, Callable[[Rows], Any]]] = []
        for key, nodes in self._plan.document.collect(type_, self._plan.nodes).items():
            match nodes[0].name.value:
                case "__typename":
                    members.append((key, _always(type_.name)))
                case "hasMore":
                    members.append((key, lambda rows: len(rows) > size))
                case "groups":
                    group = self._object(object_type(get_named_type(type_.fields["groups"].type)), nodes, self._group)
                    members.append((key, _each(group, size)))
                case _:
                    raise _NotPlainError
        return lambda rows: {key: made(rows) for key, made in members}

    def _object(
        self, type_: GraphQLObjectType, nodes: Sequence[FieldNode], part: Callable[..., Part]
    ) -> Callable[[list[Any]], dict[str, Any]]:
        members = [
            (key, _always(type_.name) if found[0].name.value == "__typename" else part(type_, found))
            for key, found in self._plan.document.collect(type_, nodes).items()
        ]
        return lambda row: {key: made(row) for key, made in members}

    def _group(self, type_: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Part:
        match name := nodes[0].name.value:
            case "key":
                return self._object(object_type(get_named_type(type_.fields[name].type)), nodes, self._key)
            case "count":
                return _count(len(self._read.keys))
            case _:
                raise _NotPlainError

    def _key(self, type_: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Part:
        field = type_.fields[nodes[0].name.value]
        column = field.extensions["strawberry-definition"].python_name
        place = next((place for place, key in enumerate(self._read.keys) if key.column == column), None)
        if place is None:
            return _always(None)
        kind, named = kind_of(ENTITIES[self._read.entity], column), get_named_type(field.type)
        if kind == "text" and getattr(named, "name", None) == "String":
            return lambda row: row[place]
        if kind == "enum" and isinstance(named, GraphQLEnumType):
            words = {str(value.value): word for word, value in named.values.items()}
            return lambda row: None if row[place] is None else words[row[place]]
        raise _NotPlainError


def _always(value: Any) -> Callable[[Any], Any]:
    return lambda _given: value


def _each(group: Callable[[list[Any]], Any], size: int) -> Callable[[Rows], Any]:
    return lambda rows: [group(row) for row in rows[:size]]


def _count(place: int) -> Part:
    def count(row: list[Any]) -> int:
        number: int = row[place]
        if number > LARGEST_INT:
            raise NotCompiled("more rows than an Int can say")
        return number

    return count
