"""A validated GraphQL document as it is to be read: fragments, directives and variables worked in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, TypeAlias, cast

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    GraphQLSkipDirective,
    InlineFragmentNode,
    SelectionSetNode,
    Undefined,
    VariableNode,
    is_abstract_type,
    value_from_ast,
)
from graphql.execution.values import get_argument_values, get_directive_values
from graphql.type import GraphQLIncludeDirective

from connector.api.variables import Variables

Fields: TypeAlias = dict[str, list[FieldNode]]
"""Response key -> the nodes that ask for it."""


class Document:
    """What an operation asks for."""

    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], variables: Variables
    ) -> None:
        self.schema = schema
        self.variables = variables
        self._fragments = fragments

    @classmethod
    def of(cls, info: GraphQLResolveInfo[Any]) -> Document:
        """The document that is being executed."""
        values = cast("dict[str, Any]", info.variable_values)  # as strawberry has it
        return cls(info.schema, info.fragments, Variables(values, {}))

    def collect(self, type_: GraphQLObjectType, nodes: Iterable[FieldNode]) -> Fields:
        """What the nodes ask of an object of this type."""
        fields: Fields = {}
        for node in nodes:
            if node.selection_set is not None:
                self._collect(type_, node.selection_set, fields)
        return fields

    def roots(self, type_: GraphQLObjectType, selections: SelectionSetNode) -> Fields:
        """What the operation asks of the root."""
        fields: Fields = {}
        self._collect(type_, selections, fields)
        return fields

    def arguments(self, field: GraphQLField, node: FieldNode, free: Collection[str] = ()) -> dict[str, Any]:
        """The arguments of a field. Raises GraphQLError when they cannot be coerced.

        free: those in which values of variables may be leaves (`connector.api.variables`), for the plan can do without.
        """
        found = get_argument_values(field, node, self.variables.open)
        return {name: value if name in free else self.variables.settled(value) for name, value in found.items()}

    def argument(self, field: GraphQLField, node: FieldNode, name: str) -> Any:
        """One argument of a field, coerced by itself; None where there is none."""
        given = next((argument.value for argument in node.arguments or () if argument.name.value == name), None)
        if given is not None:
            self.variables.look(given)
        if isinstance(given, VariableNode):
            value = self.variables.plain.coerced.get(given.name.value, Undefined)
        else:
            value = (
                Undefined
                if given is None
                else value_from_ast(given, field.args[name].type, self.variables.plain.coerced)
            )
        value = field.args[name].default_value if value is Undefined else value
        return None if value is Undefined else value

    def conditions(self, nodes: Iterable[FieldNode]) -> set[str]:
        """Types that fragments right below the nodes are about."""
        found: set[str] = set()
        waiting = [node.selection_set for node in nodes if node.selection_set is not None]
        while waiting:
            for selection in waiting.pop().selections:
                match selection:
                    case InlineFragmentNode(type_condition=condition):
                        found.update(() if condition is None else (condition.name.value,))
                        waiting.append(selection.selection_set)
                    case FragmentSpreadNode():
                        fragment = self._fragments[selection.name.value]
                        found.add(fragment.type_condition.name.value)
                        waiting.append(fragment.selection_set)
        return found

    def _collect(self, type_: GraphQLObjectType, selections: SelectionSetNode, fields: Fields) -> None:
        for field in self._fields(type_, selections):
            fields.setdefault(field.alias.value if field.alias else field.name.value, []).append(field)

    def _fields(self, type_: GraphQLObjectType, selections: SelectionSetNode) -> Iterator[FieldNode]:
        for selection in selections.selections:
            if not self._is_included(selection):
                continue
            match selection:
                case FieldNode():
                    yield selection
                case InlineFragmentNode():
                    condition = selection.type_condition
                    if condition is None or self._applies(condition.name.value, type_):
                        yield from self._fields(type_, selection.selection_set)
                case FragmentSpreadNode():
                    fragment = self._fragments[selection.name.value]
                    if self._applies(fragment.type_condition.name.value, type_):
                        yield from self._fields(type_, fragment.selection_set)

    def _applies(self, condition: str, type_: GraphQLObjectType) -> bool:
        if condition == type_.name:
            return True
        abstract = self.schema.get_type(condition)
        return is_abstract_type(abstract) and self.schema.is_sub_type(abstract, type_)

    def _is_included(self, node: Any) -> bool:
        if not node.directives:
            return True
        for directive in node.directives:
            for argument in directive.arguments or ():
                self.variables.look(argument.value)
        skip = get_directive_values(GraphQLSkipDirective, node, self.variables.plain)
        include = get_directive_values(GraphQLIncludeDirective, node, self.variables.plain)
        return not (skip and skip["if"]) and not (include and not include["if"])


def object_type(type_: object) -> GraphQLObjectType:
    """The type, which must be an object type."""
    if not isinstance(type_, GraphQLObjectType):
        raise TypeError(f"{type_} is no object type")
    return type_
