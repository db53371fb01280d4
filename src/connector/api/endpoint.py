"""The GraphQL endpoint: HTTP, WebSocket, and the GraphiQL page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import strawberry
from cross_web import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

from connector.api.access import Access, Unauthenticated, error_response, refuse
from connector.api.context import ApiContext
from connector.api.guard import PAGE_POLICY
from connector.api.static import GRAPHIQL
from connector.model.errors import InvalidInput

MOST_SUBSCRIPTIONS = 100
"""Operations that one WebSocket may have under way."""


class BadRequest(InvalidInput):
    """The request is no GraphQL request."""

    code = "BAD_REQUEST"


class Endpoint(GraphQL[ApiContext, None]):
    """Strawberry's view with our context, our access rule and our page."""

    def __init__(self, schema: strawberry.Schema, access: Access, context: Callable[[], ApiContext]) -> None:
        super().__init__(
            schema,
            allow_queries_via_get=False,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            max_subscriptions_per_connection=MOST_SUBSCRIPTIONS,
        )
        self._access = access
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it. The page is for everybody; what it asks for is not."""
        if scope["type"] == "http":
            request = Request(scope, receive)
            try:
                self._access.check_host(request.headers.get("host", ""))
                if request.method != "GET":
                    request.state.principal = self._access.check(request.headers.get("authorization"))
                response = await self.run(request)
            except Unauthenticated as error:
                response = refuse(error)
            except HTTPException as error:
                response = error_response(error.status_code, BadRequest(error.reason))
            await response(scope, receive, send)
            return
        socket = WebSocket(scope, receive, send)
        try:
            self._access.check_host(socket.headers.get("host", ""))
        except Unauthenticated:
            await socket.close(1008)
            return
        socket.state.work = work = asyncio.create_task(self.run(socket), name="socket")
        try:
            await asyncio.wait([work])
        finally:
            work.cancel()
        if not work.cancelled():
            work.result()

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> ApiContext:  # noqa: ARG002
        """The surroundings of this request."""
        context = self._context()
        context.request = request
        context.principal = getattr(request.state, "principal", context.principal)
        if not context.public_url:
            scheme = {"ws": "http", "wss": "https"}.get(request.url.scheme, request.url.scheme)
            context.public_url = f"{scheme}://{request.url.netloc}"
        return context

    async def on_ws_connect(self, context: ApiContext) -> Any:
        """Checks the token that the client sends when it opens the connection."""
        if context.request is not None:
            try:
                context.principal = self._access.check_params(context.connection_params, context.request.headers)
            except Unauthenticated as error:
                raise ConnectionRejectionError({"message": error.message}) from error
        return strawberry.UNSET

    async def render_graphql_ide(self, request: Request) -> Response:  # noqa: ARG002
        """The page, from the package."""
        headers = {"content-security-policy": PAGE_POLICY}
        return FileResponse(GRAPHIQL, media_type="text/html", headers=headers)

    def encode_json(self, data: object) -> str:
        """With orjson."""
        return orjson.dumps(data).decode()

    def decode_json(self, data: str | bytes) -> object:
        """With orjson."""
        return orjson.loads(data)
