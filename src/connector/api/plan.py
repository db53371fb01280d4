"""From a validated GraphQL query to a selection: which columns, relations and pages it asks for.

This is the seam between GraphQL and the database. Root fields plan the whole tree below them at once, so a query
costs one statement per relation level, whatever the number of rows. What a field needs is told by its metadata
(`connector.api.schema.fields`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSkipDirective,
    InlineFragmentNode,
    SelectionSetNode,
    get_named_type,
    print_ast,
)
from graphql.execution.values import VariableValues, get_argument_values, get_directive_values
from graphql.type import GraphQLIncludeDirective

from connector.api.conditions import condition_of, order_of
from connector.api.schema.fields import COLUMNS, DEFAULT_PAGE, LARGEST_PAGE, PAGED, RELATION
from connector.api.schema.nodes import TYPE_NAMES
from connector.model.errors import InvalidInput
from connector.storage.query import Child, Page, Selection

LARGEST_QUERY = 50_000
"""Rows that a query may ask for at most, when every page of it is full."""

Fields = dict[str, list[FieldNode]]


class Plan:
    """What the query asks for at and below one field."""

    def __init__(self, info: GraphQLResolveInfo[Any]) -> None:
        self._info = info
        self._variables = VariableValues({}, cast("dict[str, Any]", info.variable_values))  # as strawberry has it
        self._rows = 0

    def page(self) -> tuple[Selection, Page]:
        """The field is a connection. Raises InvalidInput when its arguments cannot be used."""
        connection = _object_type(get_named_type(self._info.parent_type.fields[self._info.field_name].type))
        return self._page(connection, self._info.field_nodes, self.arguments(), parents=1)

    def arguments(self) -> dict[str, Any]:
        """The field's arguments as graphql-core coerced them, which is what conditions are made of."""
        field = self._info.parent_type.fields[self._info.field_name]
        return get_argument_values(field, self._info.field_nodes[0], self._variables)

    def selection(self) -> Selection:
        """The field is one row, or a list of rows, of one type."""
        type_ = get_named_type(self._info.parent_type.fields[self._info.field_name].type)
        return self.selection_of(_object_type(type_))

    def selection_of(self, type_: GraphQLObjectType) -> Selection:
        """The field is an interface, and its value is of this type."""
        return self._selection(type_, self._collect(type_, self._info.field_nodes), parents=1)

    def selection_of_named(self, name: str) -> Selection:
        """The field is an interface, and its value is of the type of this name."""
        return self.selection_of(_object_type(self._info.schema.get_type(name)))

    def below(self, name: str) -> Selection | None:
        """The row in field `name` of the object that the field returns; None when the query does not ask for it."""
        type_ = _object_type(get_named_type(self._info.parent_type.fields[self._info.field_name].type))
        target = _object_type(get_named_type(type_.fields[name].type))
        wanted = [
            node
            for nodes in self._collect(type_, self._info.field_nodes).values()
            for node in nodes
            if node.name.value == name
        ]
        return self._selection(target, self._collect(target, wanted), parents=1) if wanted else None

    def _selection(self, type_: GraphQLObjectType, fields: Fields, *, parents: int) -> Selection:
        columns: set[str] = set()
        children: list[Child] = []
        for key, nodes in fields.items():
            name = nodes[0].name.value
            if name.startswith("__"):
                continue
            definition = type_.fields[name].extensions["strawberry-definition"]
            metadata: Mapping[str, Any] = definition.metadata
            if RELATION in metadata:
                children.append(self._child(type_, key, nodes, metadata, parents=parents))
            else:
                columns.update(metadata.get(COLUMNS, (definition.python_name,)))
        return Selection(TYPE_NAMES[type_.name], frozenset(columns), tuple(children))

    def _child(
        self, type_: GraphQLObjectType, key: str, nodes: list[FieldNode], metadata: Mapping[str, Any], *, parents: int
    ) -> Child:
        field = type_.fields[nodes[0].name.value]
        target = _object_type(get_named_type(field.type))
        if metadata.get(PAGED):
            arguments = get_argument_values(field, nodes[0], self._variables)
            selection, page = self._page(target, nodes, arguments, parents=parents)
            return Child(key, metadata[RELATION], selection, page)
        selection = self._selection(target, self._collect(target, nodes), parents=parents)
        return Child(key, metadata[RELATION], selection)

    def _page(
        self,
        connection: GraphQLObjectType,
        nodes: Sequence[FieldNode],
        arguments: Mapping[str, Any],
        *,
        parents: int,
    ) -> tuple[Selection, Page]:
        asked = self._collect(connection, nodes)
        edge_type = _object_type(get_named_type(connection.fields["edges"].type))
        row_type = _object_type(get_named_type(connection.fields["nodes"].type))
        entity = TYPE_NAMES[row_type.name]
        backward, size = _size(arguments, f"{self._info.field_name}")
        where = condition_of(entity, arguments.get("filter"))
        names = {field[0].name.value for field in asked.values()}
        page = Page(
            size=size,
            where=where,
            order=order_of(arguments.get("orderBy")),
            after=arguments.get("after"),
            before=arguments.get("before"),
            backward=backward,
            counts="totalCount" in names,
            rows=bool(names & {"edges", "nodes", "pageInfo"}),
            include_retired=bool(arguments.get("includeRetired")),
        )
        rows = parents * size
        self._count(rows if page.rows else 0)
        selection = self._selection(row_type, self._row_fields(asked, edge_type, row_type), parents=rows)
        return selection, page

    def _row_fields(self, asked: Fields, edge_type: GraphQLObjectType, row_type: GraphQLObjectType) -> Fields:
        """What is asked of the rows, whether through `edges` or `nodes`, under whatever alias."""
        merged: Fields = {}
        for nodes in asked.values():
            match nodes[0].name.value:
                case "nodes":
                    _merge(merged, self._collect(row_type, nodes))
                case "edges":
                    for below in self._collect(edge_type, nodes).values():
                        if below[0].name.value == "node":
                            _merge(merged, self._collect(row_type, below))
        return merged

    def _count(self, rows: int) -> None:
        self._rows += rows
        if self._rows > LARGEST_QUERY:
            raise InvalidInput(
                f"this query may return {self._rows:,} rows, more than the {LARGEST_QUERY:,} that are allowed",
                hint="Ask for smaller pages with `first`, above all in the inner lists.",
            )

    def _collect(self, type_: GraphQLObjectType, nodes: Iterable[FieldNode]) -> Fields:
        """Response key -> the field's nodes, fragments and directives worked in."""
        fields: Fields = {}
        for node in nodes:
            if node.selection_set is not None:
                for field in self._fields(type_, node.selection_set):
                    key = field.alias.value if field.alias else field.name.value
                    fields.setdefault(key, []).append(field)
        return fields

    def _fields(self, type_: GraphQLObjectType, selections: SelectionSetNode) -> Iterator[FieldNode]:
        for selection in selections.selections:
            if not self._is_included(selection):
                continue
            match selection:
                case FieldNode():
                    yield selection
                case InlineFragmentNode():
                    condition = selection.type_condition
                    if condition is None or _applies(condition.name.value, type_):
                        yield from self._fields(type_, selection.selection_set)
                case FragmentSpreadNode():
                    fragment = self._info.fragments[selection.name.value]
                    if _applies(fragment.type_condition.name.value, type_):
                        yield from self._fields(type_, fragment.selection_set)

    def _is_included(self, node: Any) -> bool:
        if not node.directives:
            return True
        variables = self._variables
        skip = get_directive_values(GraphQLSkipDirective, node, variables)
        include = get_directive_values(GraphQLIncludeDirective, node, variables)
        return not (skip and skip["if"]) and not (include and not include["if"])


