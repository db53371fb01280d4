"""Which values of an operation's variables a plan depends on, and which are told when its statement is sent.

A portal asks the same query with another id each time. Such a value need not be known to plan the query: where a plan
leaves it free, it stands in the statement as a parameter, and the plan serves all of them. What a plan looks at is
noted as a facet: a plan is used again where all of its facets are the same, and nothing else was ever looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import orjson
from graphql import (
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLNonNull,
    ListValueNode,
    ObjectValueNode,
    Undefined,
    ValueNode,
    VariableNode,
    coerce_input_value,
)
from graphql.execution.values import VariableValues

from connector.storage.query import Parameter

Path: TypeAlias = tuple[str, ...]
"""The name of a variable, and those of the members that lead to a value within it."""

Facet: TypeAlias = tuple[Path, Callable[[Any], Hashable]]
"""A value as the client sent it, and what of it a plan depends on."""

MISSING: Final = object()
"""Stands for what the client did not send."""

_OTHERS: Final = "..."


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value that a plan need not know. value: as graphql-core coerced it."""

    path: Path
    value: Any


@dataclass(frozen=True, slots=True)
class Binding:
    """Where the value of a parameter comes from. make: that out of what the variable holds."""

    path: Path
    make: Callable[[Any], Any]

    def value(self, coerced: Mapping[str, Any]) -> Any:
        """The value for these variables. Raises what `make` does for one that cannot be used."""
        return self.make(_at(self.path, coerced))


@dataclass(frozen=True, slots=True)
class Dependence:
    """What a plan made of its variables: the facets that it depends on, and parameter -> where its value is."""

    facets: tuple[Facet, ...] = ()
    bindings: Mapping[str, Binding] = field(default_factory=dict)

    def values(self, coerced: Mapping[str, Any]) -> dict[str, Any]:
        """The values of all parameters."""
        return {name: binding.value(coerced) for name, binding in self.bindings.items()}


class Coercion:
    """Coerces variables of which the same is there as of some that graphql-core coerced.

    types: of variables, by their names. defaults: of those that are not sent.
    """

    def __init__(self, types: Mapping[str, GraphQLInputType], defaults: Mapping[str, Any]) -> None:
        self._types = types
        self._defaults = defaults

    def __call__(self, variables: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The variables as they are worked with; None for those that cannot be used."""
        coerced = dict(self._defaults)
        for name, type_ in self._types.items():
            if name in variables:
                coerced[name] = coerce_input_value(variables[name], type_)
                if coerced[name] is Undefined:
                    return None
        return coerced


class Variables:
    """The variables of an operation while it is planned. coerced: by graphql-core.

    types: of those whose values may be left free.
    """

    def __init__(self, coerced: Mapping[str, Any], types: Mapping[str, GraphQLInputType]) -> None:
        self.plain: Final = VariableValues({}, dict(coerced))
        self.open: Final = VariableValues(
            {}, {name: _opened(value, types.get(name), (name,)) for name, value in coerced.items()}
        )
        self._facets: dict[Facet, None] = {}
        self._bindings: dict[str, Binding] = {}

    @property
    def dependence(self) -> Dependence:
        """What the plan that was made depends on."""
        return Dependence(tuple(self._facets), dict(self._bindings))

    def look(self, node: ValueNode) -> None:
        """The plan depends on the variables in what is written here."""
        for name in _named(node):
            self.note((name,), whole)

    def note(self, path: Path, of: Callable[[Any], Hashable]) -> None:
        """The plan depends on this of a value."""
        self._facets[path, of] = None

    def settled(self, value: Any) -> Any:
        """What an argument holds, leaves being replaced by their values, on all of which the plan depends."""
        match value:
            case Leaf(path, plain):
                self.note(path, whole)
                return plain
            case dict():
                return {name: self.settled(member) for name, member in value.items()}
            case list():
                return [self.settled(item) for item in value]
            case _:
                return value

    def bound(self, value: Any, make: Callable[[Any], Any]) -> Any:
        """What `make` says of a value; of a leaf, a parameter with it."""
        return self.bound_leaf(value, make) if isinstance(value, Leaf) else make(value)

    def bound_leaf(self, value: Leaf, make: Callable[[Any], Any]) -> Parameter:
        """A parameter with what `make` says of a value."""
        name = f"variable_{len(self._bindings)}"
        self._bindings[name] = Binding(value.path, make)
        return Parameter(name, make(value.value))


def shape_of(variables: Mapping[str, Any]) -> Hashable:
    """What is there of some variables, whatever the values are. variables: as the client sent them."""
    return tuple((name, _shape(value)) for name, value in variables.items())


def sent_at(path: Path, variables: Mapping[str, Any]) -> Any:
    """What the client sent there, or `MISSING`."""
    return _at(path, variables)


def whole(value: Any) -> Hashable:
    """All of a value, told from others."""
    return MISSING if value is MISSING else orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _shape(value: Any) -> Hashable:
    match value:
        case None:
            return None
        case dict():
            return shape_of(value)
        case _:
            return _OTHERS


def _opened(value: Any, type_: GraphQLInputType | None, path: Path) -> Any:
    """The value with leaves for what stands in it; a list is one leaf."""
    if value is None or type_ is None:
        return value
    if isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
    if isinstance(type_, GraphQLInputObjectType) and isinstance(value, dict):
        return {
            name: _opened(member, type_.fields[name].type if name in type_.fields else None, (*path, name))
            for name, member in value.items()
        }
    return Leaf(path, value)


def _named(node: ValueNode) -> Iterator[str]:
    match node:
        case VariableNode():
            yield node.name.value
        case ListValueNode():
            for item in node.values:
                yield from _named(item)
        case ObjectValueNode():
            for member in node.fields:
                yield from _named(member.value)


def _at(path: Path, values: Any) -> Any:
    for name in path:
        if not isinstance(values, Mapping) or name not in values:
            return MISSING
        values = values[name]
    return values
