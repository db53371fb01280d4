"""What is answered to an operation over HTTP, and with which status."""

from __future__ import annotations

from typing import Any, Final

from graphql import OperationDefinitionNode, parse
from starlette.requests import Request
from starlette.responses import Response
from strawberry.types.execution import ExecutionResult
from strawberry.types.graphql import OperationType

from connector.api.answer import Answer
from connector.api.encoding import SMALLEST, Encoder, coding_of
from connector.api.limits import MOST_TOKENS
from connector.api.media_types import MediaType
from connector.api.patience import TimedOut
from connector.api.request import BadRequest, GraphQLRequest, NotByGet
from connector.model.errors import Unavailable

KEPT_BY_CLIENT: Final = "private, no-cache"
"""A client may keep an answer, and asks each time whether it still holds."""

ENCODING: Final = "accept-encoding"
UNAVAILABLE: Final = 503
TRY_AGAIN_LATER: Final = {"retry-after": "2"}
"""For whoever is told that a part of the hub is away. Seconds."""
VARIES: Final = f"accept, {ENCODING}, authorization"
"""Headers of a request that the answer depends on, beside its address."""


class NoSuchOperation(BadRequest):
    """The document does not have the operation that is to be run."""


async def response_of(
    request: Request,
    answer: Answer,
    status: int,
    form: MediaType,
    *,
    encoder: Encoder | None,
    may_be_kept: bool = True,
) -> Response:
    """The response with an answer. To a GET it has an ETag, with which a client asks whether its copy still holds.

    encoder: what compresses it where the client takes that, None for nothing. may_be_kept: whether the client may have
    a copy. A copy in another coding is another copy, with a tag of its own.
    """
    media_type = f"{form}; charset=utf-8"
    coding = None
    if encoder is not None and len(answer.body) >= SMALLEST:
        coding = coding_of(",".join(request.headers.getlist("accept-encoding")))
    headers = {} if coding is None else {"content-encoding": coding.value, "vary": ENCODING}
    if request.method != "POST" and may_be_kept:
        tag = answer.tag if coding is None else f'{answer.tag[:-1]}-{coding}"'
        headers |= {"etag": tag, "cache-control": KEPT_BY_CLIENT, "vary": VARIES}
        known = {given.strip().removeprefix("W/") for given in request.headers.get("if-none-match", "").split(",")}
        if tag in known or "*" in known:
            headers.pop("content-encoding", None)
            return Response(status_code=304, headers=headers)
    body = answer.body if encoder is None or coding is None else await encoder.encoded(answer, coding)
    return Response(body, status, headers, media_type)


def body_of(result: ExecutionResult) -> dict[str, Any]:
    """The result as JSON has it; one that was never run has no `data`."""
    body: dict[str, Any] = {"data": result.data} if _was_run(result) else {}
    if result.errors:
        body["errors"] = [error.formatted for error in result.errors]
    if result.extensions:
        body["extensions"] = result.extensions
    return body


def is_unavailable(result: ExecutionResult) -> bool:
    """Whether nothing was answered, because a part of the hub is away."""
    if any(value is not None for value in (result.data or {}).values()):
        return False
    return any((error.extensions or {}).get("code") == Unavailable.code for error in result.errors or ())


def status_of(result: ExecutionResult, form: MediaType) -> int:
    """200 once something was run, whatever came of it; 503 where nothing could be answered for now; 500 where the hub
    failed before that.
    """
    if is_unavailable(result):
        return UNAVAILABLE
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
