"""From a validated GraphQL query to a selection: which columns, relations and pages it asks for.

This is the seam between GraphQL and the database. Root fields plan the whole tree below them at once, so a query
costs one statement, whatever the number of rows and relations. What a field needs is told by its metadata
(`connector.api.schema.fields`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from graphql import FieldNode, GraphQLField, GraphQLObjectType, GraphQLResolveInfo, get_named_type, print_ast

from connector.api.conditions import condition_of, order_of
from connector.api.document import Document, Fields, object_type
from connector.api.schema.fields import BESIDE, COLUMNS, DEFAULT_PAGE, LARGEST_PAGE, PAGED, RELATION
from connector.api.schema.nodes import TYPE_NAMES
from connector.api.variables import Leaf
from connector.model.errors import InvalidInput
from connector.storage.query import ENTITIES, Child, Order, Page, Place, Selection, checked_cursor, missing_in, opened

FREE: Final = frozenset({"filter", "after", "before"})
"""Arguments of a page that a plan can leave free values in."""


class Plan:
    """What a document asks for at and below one field. nodes: all that ask for it under one response key."""

    def __init__(self, document: Document, field: GraphQLField, nodes: Sequence[FieldNode]) -> None:
        self.document = document
        self.field = field
        self.nodes = nodes
        self._name = nodes[0].name.value

    @classmethod
    def of(cls, info: GraphQLResolveInfo[Any]) -> Plan:
        """The plan of the field that is being resolved."""
        return cls(Document.of(info), info.parent_type.fields[info.field_name], info.field_nodes)

    @property
    def type(self) -> GraphQLObjectType:
        """The object type of the field, or of the things in its list."""
        return object_type(get_named_type(self.field.type))

    def page(self) -> tuple[Selection, Page]:
        """The field is a connection. Raises InvalidInput when its arguments cannot be used."""
        arguments = self.document.arguments(self.field, self.nodes[0], FREE)
        return self._page(self.type, self.nodes, arguments)

    def arguments(self) -> dict[str, Any]:
        """The field's arguments as graphql-core coerced them, which is what conditions are made of."""
        return self.document.arguments(self.field, self.nodes[0])

    def free(self, *names: str) -> dict[str, Any]:
        """The same; in these there are leaves for what variables hold (`connector.api.variables`)."""
        return self.document.arguments(self.field, self.nodes[0], names)

    def selection(self) -> Selection:
        """The field is one row, or a list of rows, of one type."""
        return self.selection_of(self.type)

    def selection_of(self, type_: GraphQLObjectType) -> Selection:
        """The field is an interface, and its value is of this type."""
        return self._selection(type_, self.document.collect(type_, self.nodes))

    def selection_of_named(self, name: str) -> Selection:
        """The field is an interface, and its value is of the type of this name."""
        return self.selection_of(object_type(self.document.schema.get_type(name)))

    def below(self, name: str) -> Selection | None:
        """The row in field `name` of the object that the field returns; None when the query does not ask for it."""
        target = object_type(get_named_type(self.type.fields[name].type))
        wanted = [
            node
            for nodes in self.document.collect(self.type, self.nodes).values()
            for node in nodes
            if node.name.value == name
        ]
        return self._selection(target, self.document.collect(target, wanted)) if wanted else None

    def selection_at(self, type_: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Selection:
        """The nodes, somewhere below the field, are one row of this type."""
        return self._selection(type_, self.document.collect(type_, nodes))

    def _selection(self, type_: GraphQLObjectType, fields: Fields) -> Selection:
        columns: set[str] = set()
        children: list[Child] = []
        for key, nodes in fields.items():
            name = nodes[0].name.value
            if name.startswith("__"):
                continue
            definition = type_.fields[name].extensions["strawberry-definition"]
            metadata: Mapping[str, Any] = definition.metadata
            if RELATION in metadata:
                children.append(self._child(type_, key, nodes, metadata))
            else:
                columns.update(metadata.get(COLUMNS, (definition.python_name,)))
                columns.update(metadata.get(BESIDE, ()))
        return Selection(TYPE_NAMES[type_.name], frozenset(columns), tuple(children))

    def _child(self, type_: GraphQLObjectType, key: str, nodes: list[FieldNode], metadata: Mapping[str, Any]) -> Child:
        field = type_.fields[nodes[0].name.value]
        target = object_type(get_named_type(field.type))
        if metadata.get(PAGED):
            arguments = self.document.arguments(field, nodes[0], FREE)
            selection, page = self._page(target, nodes, arguments)
            return Child(key, metadata[RELATION], selection, page)
        selection = self._selection(target, self.document.collect(target, nodes))
        return Child(key, metadata[RELATION], selection)

    def _page(
        self, connection: GraphQLObjectType, nodes: Sequence[FieldNode], arguments: Mapping[str, Any]
    ) -> tuple[Selection, Page]:
        asked = self.document.collect(connection, nodes)
        edge_type = object_type(get_named_type(connection.fields["edges"].type))
        row_type = object_type(get_named_type(connection.fields["nodes"].type))
        entity = TYPE_NAMES[row_type.name]
        backward, size = _size(arguments, self._name)
        where = condition_of(entity, arguments.get("filter"), self.document.variables)
        names = {field[0].name.value for field in asked.values()}
        order = order_of(arguments.get("orderBy"))
        page = Page(
            size=size,
            where=where,
            order=order,
            after=self._place(entity, order, arguments.get("after")),
            before=self._place(entity, order, arguments.get("before")),
            backward=backward,
            counts="totalCount" in names,
            rows=bool(names & {"edges", "nodes", "pageInfo"}),
            include_retired=bool(arguments.get("includeRetired")),
        )
        return self._selection(row_type, self._row_fields(asked, edge_type, row_type)), page

    def _place(self, entity: str, order: Sequence[Order], cursor: Any) -> str | Place | None:
        """A cursor, or what the one in a variable holds. Raises InvalidInput, whether rows are wanted or not."""
        if cursor is None:
            return None
        if not isinstance(cursor, Leaf):
            return checked_cursor(ENTITIES[entity], order, cursor)
        variables = self.document.variables
        variables.note(cursor.path, missing_in)
        return opened(ENTITIES[entity], order, cursor.value, partial(variables.bound_leaf, cursor))

    def _row_fields(self, asked: Fields, edge_type: GraphQLObjectType, row_type: GraphQLObjectType) -> Fields:
        """What is asked of the rows, whether through `edges` or `nodes`, under whatever alias."""
        merged: Fields = {}
        for nodes in asked.values():
            match nodes[0].name.value:
                case "nodes":
                    _merge(merged, self.document.collect(row_type, nodes))
                case "edges":
                    for below in self.document.collect(edge_type, nodes).values():
                        if below[0].name.value == "node":
                            _merge(merged, self.document.collect(row_type, below))
        return merged


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
