"""The GraphQL endpoint: HTTP, server-sent events, WebSocket, and the GraphiQL page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from typing import Final, TypeAlias

import orjson
import strawberry
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from strawberry.http.websocket_origin import is_same_origin
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.execution import ExecutionResult
from strawberry.types.graphql import OperationType

from connector.api.access import NOT_ADMITTED, Access, Admitted, Unauthenticated, error_response, formatted, refuse
from connector.api.again import answer_again
from connector.api.answer import Answer
from connector.api.answers import (
    TRY_AGAIN_LATER,
    UNAVAILABLE,
    body_of,
    no_such_operation,
    not_this_way,
    response_of,
    status_of,
    status_of_refused,
)
from connector.api.context import ApiContext
from connector.api.cross_site import check_site
from connector.api.documents import DocumentRefused
from connector.api.encoding import Encoder
from connector.api.errors import fault
from connector.api.guard import PAGE_POLICY
from connector.api.live.asked import asked_of, is_mutation
from connector.api.live.events import LAST_EVENT_ID, EventStream
from connector.api.live.limits import LiveLimits
from connector.api.live.socket import SocketConnection
from connector.api.live.streams import Refused, Streams
from connector.api.media_types import MediaType, Streaming, accepts_page, negotiate, streaming
from connector.api.patience import BrokenOff
from connector.api.rates import Rates
from connector.api.request import BadRequest, GraphQLRequest, MethodNotAllowed, asks, read_address, read_body
from connector.api.static import GRAPHIQL
from connector.model.errors import ConnectorError, Unavailable
from connector.storage.database.changes import parse_cursor

Allowed: TypeAlias = tuple[OperationType, ...]

FINISHING_S: Final = 5.0
"""How long a hub that stops waits for what changes something."""

_QUERIES: Final = (OperationType.QUERY,)
_ALL: Final = (OperationType.QUERY, OperationType.MUTATION)
_ALLOWED: Final = {"GET": _QUERIES, "HEAD": _QUERIES, "POST": _ALL}


class Endpoint:
    """All ways to the schema, with one access rule.

    origins: whose pages may ask from a browser, beside the hub's own. compresses: answers, for clients that take that.
    rates: what counts what comes over a WebSocket.
    """

    def __init__(
        self,
        schema: strawberry.Schema,
        access: Access,
        context: Callable[[str], ApiContext],
        streams: Streams,
        limits: LiveLimits,
        origins: Collection[str] = (),
        *,
        compresses: bool = True,
        rates: Rates,
    ) -> None:
        self._schema = schema
        self._access = access
        self._new_context = context
        self._streams = streams
        self._limits = limits
        self._origins = origins
        self._rates = rates
        self._changing: set[asyncio.Task[bytes]] = set()
        self.encoder = Encoder() if compresses else None

    async def finish(self) -> None:
        """Wait a while until what changes something has come to its end."""
        if self._changing:
            await asyncio.wait(self._changing, timeout=FINISHING_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] == "http":
            await (await self._answer(Request(scope, receive)))(scope, receive, send)
        else:
            await self._open_socket(scope, receive, send)

    async def _open_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        try:
            self._access.check_host(host)
        except Unauthenticated:
            is_welcome = False
        else:
            is_welcome = origin is None or origin in self._origins or is_same_origin(origin, host)
        if not is_welcome:
            await send({"type": "websocket.close", "code": 1008})
            return
        await SocketConnection(
            scope,
            receive,
            send,
            context=self._context(HTTPConnection(scope)),
            access=self._access,
            streams=self._streams,
            execute=partial(self._execute_whole, allowed=_ALL),
            limits=self._limits,
            rates=self._rates,
        ).run()

    async def _answer(self, request: Request) -> ASGIApp:
        """The page, for whoever wants to look at it; or what an operation says, for those with access."""
        accept = ",".join(request.headers.getlist("accept"))
        form = MediaType.JSON
        try:
            self._access.check_host(request.headers.get("host", ""))
            if request.method not in _ALLOWED:
                raise MethodNotAllowed(
                    f"method {request.method!r} is not taken", hint="GET a query, POST any operation."
                )
            if request.method != "POST" and not asks(request.query_params) and accepts_page(accept):
                return FileResponse(GRAPHIQL, media_type="text/html", headers={"content-security-policy": PAGE_POLICY})
            stream = Streaming.NO if request.method == "HEAD" else streaming(accept)
            if stream is not Streaming.ALWAYS:
                form = negotiate(accept)
            if request.method != "POST":
                check_site(request.headers, self._origins)
            admitted = await self._access.check(request.headers.get("authorization"))
            context = self._context(request)
            context.come(admitted.principal)
            asked = await context.documents.complete(await _read(request))
            is_subscription = stream is Streaming.SUBSCRIPTIONS and asked_of(asked, context.documents) is not None
            if stream is Streaming.ALWAYS or is_subscription:
                return self._stream(request, asked, context, admitted)
            context.receive = request.receive
            return await self._run(request, asked, form, context)
        except NOT_ADMITTED as error:
            self._access.refused(error, request.scope)
            return refuse(error, form)
        except BrokenOff as error:  # where the client is gone, nobody reads it
            return error_response(200, error, media_type=form, data=None)
        except DocumentRefused as error:
            return error_response(status_of_refused(form), error, media_type=form)
        except BadRequest as error:
            return error_response(error.status, error, error.headers, media_type=form)
        except Unavailable as error:
            return error_response(UNAVAILABLE, error, TRY_AGAIN_LATER, media_type=form)
        except Exception as error:  # noqa: BLE001 - told in the log
            return fault(error, "the endpoint", form)

    async def _run(self, request: Request, asked: GraphQLRequest, form: MediaType, context: ApiContext) -> Response:
        answer = await answer_again(asked, context)
        if answer is not None:
            return await response_of(request, answer, 200, form, encoder=self.encoder)
        try:
            result = await self._result(asked, context, _ALLOWED[request.method])
        except CannotGetOperationTypeError:
            return error_response(status_of_refused(form), no_such_operation(asked), media_type=form)
        except InvalidOperationTypeError as error:
            raise not_this_way(error.operation_type) from error
        status = status_of(result, form)
        answer = Answer(orjson.dumps(body_of(result)))
        response = await response_of(request, answer, status, form, encoder=self.encoder, may_be_kept=not result.errors)
        if status == UNAVAILABLE:
            response.headers.update(TRY_AGAIN_LATER)
        return response

    def _stream(self, request: Request, asked: GraphQLRequest, context: ApiContext, admitted: Admitted) -> ASGIApp:
        last = request.headers.get(LAST_EVENT_ID)
        try:
            start = parse_cursor(last) if last else None
        except ConnectorError as error:
            raise BadRequest(f"{LAST_EVENT_ID}: {error.message}", hint=error.hint) from error
        return EventStream(
            asked,
            context=context,
            admitted=admitted,
            admit=partial(self._access.check, request.headers.get("authorization")),
            streams=self._streams,
            execute=partial(self._execute_whole, allowed=_ALLOWED[request.method]),
            limits=self._limits,
            start=start,
        )

    async def _execute_whole(self, asked: GraphQLRequest, context: ApiContext, *, allowed: Allowed) -> bytes:
        """The same as `_execute`; what changes something is run to its end, whoever waits for its result."""
        work = self._execute(asked, context, allowed=allowed)
        if not is_mutation(asked.query, asked.operation_name):
            return await work
        task = asyncio.create_task(work, name="mutation")
        self._changing.add(task)
        task.add_done_callback(self._changing.discard)
        return await asyncio.shield(task)

    async def _execute(self, asked: GraphQLRequest, context: ApiContext, *, allowed: Allowed) -> bytes:
        """The JSON of the result of a query or mutation that comes by another way than plain HTTP. Raises Refused."""
        if not asked.query:
            raise _refused(BadRequest("'query' is empty", hint="Send a GraphQL document as 'query'."))
        try:
            answer = await answer_again(asked, context)
            if answer is not None:
                return answer.body
            result = await self._result(asked, context, allowed)
        except CannotGetOperationTypeError:
            raise _refused(no_such_operation(asked)) from None
        except InvalidOperationTypeError as error:
            raise _refused(not_this_way(error.operation_type)) from None
        except BrokenOff as error:
            raise _refused(error) from error
        if result.data is None and not any(error.path for error in result.errors or ()):
            raise Refused([error.formatted for error in result.errors or ()])
        return orjson.dumps(body_of(result))

    async def _result(self, asked: GraphQLRequest, context: ApiContext, allowed: Allowed) -> ExecutionResult:
        return await self._schema.execute(
            asked.query,
            variable_values=asked.variables,
            context_value=context,
            operation_name=asked.operation_name,
            operation_extensions=asked.extensions,
            allowed_operation_types=allowed,
        )

    @staticmethod
    def address(scope: Scope, host: str | None) -> str:
        """By which a client calls the hub. host: as its header says."""
        scheme = "https" if scope.get("scheme") in ("https", "wss") else "http"
        return f"{scheme}://{HTTPConnection(scope).url.netloc if host is None else host}"

    def _context(self, connection: HTTPConnection) -> ApiContext:
        """The surroundings of what comes over this connection."""
        return self._new_context(self.address(connection.scope, connection.headers.get("host")))


async def _read(request: Request) -> GraphQLRequest:
    if request.method == "POST":
        return read_body(request.headers, await request.body())
    return read_address(request.query_params, len(request.scope["query_string"]))


def _refused(error: ConnectorError) -> Refused:
    return Refused([formatted(error)])
