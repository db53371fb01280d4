"""What an operation and its variables must be like beyond what the schema says, however they came in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from graphql import DocumentNode, FieldNode, GraphQLError, OperationDefinitionNode, StringValueNode, ValidationRule
from strawberry.extensions import SchemaExtension
from strawberry.types.graphql import OperationType

from connector.api.patience import Patience

ZERO: Final = "\0"
"""PostgreSQL holds it in no text, so nothing in the hub does; asked for, it would fail on one database alone."""


INTROSPECTION: Final = frozenset({"__schema", "__type", "_service"})
"""Fields that ask for the schema."""


class NoZeroCharacter(ValidationRule):
    """Refuses it in what is written into the document."""

    def enter_string_value(self, node: StringValueNode, *_: object) -> None:
        """As the visitor calls it."""
        if ZERO in node.value:
            self.report_error(GraphQLError(_has_zero(node.value), node, extensions={"code": "INVALID_INPUT"}))


class Preconditions(SchemaExtension):
    """Refuses variables with a zero character, and several operations of which none is chosen.

    Here it is known what kind of operation it is: what is no query takes as long as it takes.

    Comes after the extension that validates, whose errors count first.
    """

    def on_validate(self) -> Iterator[None]:
        """After the document was checked against the schema."""
        running = self.execution_context
        patience: Patience | None = running.context.patience
        if patience is not None and running.operation_type is not OperationType.QUERY:
            patience.end()
        if not running.pre_execution_errors:
            problem = self._unchosen() or self._unusable() or self._closed()
            if problem is not None:
                running.pre_execution_errors = [problem]
        yield None

    def _unchosen(self) -> GraphQLError | None:
        document = self.execution_context.graphql_document
        if document is None or self.execution_context._provided_operation_name is not None:
            return None
        operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
        if len(operations) < 2:
            return None
        names = ", ".join(repr(node.name.value) for node in operations if node.name)
        return GraphQLError(
            f"the document has {len(operations)} operations, and 'operationName' does not say which: {names}",
            operations,
            extensions={"code": "BAD_REQUEST"},
        )

    def _closed(self) -> GraphQLError | None:
        document = self.execution_context.graphql_document
        if document is None or self.execution_context.context.limits.introspection:
            return None
        if INTROSPECTION.isdisjoint(_field_names(document)):
            return None
        return GraphQLError(
            "this hub does not answer questions about its schema",
            extensions={
                "code": "INTROSPECTION_DISABLED",
                "hint": "The schema is the file graphql/schema.graphql. GraphiQL needs graphql.introspection.",
            },
        )

    def _unusable(self) -> GraphQLError | None:
        return unusable(self.execution_context.variables or {})


def unusable(variables: Mapping[str, Any]) -> GraphQLError | None:
    """What is wrong with variables beyond what the schema says."""
    for name, value in variables.items():
        found = _with_zero(value)
        if found is not None:
            return GraphQLError(f"variable '${name}': {_has_zero(found)}", extensions={"code": "INVALID_INPUT"})
    return None


def _field_names(document: DocumentNode) -> Iterator[str]:
    waiting: list[Any] = list(document.definitions)
    while waiting:
        node = waiting.pop()
        if isinstance(node, FieldNode):
            yield node.name.value
        selections = getattr(node, "selection_set", None)
        waiting.extend(selections.selections if selections else ())


def _with_zero(value: Any) -> str | None:
    """The first text within a JSON value that holds a zero character."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text if ZERO in text:
                return text
            case list() as items:
                waiting.extend(items)
            case dict() as fields:
                waiting.extend(fields.values())
                waiting.extend(fields)
    return None


def _has_zero(text: str) -> str:
    return f"{text!r} holds a zero character, which no text in the hub does"
