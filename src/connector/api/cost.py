"""What a query costs: how many rows it may read when every page of it is full, and what else it has the hub do.

One unit is one row of a page. What costs more, or is no row, has a weight of its own, which is charged for each row
that it belongs to. The cost is known before anything is read, from the document and its variables alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLAbstractType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    get_named_type,
    is_abstract_type,
    is_list_type,
    is_object_type,
)
from graphql.execution.values import get_variable_values
from graphql.type import GraphQLNonNull

from connector.api.document import Document, object_type
from connector.api.filter_size import FilterSize
from connector.api.representations import REPRESENTATIONS, type_of
from connector.api.schema.fields import DEFAULT_PAGE, LARGEST_PAGE, PAGED, RELATION
from connector.api.schema.nodes import TYPE_NAMES
from connector.api.variables import Variables
from connector.api.weights import CHANGE, COUNT, LIST, LISTING, ROW, WEIGHT

NODE: Final = "Node"
"""The interface of what is read by its id."""

Path: TypeAlias = tuple[str, ...]


@dataclass(slots=True)
class Cost:
    """What an operation costs. dearest: response keys that lead to the part that costs most by itself.

    filters: how large all of them are together.
    """

    total: int = 0
    dearest: Path = ()
    filters: FilterSize = field(default_factory=FilterSize)
    _most: int = 0

    def charge(self, amount: int, path: Path) -> None:
        """Add what one part costs."""
        self.total += amount
        if amount > self._most:
            self._most, self.dearest = amount, path

    @property
    def most(self) -> int:
        """What the dearest part costs by itself."""
        return self._most


def cost_of(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> Cost | None:
    """The cost of an operation of a validated document. variables: as the client sent them.

    None when they cannot be coerced: nothing will be run.
    """
    coerced = get_variable_values(schema, operation.variable_definitions or (), dict(variables))
    root = schema.get_root_type(operation.operation)
    if isinstance(coerced, list) or root is None:
        return None
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    read = Document(schema, fragments, Variables(coerced.coerced, {}))
    meter = _Meter(read)
    for key, nodes in read.roots(root, operation.selection_set).items():
        if operation.operation is OperationType.MUTATION:
            meter.cost.charge(CHANGE, (key,))
        meter.field(root, nodes, 1, (key,))
    return meter.cost


class _Meter:
    """Walks through an operation and adds up."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.cost = Cost()

    def field(self, type_: GraphQLObjectType, nodes: Sequence[FieldNode], rows: int, path: Path) -> None:
        """A field of `rows` objects of the type, and what is below it."""
        name = nodes[0].name.value
        if name.startswith("__"):
            return
        field = type_.fields[name]
        metadata: Mapping[str, Any] = field.extensions["strawberry-definition"].metadata
        target = get_named_type(field.type)
        self._filters(field, nodes[0])
        self.cost.charge(rows * metadata.get(WEIGHT, 0), path)
        if PAGED in metadata or LISTING in metadata:
            self._page(object_type(target), nodes, rows * _page_size(self._document, field, nodes[0]), rows, path)
        elif REPRESENTATIONS in field.args:
            self._entities(self._document.argument(field, nodes[0], REPRESENTATIONS), nodes, path)
        elif is_abstract_type(target):
            self._abstract(target, nodes, rows * _ids(self._document, field, nodes[0]), path)
        elif is_object_type(target):
            if RELATION in metadata and _is_list(field):
                rows *= LIST
            if target.name in TYPE_NAMES:
                self.cost.charge(rows * ROW, path)
            elif WEIGHT in metadata and "first" in field.args:
                self.cost.charge(rows * _first(self._document, field, nodes[0], LARGEST_PAGE), path)
            self._below(target, nodes, rows, path)

    def _filters(self, field: GraphQLField, node: FieldNode) -> None:
        for given in node.arguments or ():
            name = given.name.value
            if isinstance(get_named_type(field.args[name].type), GraphQLInputObjectType):
                self.cost.filters.add(field.args[name].type, self._document.argument(field, node, name))

    def _below(self, type_: GraphQLObjectType, nodes: Iterable[FieldNode], rows: int, path: Path) -> None:
        for key, found in self._document.collect(type_, nodes).items():
            self.field(type_, found, rows, (*path, key))

    def _page(self, type_: GraphQLObjectType, nodes: Sequence[FieldNode], rows: int, parents: int, path: Path) -> None:
        """A connection of which `rows` are shown in all, below `parents`."""
        shown: list[FieldNode] = []
        has_rows, way = False, path
        edge = object_type(get_named_type(type_.fields["edges"].type))
        for key, found in self._document.collect(type_, nodes).items():
            name = found[0].name.value
            has_rows = has_rows or name in ("edges", "nodes", "pageInfo")
            if name == "totalCount":
                self.cost.charge(parents * COUNT, (*path, key))
            elif name == "nodes":
                shown, way = [*shown, *found], (*path, key)
            elif name == "edges":
                for inner, below in self._document.collect(edge, found).items():
                    if below[0].name.value == "node":
                        shown, way = [*shown, *below], (*path, key, inner)
        self.cost.charge(rows * ROW if has_rows else 0, path)
        self._below(object_type(get_named_type(type_.fields["nodes"].type)), shown, rows, way)

    def _entities(self, given: object, nodes: Sequence[FieldNode], path: Path) -> None:
        """What a gateway asks of things that it names: of each type what it asks of that."""
        named = Counter(type_of(one) for one in given) if isinstance(given, list) else Counter()
        self.cost.charge(named.total() * ROW, path)
        for name, rows in named.items():
            if name is not None:
                self._below(object_type(self._document.schema.get_type(name)), nodes, rows, path)

    def _abstract(self, type_: GraphQLAbstractType, nodes: Sequence[FieldNode], rows: int, path: Path) -> None:
        """Of all types that an object may have, the dearest one."""
        possible = self._document.schema.get_possible_types(type_)
        named = self._document.conditions(nodes)
        costs: list[Cost] = []
        for candidate in [one for one in possible if one.name in named] or possible[:1]:
            meter = _Meter(self._document)
            meter.cost.filters = self.cost.filters
            meter.cost.charge(rows * ROW if type_.name == NODE else 0, path)
            meter._below(candidate, nodes, rows, path)
            costs.append(meter.cost)
        dearest = max(costs, key=lambda cost: cost.total)
        self.cost.charge(dearest.total - dearest.most, path)
        self.cost.charge(dearest.most, dearest.dearest)


def _page_size(document: Document, field: GraphQLField, node: FieldNode) -> int:
    """Rows of a full page; one that is out of range is refused where it is read."""
    last = document.argument(field, node, "last")
    return _bounded(last) if last is not None else _first(document, field, node, DEFAULT_PAGE)


def _first(document: Document, field: GraphQLField, node: FieldNode, default: int) -> int:
    given = document.argument(field, node, "first")
    return default if given is None else _bounded(given)


def _bounded(size: int) -> int:
    return min(max(size, 0), LARGEST_PAGE)


def _ids(document: Document, field: GraphQLField, node: FieldNode) -> int:
    """How many things are asked for by their ids."""
    return len(document.argument(field, node, "ids") or ()) if "ids" in field.args else 1


def _is_list(field: GraphQLField) -> bool:
    type_ = field.type
    return is_list_type(type_.of_type if isinstance(type_, GraphQLNonNull) else type_)


def parts_of(path: Path) -> str:
    """The path as people read it."""
    return ".".join(path)
