"""What is answered to an operation over HTTP, and with which status."""

from __future__ import annotations

from typing import Any

from graphql import OperationDefinitionNode, parse
from strawberry.types.execution import ExecutionResult
from strawberry.types.graphql import OperationType

from connector.api.limits import MOST_TOKENS
from connector.api.media_types import MediaType
from connector.api.patience import TimedOut
from connector.api.request import BadRequest, GraphQLRequest, NotByGet


class NoSuchOperation(BadRequest):
    """The document does not have the operation that is to be run."""


def body_of(result: ExecutionResult) -> dict[str, Any]:
    """The result as JSON has it; one that was never run has no `data`."""
    body: dict[str, Any] = {"data": result.data} if _was_run(result) else {}
    if result.errors:
        body["errors"] = [error.formatted for error in result.errors]
    if result.extensions:
        body["extensions"] = result.extensions
    return body


def status_of(result: ExecutionResult, form: MediaType) -> int:
    """200 once something was run, whatever came of it; 500 where the hub failed before that."""
    if _was_run(result):
        return 200
    if any((error.extensions or {}).get("code") == "INTERNAL" for error in result.errors or ()):
        return 500
    return status_of_refused(form)


def status_of_refused(form: MediaType) -> int:
    """For a GraphQL request whose document, operation or variables cannot be run."""
    return 400 if form is MediaType.GRAPHQL_RESPONSE else 200


def no_such_operation(asked: GraphQLRequest) -> NoSuchOperation:
    """Says which operations there are. asked: a request whose document can be parsed."""
    definitions = parse(asked.query, max_tokens=MOST_TOKENS).definitions
    names = [repr(node.name.value) for node in definitions if isinstance(node, OperationDefinitionNode) and node.name]
    if asked.operation_name is None:
        return NoSuchOperation("the document has no operation", hint="Begin one with 'query' or '{'.")
    there = f"it has {', '.join(names)}" if names else "none of its operations has a name"
    return NoSuchOperation(f"the document has no operation {asked.operation_name!r}: {there}")


def not_this_way(kind: OperationType) -> BadRequest:
    """For an operation of a kind that the method does not run."""
    if kind is OperationType.MUTATION:
        return NotByGet("mutations do not go by GET", hint="Send it by POST.")
    return BadRequest(
        "subscriptions are not answered with JSON",
        hint="Accept 'text/event-stream', or open a WebSocket here with the subprotocol 'graphql-transport-ws'.",
    )


def _was_run(result: ExecutionResult) -> bool:
    return result.data is not None or any(
        error.path is not None or (error.extensions or {}).get("code") == TimedOut.code for error in result.errors or ()
    )
