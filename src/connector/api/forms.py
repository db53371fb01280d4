"""Which queries the database answers by itself, and how: their forms.

A database writes rows, pages and groups as the response has them if all that is asked for are columns, ids, relations
and counts whose values cannot be an error. Everything else is shaped from what is read (`connector.api.shape`); the
answer is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    get_named_type,
)

from connector.api.document import Document, object_type
from connector.api.schema.fields import PAGED, RELATION
from connector.storage.query import ENTITIES, AggregateRead, Branch, Entity, Layout, Page, ToOne, can_write_cursors
from connector.storage.query.forms import (
    Always,
    Below,
    Counted,
    Edge,
    EdgeForm,
    GlobalId,
    GroupForm,
    GroupsForm,
    Info,
    InfoForm,
    KeyForm,
    KeyShown,
    Kind,
    PageForm,
    PagePart,
    RowForm,
    RowMember,
    Shown,
    Total,
    Writing,
    kind_of,
)

_KINDS: Final[Mapping[str, frozenset[Kind]]] = {
    "String": frozenset({"text"}),
    "Int": frozenset({"int"}),
    "BigInt": frozenset({"int", "bigint"}),
    "Float": frozenset({"real"}),
    "Boolean": frozenset({"bool"}),
    "DateTime": frozenset({"instant"}),
    "Date": frozenset({"date"}),
    "JSON": frozenset({"json"}),
}
"""Scalar -> kinds of columns whose every value is one of it."""


class NotWritten(Exception):  # noqa: N818 - named by what is so
    """A database cannot write it as the response has it."""


class Forms:
    """Makes the forms of one query."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def row(self, type_: GraphQLObjectType, nodes: Sequence[FieldNode], layout: Layout) -> RowForm:
        """The form of a row. Raises NotWritten."""
        asked = self._document.collect(type_, nodes)
        return RowForm(tuple((key, self._member(type_, key, found, layout)) for key, found in asked.items()))

    def page(self, type_: GraphQLObjectType, nodes: Sequence[FieldNode], layout: Layout, page: Page) -> PageForm:
        """The form of a connection. Raises NotWritten."""
        if page.backward or not (page.rows or page.counts):
            raise NotWritten("read from its end, or not at all")
        asked = self._document.collect(type_, nodes)
        form = PageForm(
            layout, page, tuple((key, self._part(type_, found, layout, page)) for key, found in asked.items())
        )
        if sum(isinstance(part, RowForm | EdgeForm) for _, part in form.members) > 1:
            raise NotWritten("more than one list")
        if form.has_cursors and not can_write_cursors(layout.entity, layout.order):
            raise NotWritten("cursors")
        return form

    def groups(self, type_: GraphQLObjectType, nodes: Sequence[FieldNode], read: AggregateRead) -> GroupsForm:
        """The form of groups that are only counted, by texts and enums. Raises NotWritten."""
        members: list[tuple[str, Always | Literal[Info.MORE] | GroupForm]] = []
        for key, found in self._document.collect(type_, nodes).items():
            match name := found[0].name.value:
                case "__typename":
                    members.append((key, Always(type_.name)))
                case "hasMore":
                    members.append((key, Info.MORE))
                case _:
                    group = object_type(get_named_type(type_.fields[name].type))
                    members.append((key, self._group(group, found, read)))
        if all(isinstance(member, Always) for _, member in members):
            raise NotWritten("nothing is asked about groups")
        return GroupsForm(tuple(members))

    def _group(self, type_: GraphQLObjectType, nodes: Sequence[FieldNode], read: AggregateRead) -> GroupForm:
        members: list[tuple[str, Always | Counted | KeyForm]] = []
        for key, found in self._document.collect(type_, nodes).items():
            match name := found[0].name.value:
                case "__typename":
                    members.append((key, Always(type_.name)))
                case "count":
                    members.append((key, Counted.COUNT))
                case "key":
                    members.append((key, self._key(object_type(get_named_type(type_.fields[name].type)), found, read)))
                case _:
                    raise NotWritten(f"{type_}.{name}")
        return GroupForm(tuple(members))

    def _key(self, type_: GraphQLObjectType, nodes: Sequence[FieldNode], read: AggregateRead) -> KeyForm:
        places = {key.column: place for place, key in enumerate(read.keys)}
        members: list[tuple[str, Always | KeyShown | None]] = []
        for key, found in self._document.collect(type_, nodes).items():
            if (name := found[0].name.value) == "__typename":
                members.append((key, Always(type_.name)))
                continue
            field = type_.fields[name]
            column = field.extensions["strawberry-definition"].python_name
            if column not in places:
                members.append((key, None))
                continue
            shown = _shown(field, ENTITIES[read.entity], column)
            if kind_of(ENTITIES[read.entity], column) not in ("text", "enum"):
                raise NotWritten(f"{type_}.{name}")
            members.append((key, KeyShown(places[column], shown.writing)))
        return KeyForm(tuple(members))

    def _member(self, type_: GraphQLObjectType, key: str, nodes: list[FieldNode], layout: Layout) -> RowMember:
        name = nodes[0].name.value
        if name == "__typename":
            return Always(type_.name)
        field = type_.fields[name]
        definition = field.extensions["strawberry-definition"]
        if RELATION in definition.metadata:
            return self._relation(field, nodes, layout, layout.branch(key), paged=bool(definition.metadata.get(PAGED)))
        if name == "id":
            return GlobalId(type_.name)
        if definition.base_resolver is not None:
            raise NotWritten(f"{type_}.{name} is derived")
        return _shown(field, layout.entity, definition.python_name)

    def _relation(
        self, field: GraphQLField, nodes: list[FieldNode], layout: Layout, branch: Branch, *, paged: bool
    ) -> RowMember:
        type_ = object_type(get_named_type(field.type))
        page = branch.child.page
        if paged:
            if page is None:
                raise TypeError(f"{type_} is a connection without a page")
            return Below(branch, self.page(type_, nodes, branch.layout, page))
        relation = branch.relation
        is_sure = isinstance(relation, ToOne) and not layout.entity.is_nullable(relation.key)
        if branch.is_single and isinstance(field.type, GraphQLNonNull) and not is_sure:
            raise NotWritten("what may not be there and must")
        return Below(branch, self.row(type_, nodes, branch.layout))

    def _part(self, type_: GraphQLObjectType, nodes: list[FieldNode], layout: Layout, page: Page) -> PagePart:
        match name := nodes[0].name.value:
            case "__typename":
                return Always(type_.name)
            case "totalCount":
                return Total.TOTAL
            case "nodes":
                return self.row(object_type(get_named_type(type_.fields[name].type)), nodes, layout)
            case "edges":
                return self._edges(object_type(get_named_type(type_.fields[name].type)), nodes, layout)
            case "pageInfo":
                return self._info(object_type(get_named_type(type_.fields[name].type)), nodes, page)
            case _:
                raise NotWritten(f"{type_}.{name}")

    def _edges(self, type_: GraphQLObjectType, nodes: list[FieldNode], layout: Layout) -> EdgeForm:
        members: list[tuple[str, Always | Edge | RowForm]] = []
        for key, found in self._document.collect(type_, nodes).items():
            match name := found[0].name.value:
                case "__typename":
                    members.append((key, Always(type_.name)))
                case "cursor":
                    members.append((key, Edge.CURSOR))
                case _:
                    row = object_type(get_named_type(type_.fields[name].type))
                    members.append((key, self.row(row, found, layout)))
        return EdgeForm(tuple(members))

    def _info(self, type_: GraphQLObjectType, nodes: list[FieldNode], page: Page) -> InfoForm:
        parts: Mapping[str, Always | Info] = {
            "__typename": Always(type_.name),
            "hasNextPage": Info.MORE,
            "hasPreviousPage": Info.TRUE if page.after is not None else Info.FALSE,
            "startCursor": Info.START_CURSOR,
            "endCursor": Info.END_CURSOR,
        }
        asked = self._document.collect(type_, nodes)
        return InfoForm(tuple((key, parts[found[0].name.value]) for key, found in asked.items()))


def _shown(field: GraphQLField, entity: Entity, name: str) -> Shown:
    type_: GraphQLOutputType = field.type
    if isinstance(type_, GraphQLNonNull):
        if entity.is_nullable(name):
            raise NotWritten(f"{name} may be missing and must not")
        type_ = type_.of_type
    kind = kind_of(entity, name)
    if isinstance(type_, GraphQLEnumType):
        if kind != "enum" or any(str(value.value).upper() != word for word, value in type_.values.items()):
            raise NotWritten(f"{name} has other words")
        return Shown(name, Writing.NAME)
    if not isinstance(type_, GraphQLScalarType) or kind not in _KINDS.get(type_.name, ()):
        raise NotWritten(f"{name} is written by Python")
    return Shown(name, Writing.INSTANT if kind == "instant" else Writing.PLAIN)
