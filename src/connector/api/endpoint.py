"""The GraphQL endpoint: HTTP, WebSocket, and the GraphiQL page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
import strawberry
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types.graphql import OperationType

from connector.api.access import (
    NOT_ADMITTED,
    NOT_ALLOWED,
    Access,
    Admitted,
    Unauthenticated,
    close_code,
    error_response,
    refuse,
)
from connector.api.answers import body_of, no_such_operation, not_this_way, status_of, status_of_refused
from connector.api.context import ApiContext
from connector.api.cross_site import check_site
from connector.api.documents import DocumentRefused
from connector.api.guard import PAGE_POLICY
from connector.api.media_types import MediaType, accepts_page, negotiate
from connector.api.patience import BrokenOff, Patience
from connector.api.ready import NotCompiled
from connector.api.request import BadRequest, GraphQLRequest, MethodNotAllowed, asks, read_address, read_body
from connector.api.sockets import close_socket
from connector.api.static import GRAPHIQL
from connector.storage.database.refusals import NotAnswered

MOST_SUBSCRIPTIONS = 100
"""Operations that one WebSocket may have under way."""

LONGEST_NAP: Final = timedelta(minutes=1)
"""After that the clock is read again: it may have been set, or the machine have slept."""

_ALLOWED = {
    "GET": (OperationType.QUERY,),
    "HEAD": (OperationType.QUERY,),
    "POST": (OperationType.QUERY, OperationType.MUTATION),
}


class Endpoint(GraphQL[ApiContext, None]):
    """Strawberry's view with our context, our access rule and our page."""

    def __init__(self, schema: strawberry.Schema, access: Access, context: Callable[[], ApiContext]) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            max_subscriptions_per_connection=MOST_SUBSCRIPTIONS,
        )
        self._access = access
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] == "http":
            response = await self._answer(Request(scope, receive))
            await response(scope, receive, send)
            return
        socket = WebSocket(scope, receive, send)
        try:
            self._access.check_host(socket.headers.get("host", ""))
        except Unauthenticated:
            await socket.close(1008)
            return
        socket.state.expiry = None
        socket.state.work = work = asyncio.create_task(self.run(socket), name="socket")
        try:
            await asyncio.wait([work])
        finally:
            work.cancel()
            if socket.state.expiry is not None:
                socket.state.expiry.cancel()
        if not work.cancelled():
            work.result()

    async def _answer(self, request: Request) -> Response:
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
            form = negotiate(accept)
            if request.method != "POST":
                check_site(request.headers)
            request.state.principal = (await self._access.check(request.headers.get("authorization"))).principal
            return await self._run(request, await _read(request), form)
        except NOT_ADMITTED as error:
            return refuse(error, form)
        except BrokenOff as error:  # where the client is gone, nobody reads it
            return error_response(200, error, media_type=form, data=None)
        except DocumentRefused as error:
            return error_response(status_of_refused(form), error, media_type=form)
        except BadRequest as error:
            return error_response(error.status, error, error.headers, media_type=form)

    async def _run(self, request: Request, asked: GraphQLRequest, form: MediaType) -> Response:
        context = await self.get_context(request, Response())
        asked = await context.documents.complete(asked)
        query = context.ready.find(asked.query, asked.operation_name, asked.variables, context.reader.sight)
        if query is not None:
            with suppress(NotCompiled, NotAnswered):  # the ordinary executor says what is wrong
                async with Patience(context.limits.longest_query, request):
                    body: dict[str, Any] = {"data": await query.run(context)}
                if extensions := context.limits.told(asked.extensions, query.cost):
                    body["extensions"] = extensions
                return Response(orjson.dumps(body), media_type=f"{form}; charset=utf-8")
        try:
            result = await self.schema.execute(
                asked.query,
                variable_values=asked.variables,
                context_value=context,
                operation_name=asked.operation_name,
                operation_extensions=asked.extensions,
                allowed_operation_types=_ALLOWED[request.method],
            )
        except CannotGetOperationTypeError:
            return error_response(status_of_refused(form), no_such_operation(asked), media_type=form)
        except InvalidOperationTypeError as error:
            raise not_this_way(error.operation_type) from error
        return Response(orjson.dumps(body_of(result)), status_of(result, form), media_type=f"{form}; charset=utf-8")

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> ApiContext:  # noqa: ARG002
        """The surroundings of this request."""
        context = self._context()
        context.request = request
        context.admit(getattr(request.state, "principal", context.principal))
        if not context.public_url:
            scheme = {"ws": "http", "wss": "https"}.get(request.url.scheme, request.url.scheme)
            context.public_url = f"{scheme}://{request.url.netloc}"
        return context

    async def on_ws_connect(self, context: ApiContext) -> Any:
        """Checks the token that the client sends when it opens the connection; it counts until it expires."""
        socket = context.request
        if isinstance(socket, WebSocket):
            try:
                admitted = await self._access.check_params(context.connection_params, socket.headers)
            except NOT_ADMITTED as error:
                await close_socket(socket, close_code(error), error.message, patience=context.feed.patience)
                raise WebSocketDisconnected from error
            context.admit(admitted.principal)
            if admitted.until is not None or admitted.again is not None:
                socket.state.expiry = asyncio.create_task(_expire(context, socket, admitted), name="expiry")
        return strawberry.UNSET

    def encode_json(self, data: object) -> str:
        """With orjson."""
        return orjson.dumps(data).decode()

    def decode_json(self, data: str | bytes) -> object:
        """With orjson."""
        return orjson.loads(data)


async def _expire(context: ApiContext, socket: WebSocket, admitted: Admitted) -> None:
    """Close the socket when its token ends or is taken back, and with it whatever is under way on it."""
    try:
        while (nap := _nap(admitted, context.clock.now())) > timedelta():
            await asyncio.sleep(nap.total_seconds())
            if admitted.again is not None:
                await admitted.again.check()
    except NOT_ADMITTED as error:
        code, reason = close_code(error), error.message
    else:
        code, reason = NOT_ALLOWED, "The token has expired: come back with a new one and resume with `after`"
    await close_socket(socket, code, reason, patience=context.feed.patience)
    socket.state.work.cancel()


def _nap(admitted: Admitted, now: datetime) -> timedelta:
    """How long nothing needs to be looked at; nothing, or less, once the token has ended."""
    naps = [LONGEST_NAP]
    if admitted.until is not None:
        naps.append(admitted.until - now)
    if admitted.again is not None:
        naps.append(admitted.again.every)
    return min(naps)


async def _read(request: Request) -> GraphQLRequest:
    if request.method == "POST":
        return read_body(request.headers, await request.body())
    return read_address(request.query_params, len(request.scope["query_string"]))
