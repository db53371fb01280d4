"""How much each client may ask: by the key that it shows, by the address that it comes from, by the webhooks it sends.

Each is counted by the generic cell rate algorithm: of every client one number is kept, the time at which all that it
has asked would have been due at the agreed rate. Whoever is ahead of that by more than a burst is told when to come
again. A process counts by itself and waits for nobody; what others of the same hub have counted is added to it
(`connector.api.shared_rates`), so that several of them keep one limit.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from time import monotonic
from typing import Final, TypeAlias

from graphql import GraphQLFormattedError
from starlette.types import ASGIApp, Receive, Scope, Send

from connector.api.access import Access, error_response, formatted
from connector.api.guard import SecurityHeaders
from connector.model.errors import ConnectorError

TOO_MANY_REQUESTS: Final = 429
MOST_CLIENTS: Final = 10_000
"""That are remembered of each limit; beyond, those that were seen first are forgotten."""
LONGEST_RETRY_S: Final = 60
_FREE: Final = frozenset({"/healthz", "/readyz"})
_WEBHOOKS: Final = "/webhooks/"
_NETWORK: Final = 64
"""Bits of an IPv6 address that are given to one customer at least: who has one address of it, has all of them."""

Client: TypeAlias = str


class TooManyRequests(ConnectorError):  # noqa: N818 - named by what is wrong
    """A client asks more often than it may; nothing of this was begun. after_s: when it may ask again."""

    code = "RATE_LIMITED"

    def __init__(self, message: str, *, after_s: float) -> None:
        self.after_s = min(max(math.ceil(after_s), 1), LONGEST_RETRY_S)
        super().__init__(message, hint=f"Ask again in {self.after_s} s.")


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Requests per minute, 0 for any number. burst_s: so many seconds' worth may come at once."""

    per_key: int = 0
    per_address: int = 0
    webhooks: int = 0
    burst_s: float = 10.0


class Rate:
    """One limit, for all clients that it counts. name: in headers. what: it is that of, in messages."""

    __slots__ = ("_due", "_every_s", "burst_s", "is_shared", "name", "per_minute", "uncounted", "what")

    def __init__(self, name: str, what: str, per_minute: int, burst_s: float) -> None:
        self.name = name
        self.what = what
        self.per_minute = per_minute
        self.burst_s = burst_s
        self._every_s = 60 / per_minute
        self._due: dict[Client, float] = {}
        self.is_shared = False
        self.uncounted: dict[Client, int] = {}
        """What each has asked that the other processes, where it is shared, have not heard of yet."""

    def take(self, client: Client) -> float:
        """Count a request: 0 when it may go on, else the seconds until one may."""
        now = monotonic()
        due = self._due.get(client)
        if due is None:
            if len(self._due) >= MOST_CLIENTS:
                del self._due[next(iter(self._due))]
            due = now
        elif due < now:
            due = now
        elif due + self._every_s - now > self.burst_s:
            return due + self._every_s - now - self.burst_s
        self._due[client] = due + self._every_s
        if self.is_shared:
            self.uncounted[client] = self.uncounted.get(client, 0) + 1
        return 0.0

    def heard(self, client: Client, ahead_s: float) -> None:
        """What all processes together have counted. ahead_s: by how much the client is ahead of the rate."""
        if client in self._due:
            not_told_s = self.uncounted.get(client, 0) * self._every_s
            self._due[client] = max(self._due[client], monotonic() + ahead_s + not_told_s)


