"""How large a query may be before it is run: its depth, its aliases, its root fields, its length, its cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValidationContext,
    ValidationRule,
)

from connector.api.patience import LONGEST_QUERY
from connector.api.weights import LARGEST_COST

WISH = "cost"
"""A request with `"extensions": {"cost": true}` is told what its operation costs."""

LARGEST_DEPTH = 12
"""Fields within fields; each inner page costs three (`tickets { edges { node`)."""
MOST_ALIASES = 50
MOST_ROOT_FIELDS = 30
"""Response keys of an operation, those of fragments right below it included."""
MOST_TOKENS = 4_000
"""Words and signs of a document."""
MOST_COMPARED = 20_000
"""How much graphql-core may look into whether fields that are asked for more than once, or in fragments, go together.

Its own limit is 500,000, which takes seconds; none of the published operations takes more than ten.
"""
LARGEST_REQUEST = 256 * 1024
"""Bytes of a GraphQL request."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a hub is configured to allow. largest_cost: of one operation (`connector.api.cost`).

    introspection: whether the schema can be asked for.
    """

    largest_cost: int = LARGEST_COST
    longest_query: timedelta = LONGEST_QUERY
    introspection: bool = True

    def told(self, wishes: Mapping[str, Any] | None, cost: int) -> dict[str, Any]:
        """What the extensions of a response say of the cost; something where the request's `extensions` wish it."""
        if wishes is None or wishes.get(WISH) is not True:
            return {}
        return {"cost": {"requested": cost, "maximum": self.largest_cost}}


class QueryLimits(ValidationRule):
    """Refuses operations that are nested too deeply, or have too many aliases or root fields."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        document = context.document.definitions
        fragments = {node.name.value: node for node in document if isinstance(node, FragmentDefinitionNode)}
        for operation in document:
            if isinstance(operation, OperationDefinitionNode):
                depth, aliases = _measure(operation.selection_set, fragments, {})
                if depth > LARGEST_DEPTH:
                    self._refuse(
                        operation,
                        f"the query is nested {depth} fields deep, {LARGEST_DEPTH} are allowed",
                        "QUERY_TOO_DEEP",
                    )
                if aliases > MOST_ALIASES:
                    self._refuse(
                        operation, f"the query has {aliases} aliases, {MOST_ALIASES} are allowed", "TOO_MANY_ALIASES"
                    )
                roots = len(_root_keys(operation.selection_set, fragments, set()))
                if roots > MOST_ROOT_FIELDS:
                    self._refuse(
                        operation,
                        f"the query has {roots} root fields, {MOST_ROOT_FIELDS} are allowed",
                        "TOO_MANY_ROOT_FIELDS",
                    )

    def _refuse(self, operation: OperationDefinitionNode, message: str, code: str) -> None:
        hint = "Ask in several requests; `nodes(ids:)` fetches many things at once."
        self.report_error(GraphQLError(message, operation, extensions={"code": code, "hint": hint}))


def _root_keys(
    selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode], seen: set[str]
) -> set[str]:
    keys: set[str] = set()
    for node in selections.selections:
        match node:
            case FieldNode():
                keys.add(node.alias.value if node.alias else node.name.value)
            case InlineFragmentNode():
                keys |= _root_keys(node.selection_set, fragments, seen)
            case FragmentSpreadNode() if node.name.value in fragments and node.name.value not in seen:
                seen.add(node.name.value)
                keys |= _root_keys(fragments[node.name.value].selection_set, fragments, seen)
    return keys


def _measure(
    selections: SelectionSetNode | None,
    fragments: Mapping[str, FragmentDefinitionNode],
    known: dict[str, tuple[int, int] | None],
) -> tuple[int, int]:
    """Depth and number of aliases; introspection is not measured. known: fragments measured, None while at it."""
    deepest, aliases = 0, 0
    for node in selections.selections if selections else ():
        below = (0, 0)
        match node:
            case FieldNode():
                if node.name.value.startswith("__"):
                    continue
                depth, more = _measure(node.selection_set, fragments, known)
                below = depth + 1, more + (node.alias is not None)
            case InlineFragmentNode():
                below = _measure(node.selection_set, fragments, known)
            case FragmentSpreadNode():
                below = _measure_fragment(node.name.value, fragments, known)
        deepest, aliases = max(deepest, below[0]), aliases + below[1]
    return deepest, aliases


def _measure_fragment(
    name: str, fragments: Mapping[str, FragmentDefinitionNode], known: dict[str, tuple[int, int] | None]
) -> tuple[int, int]:
    """A fragment that spreads itself counts once; another rule refuses it."""
    if name not in known:
        known[name] = None
        fragment = fragments.get(name)
        known[name] = _measure(fragment.selection_set, fragments, known) if fragment else (0, 0)
    return known[name] or (0, 0)
