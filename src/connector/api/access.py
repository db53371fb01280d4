"""Who may come in, and as whom: by bearer token, or everybody on this machine when none is configured."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from connector.model import principals
from connector.model.errors import ConnectorError
from connector.model.principals import ADMIN, Principal

ANYBODY: Final = Principal(principals.ANYBODY, frozenset({ADMIN}))
"""Whoever shows the one token, or comes in where none is configured."""

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Unauthenticated(ConnectorError):  # noqa: N818 - named by what is wrong
    """The token is missing or wrong."""

    code = "UNAUTHENTICATED"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A token, and who shows it."""

    token: str = field(repr=False)
    holder: Principal


class Access:
    """The rule. token: what may do everything; keys: what may do less. Without any of them everybody comes in.

    hosts: names by which the hub may be called when there is no token, beside the loopback's: a page of another
    site that has its own name resolve to this machine is then turned away.
    """

    def __init__(self, token: str | None, *, keys: Sequence[ApiKey] = (), hosts: frozenset[str] = frozenset()) -> None:
        self._keys: tuple[ApiKey, ...] = (*(() if token is None else (ApiKey(token, ANYBODY),)), *keys)
        self._hosts = LOOPBACK | hosts

    def check(self, authorization: str | None) -> Principal:
        """Who shows the value of an Authorization header. Raises Unauthenticated when nobody has such a token.

        Every token is compared, whichever fits, so that the time taken says nothing of them.
        """
        if not self._keys:
            return ANYBODY
        scheme, _, token = (authorization or "").partition(" ")
        shown = token.strip().encode() if scheme.lower() == "bearer" else b""
        found = [key.holder for key in self._keys if hmac.compare_digest(shown, key.token.encode())]
        if not found:
            raise Unauthenticated(
                "the bearer token is wrong" if authorization else "a bearer token is needed",
                hint="Send the header 'Authorization: Bearer ...'; over a WebSocket, send 'authorization' in the "
                "payload of connection_init.",
            )
        return found[0]

    def check_host(self, host: str) -> None:
        """Raises Unauthenticated when the hub is called by a name that is not its own and no token protects it."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if not self._keys and name.lower() not in self._hosts:
            raise Unauthenticated(
                f"host {name!r} is not this machine", hint="Configure a token, or call the hub by its loopback address."
            )

    def check_params(self, params: Mapping[str, Any] | None, headers: Headers) -> Principal:
        """The same for a WebSocket: the payload of connection_init counts, else the header of the handshake."""
        given = next((value for name, value in (params or {}).items() if name.lower() == "authorization"), None)
        return self.check(given if isinstance(given, str) else headers.get("authorization"))


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


def refuse(error: Unauthenticated, media_type: str = "application/json") -> JSONResponse:
    """401, in the form of a GraphQL error."""
    return error_response(401, error, {"WWW-Authenticate": "Bearer"}, media_type=media_type)


def error_response(
    status: int,
    error: ConnectorError,
    headers: Mapping[str, str] | None = None,
    *,
    media_type: str = "application/json",
) -> JSONResponse:
    """An error outside of GraphQL, in the form of a GraphQL error."""
    extensions = {"code": error.code} | ({"hint": error.hint} if error.hint else {})
    body = {"errors": [{"message": error.message, "extensions": extensions}]}
    return JSONResponse(body, status, headers=dict(headers or {}), media_type=media_type)
