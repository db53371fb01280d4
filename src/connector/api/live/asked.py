"""What a client asks for, as far as it decides with whom it shares a stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    NonNullTypeNode,
    NullValueNode,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    get_operation_ast,
    parse,
    visit,
)

from connector.api.documents import DocumentNotTrusted, Documents
from connector.api.limits import MOST_TOKENS
from connector.api.request import GraphQLRequest

AFTER: Final = "after"
_KNOWN: Final = 500

Key: TypeAlias = tuple[str, str | None, bytes, bytes]
"""Document, operation, variables and extensions."""


@dataclass(frozen=True, slots=True)
class _Following:
    """A subscription. variable: the one that alone says where it begins. may_be_null: so may that be.

    has_after: the document itself says where it begins, or may do so.
    """

    variable: str | None
    may_be_null: bool
    has_after: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A subscription that a client asks for. key: the same for all that get the same, from whatever place on.

    has_after: it says from where.
    """

    request: GraphQLRequest
    key: Key
    has_after: bool


def asked_of(request: GraphQLRequest, documents: Documents) -> Asked | None:
    """The subscription that a request is; None when it is another operation, or none that can be run."""
    try:
        documents.check_trusted(request.query)
    except DocumentNotTrusted:
        return None
    following = _following(request.query, request.operation_name)
    if following is None:
        return None
    variables: Mapping[str, Any] = request.variables or {}
    has_after, name = following.has_after, following.variable
    if name is not None and name in variables:
        given = variables[name]
        has_after = given is not None
        if isinstance(given, str) or (given is None and following.may_be_null):
            variables = {other: value for other, value in variables.items() if other != name}
    key = request.query, request.operation_name, _text(variables), _text(request.extensions or {})
    return Asked(request, key, has_after)


@lru_cache(_KNOWN)
def is_mutation(query: str, operation_name: str | None) -> bool:
    """Whether it changes something."""
    try:
        operation = get_operation_ast(parse(query, max_tokens=MOST_TOKENS), operation_name)
    except GraphQLError:
        return False
    return operation is not None and operation.operation is OperationType.MUTATION


def _text(given: Mapping[str, Any]) -> bytes:
    return orjson.dumps(given, option=orjson.OPT_SORT_KEYS)


@lru_cache(_KNOWN)
def _following(query: str, operation_name: str | None) -> _Following | None:
    try:
        document = parse(query, max_tokens=MOST_TOKENS)
    except GraphQLError:
        return None
    operation = get_operation_ast(document, operation_name)
    if operation is None or operation.operation is not OperationType.SUBSCRIPTION:
        return None
    field, *_ = operation.selection_set.selections
    if not isinstance(field, FieldNode):
        return _Following(None, may_be_null=True, has_after=True)  # behind a fragment it is not looked for
    after = next((argument for argument in field.arguments or () if argument.name.value == AFTER), None)
    if after is None or isinstance(after.value, NullValueNode):
        return _Following(None, may_be_null=True, has_after=False)
    if not isinstance(after.value, VariableNode):
        return _Following(None, may_be_null=True, has_after=True)
    name = after.value.name.value
    for definition in operation.variable_definitions or ():
        if definition.variable.name.value == name and _uses(document, name) == 1:
            default = definition.default_value
            return _Following(
                name,
                may_be_null=not isinstance(definition.type, NonNullTypeNode),
                has_after=default is not None and not isinstance(default, NullValueNode),
            )
    return _Following(None, may_be_null=True, has_after=True)


class _Uses(Visitor):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.found = 0

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        """As the visitor calls it."""
        self.found += node.name.value == self.name


def _uses(document: DocumentNode, name: str) -> int:
    """How often the document uses a variable, beside defining it; in all of its operations."""
    uses = _Uses(name)
    visit(document, uses)
    definitions = sum(
        definition.variable.name.value == name
        for operation in document.definitions
        if isinstance(operation, OperationDefinitionNode)
        for definition in operation.variable_definitions or ()
    )
    return uses.found - definitions