def _size(arguments: Mapping[str, Any], where: str) -> tuple[bool, int]:
    """Whether the page is read from its end, and its size."""
    first, last = arguments.get("first"), arguments.get("last")
    if first is not None and last is not None:
        raise InvalidInput(
            f"both first ({first}) and last ({last}) are given below {where!r}", hint="Page in one direction at a time."
        )
    name, size = ("last", last) if last is not None else ("first", DEFAULT_PAGE if first is None else first)
    if not 0 <= size <= LARGEST_PAGE:
        raise InvalidInput(
            f"{name}: {size} below {where!r} is not between 0 and {LARGEST_PAGE}",
            hint=f"Ask for at most {LARGEST_PAGE} rows and continue with a cursor.",
        )
    return last is not None, size


def _merge(into: Fields, more: Fields) -> None:
    for key, nodes in more.items():
        present = into.setdefault(key, [])
        if present and _call(present[0]) != _call(nodes[0]):
            raise InvalidInput(
                f"{key!r} is asked for with different arguments in two places of one page",
                hint="Give one of them an alias of its own.",
            )
        present.extend(nodes)


def _call(node: FieldNode) -> tuple[str, frozenset[str]]:
    return node.name.value, frozenset(print_ast(argument) for argument in node.arguments or ())


def _applies(condition: str, type_: GraphQLObjectType) -> bool:
    return condition == type_.name or any(interface.name == condition for interface in type_.interfaces)


def _object_type(type_: object) -> GraphQLObjectType:
    if not isinstance(type_, GraphQLObjectType):
        raise TypeError(f"{type_} is no object type")
    return type_