class Rates:
    """All limits of a hub."""

    def __init__(self, limits: RateLimits) -> None:
        burst = limits.burst_s
        self._key = Rate("key", "this key", limits.per_key, burst) if limits.per_key else None
        self._address = Rate("address", "this address", limits.per_address, burst) if limits.per_address else None
        self._webhooks = Rate("webhook", "this address", limits.webhooks, burst) if limits.webhooks else None

    @property
    def counted(self) -> tuple[Rate, ...]:
        """Those that are in force."""
        return tuple(rate for rate in (self._key, self._address, self._webhooks) if rate is not None)

    def by_key(self, holder: str | None) -> tuple[Rate, float] | None:
        """Count a request of whoever shows a key: None when it may go on, else the limit, and when it may."""
        return None if holder is None else _over(self._key, holder)

    def by_address(self, address: str | None) -> tuple[Rate, float] | None:
        """The same of an address; None for a way that has none, such as a local socket."""
        return None if address is None else _over(self._address, client_of(address))

    def by_webhook(self, source: str, address: str | None) -> tuple[Rate, float] | None:
        """The same of the webhooks that come for one source from one address."""
        return _over(self._webhooks, f"{source} {'' if address is None else client_of(address)}")

    def refusal(self, holder: str | None, address: str | None) -> GraphQLFormattedError | None:
        """Count an operation that comes over an open socket: why it is not run, None when it is."""
        over = self.by_address(address) or self.by_key(holder)
        if over is None:
            return None
        error = refused(*over)
        told = formatted(error)
        return {**told, "extensions": {**told.get("extensions", {}), "retryAfter": error.after_s}}


class RateLimiting:
    """Counts each request before anything of it is read. sources: whose webhooks have a limit of their own.

    Who shows a key that was never let in is counted by address alone: nobody uses up what another one may ask.
    """

    def __init__(self, app: ASGIApp, rates: Rates, access: Access, sources: Collection[str]) -> None:
        self._app = app
        self._rates = rates
        self._access = access
        self._sources = sources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        kind = scope["type"]
        path = scope.get("path", "")
        if kind == "lifespan" or path in _FREE:
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        address = client[0] if client else None
        if path.startswith(_WEBHOOKS) and path[len(_WEBHOOKS) :] in self._sources:
            over = self._rates.by_webhook(path[len(_WEBHOOKS) :], address)
        else:
            over = self._rates.by_address(address)
            if over is None and kind == "http":
                over = self._rates.by_key(self._access.holder_of(_authorization(scope)))
        if over is None:
            await self._app(scope, receive, send)
        elif kind == "http":
            await SecurityHeaders(response(*over))(scope, receive, send)
        elif "websocket.http.response" in scope.get("extensions", {}):
            await receive()  # websocket.connect
            await _deny(scope, receive, send, *over)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1013})


def refused(rate: Rate, after_s: float) -> TooManyRequests:
    """Says which limit was reached."""
    return TooManyRequests(
        f"{rate.what} may ask {rate.per_minute:,} times a minute, and has asked more often; "
        "nothing of this request was done",
        after_s=after_s,
    )


def response(rate: Rate, after_s: float) -> ASGIApp:
    """429, with the headers of draft-ietf-httpapi-ratelimit-headers-10 beside Retry-After."""
    error = refused(rate, after_s)
    headers = {
        "retry-after": str(error.after_s),
        "ratelimit-policy": f'"{rate.name}";q={rate.per_minute};w=60',
        "ratelimit": f'"{rate.name}";r=0;t={error.after_s}',
    }
    return error_response(TOO_MANY_REQUESTS, error, headers)


def client_of(address: str) -> Client:
    """Who is behind an address: the network of an IPv6 one, the IPv4 one within an IPv6 one, else the address."""
    if ":" not in address:
        return address
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(known, IPv6Address):
        return address
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return f"{IPv6Address(int(known) >> _NETWORK << _NETWORK)}/{_NETWORK}"


def _over(rate: Rate | None, client: Client) -> tuple[Rate, float] | None:
    if rate is None:
        return None
    after_s = rate.take(client)
    return None if after_s == 0.0 else (rate, after_s)


def _authorization(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return str(value, "latin-1")
    return None


async def _deny(scope: Scope, receive: Receive, send: Send, rate: Rate, after_s: float) -> None:
    """Answer the handshake of a WebSocket with a response instead of a socket."""

    async def send_denied(message: dict[str, object]) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    await SecurityHeaders(response(rate, after_s))({**scope, "type": "http"}, receive, send_denied)  # type: ignore[arg-type]
