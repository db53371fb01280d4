"""From the answer of a statement to the response of a query, without the walk of the ordinary executor.

A shape is made once for a query: functions that take a row as the database wrote it and give the object that the
client gets. It covers what rows, their relations and what is derived from them can be; where the response would hold
an error (null for what is never null, a number that is too large for `Int`), it gives up with `NotCompiled`, and the
ordinary executor says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    get_named_type,
)

from connector.api.context import ApiContext
from connector.api.document import Document, object_type
from connector.api.forms import Forms
from connector.api.ready import NotCompiled
from connector.api.schema.fields import ADDRESS, BESIDE, COLUMNS, PAGED, RELATION
from connector.api.schema.nodes import global_id
from connector.api.schema.scalars import format_time
from connector.storage.query import Branch, Layout, Page, Row, encode_cursor, place_key

_LARGEST_INT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What resolvers of derived fields find under `info`."""

    context: ApiContext


Shape: TypeAlias = Callable[[Any, Surroundings], Any]
"""What stands in the answer, and what surrounds the query -> what the client gets."""


@dataclass(slots=True)
class _Shown:
    """A page as it is shown. more: there are more rows in the direction of paging. total: None when not counted."""

    rows: Sequence[Any]
    more: bool
    total: int | None
    cursors: Sequence[str]


