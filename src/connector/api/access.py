"""Who may come in: one bearer token, or everybody on this machine when none is configured."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from connector.model.errors import ConnectorError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Unauthenticated(ConnectorError):  # noqa: N818 - named by what is wrong
    """The token is missing or wrong."""

    code = "UNAUTHENTICATED"


class Access:
    """The rule. token: what a client must show; None lets everybody in.

    hosts: names by which the hub may be called when there is no token, beside the loopback's: a page of another
    site that has its own name resolve to this machine is then turned away.
    """

    def __init__(self, token: str | None, *, hosts: frozenset[str] = frozenset()) -> None:
        self._token = token
        self._hosts = LOOPBACK | hosts

    def check(self, authorization: str | None) -> None:
        """Raises Unauthenticated unless the value of an Authorization header is the right one."""
        if self._token is None:
            return
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), self._token.encode()):
            raise Unauthenticated(
                "the bearer token is wrong" if authorization else "a bearer token is needed",
                hint="Send the header 'Authorization: Bearer ...'; over a WebSocket, send 'authorization' in the "
                "payload of connection_init.",
            )

    def check_host(self, host: str) -> None:
        """Raises Unauthenticated when the hub is called by a name that is not its own and no token protects it."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if self._token is None and name.lower() not in self._hosts:
            raise Unauthenticated(
                f"host {name!r} is not this machine", hint="Configure a token, or call the hub by its loopback address."
            )

    def check_params(self, params: Mapping[str, Any] | None, headers: Headers) -> None:
        """The same for a WebSocket: the payload of connection_init counts, else the header of the handshake."""
        given = next((value for name, value in (params or {}).items() if name.lower() == "authorization"), None)
        self.check(given if isinstance(given, str) else headers.get("authorization"))


class Guarded:
    """An application that only those with access reach over HTTP; a WebSocket shows its token once it is open."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        headers = Headers(scope=scope)
        try:
            self._access.check_host(headers.get("host", ""))
            if scope["type"] == "http":
                self._access.check(headers.get("authorization"))
        except Unauthenticated as error:
            await refuse(error)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def refuse(error: Unauthenticated) -> JSONResponse:
    """401, in the form of a GraphQL error."""
    return error_response(401, error, {"WWW-Authenticate": "Bearer"})


def error_response(status: int, error: ConnectorError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error outside of GraphQL, in the form of a GraphQL error."""
    extensions = {"code": error.code} | ({"hint": error.hint} if error.hint else {})
    return JSONResponse(
        {"errors": [{"message": error.message, "extensions": extensions}]}, status, headers=dict(headers or {})
    )
