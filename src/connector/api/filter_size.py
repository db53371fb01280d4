"""How large the filters of an operation are: a page has one size, whatever its filter has the hub plan and compare."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from graphql import GraphQLInputObjectType, GraphQLInputType, get_named_type

from connector.api.schema.nodes import TYPE_NAMES

MOST_COMPARISONS: Final = 250
"""Comparisons in all filters of an operation. SQLite takes a thousand in a row; each takes a millisecond to plan."""
MOST_VALUES: Final = 5_000
"""Values that are listed in them, in `in` and `notIn`."""

_FILTERS: Final = frozenset(f"{name}Filter" for name in TYPE_NAMES)


@dataclass(slots=True)
class FilterSize:
    """What was found in filters so far. `{}`, which only asks whether there is something, is a comparison, too."""

    comparisons: int = 0
    values: int = 0

    @property
    def excess(self) -> str | None:
        """What there is too much of, and how much is allowed."""
        if self.comparisons > MOST_COMPARISONS:
            return f"{self.comparisons:,} comparisons, {MOST_COMPARISONS:,}"
        if self.values > MOST_VALUES:
            return f"{self.values:,} values in lists, {MOST_VALUES:,}"
        return None

    def add(self, type_: GraphQLInputType, given: Any) -> None:
        """Count the filters in an argument. given: its value as graphql-core coerced it."""
        for one in _filters(type_, given):
            self._count(one)

    def _count(self, given: Any) -> None:
        waiting = [given]
        while waiting:
            match waiting.pop():
                case dict() as members if members:
                    waiting.extend(members.values())
                case list() as items if items and isinstance(items[0], dict):
                    waiting.extend(items)
                case list() as items:
                    self.comparisons += 1
                    self.values += len(items)
                case _:
                    self.comparisons += 1


def _filters(type_: GraphQLInputType, given: Any) -> Iterator[Any]:
    """The outermost filters in a value."""
    named = get_named_type(type_)
    if given is None or not isinstance(named, GraphQLInputObjectType):
        return
    if named.name in _FILTERS:
        yield given
    elif isinstance(given, list):
        for item in given:
            yield from _filters(named, item)
    elif isinstance(given, dict):
        for name, member in given.items():
            yield from _filters(named.fields[name].type, member)