class Shaper:
    """Makes the shapes of one query. dialect: of the database that writes the answer.

    forms: of what the database can write by itself.
    """

    def __init__(self, document: Document, dialect: str) -> None:
        self.forms = Forms(document)
        self._document = document
        self._key = place_key(dialect)
        self.looking_around: list[str] = []
        """Fields whose values depend on who asks, or when."""

    def key_of(self, row: Any) -> int:
        """The key of a row, which always is its first column."""
        key: int = row[self._key(0)]
        return key

    def column_of(self, layout: Layout, name: str) -> Callable[[Any], Any]:
        """What a column of a row holds, which is a text or a whole number."""
        place = self._key(layout.place(name))
        return lambda row: row[place]

    def row(self, type_: GraphQLObjectType, nodes: Sequence[FieldNode], layout: Layout) -> Shape:
        """The shape of a row that the nodes ask for."""
        members = [
            (key, self._member(type_, key, found, layout))
            for key, found in self._document.collect(type_, nodes).items()
        ]

        def shape(row: Any, around: Surroundings) -> Any:
            return {key: member(row, around) for key, member in members}

        return shape

    def page(
        self, type_: GraphQLObjectType, nodes: Sequence[FieldNode], layout: Layout, page: Page
    ) -> Callable[[Any, int | None, Surroundings], Any]:
        """The shape of a connection: of its rows, one more than the page when there are more, and their number."""
        asked = self._document.collect(type_, nodes)
        has_cursors = self._has_cursors(type_, asked.values())
        members = [(key, self._part(type_, found, layout, page)) for key, found in asked.items()]
        cursor = self._cursor(layout)

        def shape(rows: Any, total: int | None, around: Surroundings) -> Any:
            shown = rows[: page.size] if rows else []
            if page.backward:
                shown.reverse()
            cursors = [cursor(row) for row in shown] if has_cursors else ()
            view = _Shown(shown, bool(rows) and len(rows) > page.size, total, cursors)
            return {key: member(view, around) for key, member in members}

        return shape

    def value(self, type_: GraphQLOutputType, nodes: Sequence[FieldNode]) -> Shape:
        """The shape of a value that Python made."""
        match type_:
            case GraphQLNonNull(of_type=inner):
                return _never_null(self.value(inner, nodes))
            case GraphQLList(of_type=inner):
                item = self.value(inner, nodes)
                return _unless_null(lambda items, around: [item(one, around) for one in items])
            case GraphQLScalarType() | GraphQLEnumType():
                written = type_.coerce_output_value
                return _unless_null(lambda value, _around: written(value))
            case GraphQLObjectType():
                return _unless_null(self._object(type_, nodes))
            case _:
                raise NotCompiled(f"{type_} is no type of a derived value")

    def _object(self, type_: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Shape:
        members = [(key, self.attribute(type_, found)) for key, found in self._document.collect(type_, nodes).items()]
        return lambda value, around: {key: member(value, around) for key, member in members}

    def attribute(self, type_: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Shape:
        """The shape of a field of an object that Python made, out of that object."""
        name = nodes[0].name.value
        if name == "__typename":
            return _always(type_.name)
        field = type_.fields[name]
        self._note(type_, name)
        return _derived(_own(field), self.value(field.type, nodes))

    def _member(self, type_: GraphQLObjectType, key: str, nodes: list[FieldNode], layout: Layout) -> Shape:
        name = nodes[0].name.value
        if name == "__typename":
            return _always(type_.name)
        field = type_.fields[name]
        definition = field.extensions["strawberry-definition"]
        if RELATION in definition.metadata:
            return self._relation(field, nodes, layout.branch(key), paged=bool(definition.metadata.get(PAGED)))
        if name == "id":
            own, place = type_.name, self._key(layout.place("id"))
            return lambda row, _around: global_id(own, row[place])
        if definition.base_resolver is None:
            return self._column(field, layout, definition.python_name)
        self._note(type_, name)
        columns = (*definition.metadata.get(COLUMNS, ()), *definition.metadata.get(BESIDE, ()))
        return _derived(_own(field, self._rows(layout, columns)), self.value(field.type, nodes))

    def _note(self, type_: GraphQLObjectType, name: str) -> None:
        definition = type_.fields[name].extensions["strawberry-definition"]
        resolver = definition.base_resolver
        if resolver is not None and resolver.info_parameter is not None and not definition.metadata.get(ADDRESS):
            self.looking_around.append(f"{type_}.{name}")

    def _column(self, field: GraphQLField, layout: Layout, name: str) -> Shape:
        place = layout.place(name)
        key, decode = self._key(place), layout.decoders[place]
        type_ = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
        write = _writer(type_, decode)
        if isinstance(field.type, GraphQLNonNull):

            def shape(row: Any, _around: Surroundings) -> Any:
                value = row[key]
                if value is None:
                    raise NotCompiled(f"{name} is missing")
                return value if write is None else write(value)

            return shape
        if write is None:
            return lambda row, _around: row[key]
        return lambda row, _around: None if (value := row[key]) is None else write(value)

    def _relation(self, field: GraphQLField, nodes: list[FieldNode], branch: Branch, *, paged: bool) -> Shape:
        type_ = object_type(get_named_type(field.type))
        rows = None if branch.rows is None else self._key(branch.rows)
        if paged:
            if branch.child.page is None:
                raise TypeError(f"{type_} is a connection without a page")
            page = self.page(type_, nodes, branch.layout, branch.child.page)
            total = None if branch.total is None else self._key(branch.total)
            return lambda row, around: page(
                None if rows is None else row[rows], None if total is None else row[total], around
            )
        one = self.row(type_, nodes, branch.layout)
        if not branch.is_single:
            return lambda row, around: [one(item, around) for item in row[rows]]
        single = _unless_null(one)
        if isinstance(field.type, GraphQLNonNull):
            single = _never_null(single)
        return lambda row, around: single(row[rows], around)

    def _part(self, type_: GraphQLObjectType, nodes: list[FieldNode], layout: Layout, page: Page) -> Shape:
        """A field of a connection, over what is shown of it."""
        name = nodes[0].name.value
        match name:
            case "__typename":
                return _always(type_.name)
            case "totalCount":
                return lambda view, _around: _int(view.total)
            case "nodes":
                one = self.row(object_type(get_named_type(type_.fields[name].type)), nodes, layout)
                return lambda view, around: [one(row, around) for row in view.rows]
            case "edges":
                return self._edges(object_type(get_named_type(type_.fields[name].type)), nodes, layout)
            case "pageInfo":
                return self._page_info(object_type(get_named_type(type_.fields[name].type)), nodes, page)
            case _:
                raise NotCompiled(f"{type_}.{name} is no part of a page")

    def _edges(self, type_: GraphQLObjectType, nodes: list[FieldNode], layout: Layout) -> Shape:
        members: list[tuple[str, Callable[[Any, str, Surroundings], Any]]] = []
        for key, found in self._document.collect(type_, nodes).items():
            match found[0].name.value:
                case "__typename":
                    members.append((key, lambda _row, _cursor, _around: type_.name))
                case "cursor":
                    members.append((key, lambda _row, cursor, _around: cursor))
                case name:
                    one = self.row(object_type(get_named_type(type_.fields[name].type)), found, layout)
                    members.append((key, lambda row, _cursor, around, one=one: one(row, around)))  # type: ignore[misc]

        def shape(view: _Shown, around: Surroundings) -> Any:
            cursors = view.cursors or [""] * len(view.rows)
            return [
                {key: member(row, cursor, around) for key, member in members}
                for row, cursor in zip(view.rows, cursors, strict=True)
            ]

        return shape

    def _page_info(self, type_: GraphQLObjectType, nodes: list[FieldNode], page: Page) -> Shape:
        came_after, came_before, backward = page.after is not None, page.before is not None, page.backward
        parts: Mapping[str, Shape] = {
            "__typename": _always(type_.name),
            "hasNextPage": lambda view, _around: came_before if backward else view.more,
            "hasPreviousPage": lambda view, _around: view.more if backward else came_after,
            "startCursor": lambda view, _around: view.cursors[0] if view.cursors else None,
            "endCursor": lambda view, _around: view.cursors[-1] if view.cursors else None,
        }
        asked = self._document.collect(type_, nodes)
        members = [(key, parts[found[0].name.value]) for key, found in asked.items()]
        return lambda view, around: {key: member(view, around) for key, member in members}

    def _has_cursors(self, type_: GraphQLObjectType, asked: Any) -> bool:
        for nodes in asked:
            name = nodes[0].name.value
            if name in ("edges", "pageInfo"):
                below = self._document.collect(object_type(get_named_type(type_.fields[name].type)), nodes)
                if any(found[0].name.value in ("cursor", "startCursor", "endCursor") for found in below.values()):
                    return True
        return False

    def _cursor(self, layout: Layout) -> Callable[[Any], str]:
        order = layout.order
        places = [(self._key(layout.place(key.column)), layout.decoders[layout.place(key.column)]) for key in order]

        def cursor(row: Any) -> str:
            return encode_cursor(
                layout.entity,
                order,
                [value if (value := row[key]) is None or decode is None else decode(value) for key, decode in places],
            )

        return cursor

    def _rows(self, layout: Layout, names: Sequence[str]) -> Callable[[Any], Row]:
        """Makes the row that the resolver of a derived field takes: these columns, and the id."""
        places = [(name, layout.place(name)) for name in dict.fromkeys(("id", *names))]
        columns = [(name, self._key(place), layout.decoders[place]) for name, place in places]

        def row(given: Any) -> Row:
            return Row(
                layout.entity.name,
                {
                    name: value if (value := given[key]) is None or decode is None else decode(value)
                    for name, key, decode in columns
                },
            )

        return row


class _Names(dict[str, str]):
    """Value of an enum -> its name."""

    def __missing__(self, value: str) -> str:
        raise NotCompiled(f"{value!r} is no value of the enum")


def _writer(type_: GraphQLOutputType, decode: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    """What makes the response's value out of what stands in the answer; None where it is the value itself."""
    if isinstance(type_, GraphQLEnumType):
        return _Names(
            {getattr(value.value, "value", value.value): name for name, value in type_.values.items()}
        ).__getitem__
    if not isinstance(type_, GraphQLScalarType):
        raise NotCompiled(f"{type_} is no type of a column")
    match type_.name:
        case "String" | "JSON":
            return None
        case "Int":
            return _int
        case "Boolean" | "Float":
            return decode
        case "DateTime":
            return _time
        case "Date":
            return None
        case _:
            written = type_.coerce_output_value
            return written if decode is None else lambda value: written(decode(value))


def _int(value: Any) -> int:
    if type(value) is not int or not -_LARGEST_INT - 1 <= value <= _LARGEST_INT:
        raise NotCompiled(f"{value!r} does not fit into Int")
    return value


def _time(text: str) -> str:
    """An instant as both databases write it, as the scalar has it."""
    if len(text) == 27:  # SQLite: 2026-11-25T09:00:00.000000Z
        return f"{text[:26].rstrip('0').rstrip('.')}Z"
    if len(text) == 25 and text.endswith("+00:00"):  # PostgreSQL: 2026-11-25T09:00:00+00:00
        return f"{text[:19]}Z"
    return format_time(datetime.fromisoformat(text))


def _own(field: GraphQLField, row: Callable[[Any], Any] | None = None) -> Shape:
    """The value that a field of an object has before it is written. row: makes what its resolver takes."""
    definition = field.extensions["strawberry-definition"]
    resolver = definition.base_resolver
    if resolver is None:
        name = definition.python_name
        return lambda value, _around: getattr(value, name)
    function = resolver.wrapped_func
    if resolver.info_parameter is not None:
        return lambda value, around: function(value if row is None else row(value), around)
    return lambda value, _around: function(value if row is None else row(value))


def _derived(own: Shape, write: Shape) -> Shape:
    def shape(value: Any, around: Surroundings) -> Any:
        try:
            return write(own(value, around), around)
        except Exception as error:
            raise NotCompiled("a derived value cannot be made") from error

    return shape


def _always(value: str) -> Shape:
    return lambda _row, _around: value


def _unless_null(shape: Shape) -> Shape:
    return lambda value, around: None if value is None else shape(value, around)


def _never_null(shape: Shape) -> Shape:
    def strict(value: Any, around: Surroundings) -> Any:
        found = shape(value, around)
        if found is None:
            raise NotCompiled("a value is missing that never may")
        return found

    return strict
