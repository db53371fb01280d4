"""Who may come in, and as whom: by key, by a provider's token, or everybody on this machine when none is configured."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Final, TypeAlias, assert_never

from graphql import GraphQLFormattedError
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from connector.api.tokens import digest_of
from connector.model import principals
from connector.model.errors import ConnectorError, Forbidden, Unavailable
from connector.model.principals import ADMIN, Principal

ANYBODY: Final = Principal(principals.ANYBODY, frozenset({ADMIN}))
"""Whoever shows the one token, or comes in where none is configured."""

NOT_ALLOWED: Final = 4403
"""Code that a WebSocket is closed with when its token is wrong or has expired."""
TRY_AGAIN_LATER: Final = 1013

MOST_HOLDERS: Final = 10_000
"""Headers that are remembered, with who shows them."""

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Unauthenticated(ConnectorError):  # noqa: N818 - named by what is wrong
    """The token is missing or wrong."""

    code = "UNAUTHENTICATED"


class ProviderUnreachable(Unavailable):
    """A token cannot be checked now: its provider, or the database with the keys, does not answer.

    retry_after: when trying again is worthwhile.
    """

    def __init__(self, message: str, *, hint: str, retry_after: timedelta) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


NotAdmitted: TypeAlias = Unauthenticated | Forbidden | ProviderUnreachable
NOT_ADMITTED: Final = (Unauthenticated, Forbidden, ProviderUnreachable)
"""Why somebody does not come in: the token is wrong; gives them no role; cannot be checked now."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A token, of which only the SHA-256 is kept here, hexadecimal, and who shows it."""

    digest: str = field(repr=False)
    holder: Principal

    @classmethod
    def of(cls, token: str, holder: Principal) -> ApiKey:
        """The key of a token."""
        return cls(digest_of(token), holder)


@dataclass(frozen=True, slots=True)
class Again:
    """How to find out whether somebody who came in still would. check: raises what is in `NOT_ADMITTED` if not."""

    check: Callable[[], Awaitable[None]]
    every: timedelta


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who came in. until: when what they showed ends, None for never. again: for what may end before that."""

    principal: Principal
    until: datetime | None = None
    again: Again | None = None


_ANYBODY: Final = Admitted(ANYBODY)

Admit: TypeAlias = Callable[[str], Awaitable[Admitted | None]]
"""Says who shows a token of some kind, None for one that is of another kind. Raises what is in `NOT_ADMITTED`."""


class Access:
    """The rule. token: what may do everything; keys: what may do less; others: who comes with other tokens.

    is_open: whether everybody comes in.
    hosts: names by which the hub may be called when there is no token, beside the loopback's: a page of another
    site that has its own name resolve to this machine is then turned away.
    """

    def __init__(
        self,
        token: str | None,
        *,
        keys: Sequence[ApiKey] = (),
        others: Sequence[Admit] = (),
        is_open: bool = False,
        hosts: frozenset[str] = frozenset(),
    ) -> None:
        self._keys: tuple[ApiKey, ...] = (*(() if token is None else (ApiKey.of(token, ANYBODY),)), *keys)
        self._others = others
        self.is_open = is_open
        self._hosts = LOOPBACK | hosts
        self._holders: dict[str, str] = {}
        self.refused: Callable[[NotAdmitted, Scope], None] = lambda _error, _scope: None
        """Told of each request that is answered with a refusal."""

    async def check(self, authorization: str | None) -> Admitted:
        """Who shows the value of an Authorization header. Raises what is in `NOT_ADMITTED` when nobody comes in so.

        Every key is compared, whichever fits, so that the time taken says nothing of them.
        """
        if self.is_open:
            return _ANYBODY
        scheme, _, token = (authorization or "").partition(" ")
        shown = token.strip() if scheme.lower() == "bearer" else ""
        digest = digest_of(shown)
        found = [key.holder for key in self._keys if hmac.compare_digest(digest, key.digest)]
        if shown and found:
            return self._let_in(authorization, Admitted(found[0]))
        for admit in self._others:
            admitted = await admit(shown)
            if admitted is not None:
                return self._let_in(authorization, admitted)
        raise Unauthenticated(
            "the bearer token is wrong" if authorization else "a bearer token is needed",
            hint="Send the header 'Authorization: Bearer ...'; over a WebSocket, send 'authorization' in the "
            "payload of connection_init.",
        )

    def holder_of(self, authorization: str | None) -> str | None:
        """Who was let in with the value of an Authorization header; None for one that nobody was, or not lately.

        It says who is meant, for counting, and not that they may come in: the key may have ended since.
        """
        return None if authorization is None else self._holders.get(authorization)

    def _let_in(self, authorization: str | None, admitted: Admitted) -> Admitted:
        if authorization is not None and authorization not in self._holders:
            if len(self._holders) >= MOST_HOLDERS:
                del self._holders[next(iter(self._holders))]
            self._holders[authorization] = admitted.principal.name
        return admitted

    def check_host(self, host: str) -> None:
        """Raises Unauthenticated when the hub is called by a name that is not its own and no token protects it."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if self.is_open and name.lower() not in self._hosts:
            raise Unauthenticated(
                f"host {name!r} is not this machine", hint="Configure a token, or call the hub by its loopback address."
            )

    async def check_params(self, params: Mapping[str, Any] | None, headers: Headers) -> Admitted:
        """The same for a WebSocket: the payload of connection_init counts, else the header of the handshake."""
        given = next((value for name, value in (params or {}).items() if name.lower() == "authorization"), None)
        return await self.check(given if isinstance(given, str) else headers.get("authorization"))


class Guarded:
    """An application that only those with access reach over HTTP, who are `state.principal` then.

    A WebSocket shows its token once it is open.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        headers = Headers(scope=scope)
        try:
            self._access.check_host(headers.get("host", ""))
            if scope["type"] == "http":
                admitted = await self._access.check(headers.get("authorization"))
                scope.setdefault("state", {})["principal"] = admitted.principal
        except NOT_ADMITTED as error:
            self._access.refused(error, scope)
            await refuse(error)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def refuse(error: NotAdmitted, media_type: str = "application/json") -> JSONResponse:
    """401, 403 or 503, in the form of a GraphQL error."""
    match error:
        case ProviderUnreachable():
            later = str(ceil(error.retry_after.total_seconds()))
            return error_response(503, error, {"Retry-After": later}, media_type=media_type)
        case Forbidden():
            return error_response(403, error, media_type=media_type)
        case Unauthenticated():
            return error_response(401, error, {"WWW-Authenticate": "Bearer"}, media_type=media_type)
        case _:
            assert_never(error)


def close_code(error: NotAdmitted) -> int:
    """The code that a WebSocket is closed with: 1013 when trying again is right, else 4403."""
    return TRY_AGAIN_LATER if isinstance(error, ProviderUnreachable) else NOT_ALLOWED


def error_response(
    status: int,
    error: ConnectorError,
    headers: Mapping[str, str] | None = None,
    *,
    media_type: str = "application/json",
    **rest: object,
) -> JSONResponse:
    """An error outside of GraphQL, in the form of a GraphQL error. rest: what stands beside it."""
    body = {**rest, "errors": [formatted(error)]}
    return JSONResponse(body, status, headers=dict(headers or {}), media_type=media_type)


def formatted(error: ConnectorError) -> GraphQLFormattedError:
    """The error in the form of a GraphQL error."""
    extensions = {"code": error.code} | ({"hint": error.hint} if error.hint else {})
    return {"message": error.message, "extensions": extensions}
