"""Errors as clients see them: a stable code, what to do next, and nothing of our insides."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
from graphql import GraphQLError, GraphQLSyntaxError
from graphql.validation.validate import ValidationAbortedError
from starlette.responses import Response
from strawberry.extensions import SchemaExtension
from strawberry.types.execution import ExecutionResult, StreamExecutionResult

from connector.api.context import ApiContext
from connector.model.errors import ConnectorError, InvalidConfiguration
from connector.storage.database.engine import DatabaseRefusal

log = logging.getLogger(__name__)

LONGEST_MESSAGE = 2_000
"""Signs of a message; what a client sent is quoted in it, whatever its size."""

_VALIDATION = {"code": "GRAPHQL_VALIDATION_FAILED"}
_ABORTED = {
    **_VALIDATION,
    "hint": "Ask for each field in one place, fragments in few others, and correct what is named.",
}
_SUGGESTION = re.compile(r" Did you mean [^'?]*'\w+'(?:,? (?:or )?'\w+')*\?")
"""What graphql-core says beside a name that it does not know."""
_SYNTAX = {"code": "GRAPHQL_PARSE_FAILED"}


def public_error(error: GraphQLError) -> GraphQLError:
    """The error as a client may see it; what is not meant for clients is logged under a reference."""
    original = error.original_error
    while isinstance(original, GraphQLError) and original.original_error is not None:
        original = original.original_error
    match original:
        case DatabaseRefusal():
            return _copy(error, *masked(original, error.path))
        case ConnectorError():
            return _copy(error, original.message, _extensions(original))
        case None | GraphQLError():
            return _clients(error)
        case ValueError() if error.path is None and error.nodes:
            return _clients(error)  # a scalar refused what was given in a variable or literal
        case _:
            return _copy(error, *masked(original, error.path))


def masked(error: BaseException, where: object) -> tuple[str, dict[str, Any]]:
    """Message and extensions for what nobody foresaw, which is in the log with its stack trace."""
    reference = secrets.token_hex(8)
    log.error("internal error %s at %s", reference, where, exc_info=error)
    return (
        "an internal error occurred; nothing that you sent is known to be wrong",
        {"code": "INTERNAL", "reference": reference},
    )


def fault(error: BaseException, where: object, media_type: str) -> Response:
    """The answer to a request that failed before its operation was run."""
    message, extensions = masked(error, where)
    body = orjson.dumps({"errors": [{"message": message, "extensions": extensions}]})
    return Response(body, 500, media_type=media_type)


def _clients(error: GraphQLError) -> GraphQLError:
    match error:
        case GraphQLSyntaxError():
            extensions = _SYNTAX
        case ValidationAbortedError():
            extensions = _ABORTED
        case _:
            extensions = _VALIDATION
    return _copy(error, error.message, {**extensions, **(error.extensions or {})})


def _extensions(error: ConnectorError) -> dict[str, Any]:
    extensions: dict[str, Any] = {"code": error.code}
    if error.hint:
        extensions["hint"] = error.hint
    if isinstance(error, InvalidConfiguration) and error.problems:
        extensions["problems"] = list(error.problems)
    return extensions


def _copy(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    return GraphQLError(
        message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}...",
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions,
    )


def make_public(result: object, *, suggests: bool = True) -> None:
    """Replace the errors of a result by what clients may see. suggests: names of the schema that come near, too."""
    if isinstance(result, ExecutionResult) and result.errors:
        errors = [public_error(error) for error in result.errors]
        result.errors = errors if suggests else [_without_suggestion(error) for error in errors]


def _without_suggestion(error: GraphQLError) -> GraphQLError:
    return _copy(error, _SUGGESTION.sub("", error.message), dict(error.extensions or {}))


class Operation(SchemaExtension):
    """Gives each operation its own reader and closes it; makes the errors of streamed results public."""

    async def on_operation(self) -> AsyncIterator[None]:
        """Around everything."""
        shared: ApiContext = self.execution_context.context
        context = shared.for_operation()
        self.execution_context.context = context
        try:
            yield
        finally:
            await context.reader.aclose()

    def on_stream_result(self, result: StreamExecutionResult) -> Iterator[None]:
        """Around each result that is sent over a WebSocket."""
        make_public(result)
        yield None
