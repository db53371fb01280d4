"""The HTTP client that the hub hands to an adapter: limits, retries, redaction and error mapping in one place."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, SecretStr
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from connector.model.refs import SourceRef
from connector.sdk.errors import (
    AdapterError,
    AuthError,
    Conflict,
    Invalid,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Transient,
    UnexpectedResponse,
)

log = logging.getLogger("connector.sdk")

READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
LONGEST_WAIT = timedelta(seconds=60)
"""A source that asks for more than this is left alone until its next scheduled run."""
CIRCUIT_FAILURES = 5
CIRCUIT_PAUSE = timedelta(seconds=30)

Params: TypeAlias = Mapping[str, str | int] | Sequence[tuple[str, str | int]]
Sleep: TypeAlias = Callable[[float], Awaitable[None]]


class SourceClient:
    """HTTP to one external system.

    base_url: every request goes there and nowhere else; an absolute URL of another host is refused, so that
    credentials never leave. headers: sent with each request, credentials included. secrets: texts that are
    cut out of errors and logs. attempts: tries of a request whose repetition is harmless; 1 means no retry.
    transport, sleep: for tests.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: timedelta = timedelta(seconds=30),
        max_concurrency: int = 4,
        requests_per_minute: int | None = None,
        attempts: int = 4,
        secrets: Iterable[str] = (),
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._base = httpx.URL(base_url)
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers=dict(headers or {}),
            timeout=timeout.total_seconds(),
            transport=transport,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=max_concurrency),
        )
        self._slots = asyncio.Semaphore(max_concurrency)
        self._pace = _Pace(requests_per_minute, sleep)
        self._circuit = _Circuit()
        self._attempts = attempts
        self._secrets = tuple(sorted((s for s in secrets if len(s) >= 4), key=len, reverse=True))
        self._sleep = sleep

    async def __aenter__(self) -> SourceClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        params: Params | None = None,
        json: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        ref: SourceRef | None = None,
        reads: bool | None = None,
    ) -> httpx.Response:
        """Send one request and return its 2xx answer.

        operation: what it is for, in errors and logs. reads: the request changes nothing over there, so that
        repeating it is harmless; by default what the method says. Transient failures and rate limits are
        retried here, a write whose outcome is unknown never.
        Raises AdapterError of the class that its status or failure calls for.
        """
        harmless = method.upper() in READS if reads is None else reads
        url = self._url(path, operation)

        async def once() -> httpx.Response:
            self._circuit.require_closed(operation)
            async with self._slots:
                await self._pace.wait()
                try:
                    response = await self._http.request(
                        method,
                        url,
                        params=httpx.QueryParams(_pairs(params)),
                        json=json,
                        content=content,
                        headers=dict(headers or {}),
                    )
                except httpx.HTTPError as error:
                    raise self._failure(error, operation, ref, harmless) from error
            self._check(response, operation, ref, harmless)
            return response

        retrying = AsyncRetrying(
            stop=stop_after_attempt(self._attempts),
            retry=retry_if_exception_type((Transient, RateLimited)),
            wait=_backoff,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            response: httpx.Response = await retrying(once)
        except Transient:
            self._circuit.failed()
            raise
        except AdapterError:
            self._circuit.succeeded()
            raise
        self._circuit.succeeded()
        return response

    def json(self, response: httpx.Response, *, operation: str) -> object:
        """The body as JSON. Raises UnexpectedResponse when it is something else, whatever its status said."""
        try:
            return response.json()
        except ValueError as error:
            raise UnexpectedResponse(
                f"the answer to {operation} is not JSON but {response.headers.get('content-type', 'untyped')}",
                operation=operation,
                hint="Check that base_url is the address of the system itself, not of a login page or proxy.",
                detail=self.redact(response.text[:500]),
            ) from error

    def redact(self, text: str) -> str:
        """The text without any of this client's secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "[redacted]")
        return text

    def _url(self, path: str, operation: str) -> str:
        parts = urlsplit(path)
        if not parts.netloc:
            return path
        if parts.netloc != urlsplit(str(self._base)).netloc:
            raise UnexpectedResponse(
                f"{operation} leads to another host, {parts.hostname!r}: credentials are not sent there",
                operation=operation,
                hint="Rebuild the address on the configured base_url.",
            )
        return path

    def _failure(self, error: httpx.HTTPError, operation: str, ref: SourceRef | None, harmless: bool) -> AdapterError:
        what = f"{operation}: {type(error).__name__}"
        detail = self.redact(str(error))
        never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        if harmless or never_sent:
            return Transient(f"{what}, the system did not answer", operation=operation, ref=ref, detail=detail)
        return OutcomeUnknown(
            f"{what} after the request was sent", operation=operation, ref=ref, detail=detail,
            hint="The hub looks for the effect before it tries again.",
        )  # fmt: skip

    def _check(self, response: httpx.Response, operation: str, ref: SourceRef | None, harmless: bool) -> None:
        status = response.status_code
        if 200 <= status < 300:
            return
        summary = f"{operation}: the system answered {status}"
        detail = self.redact(response.text[:1000])
        if status in (401, 403):
            raise AuthError(
                summary, operation=operation, ref=ref, detail=detail,
                hint="Check the token and its permissions.",
            )  # fmt: skip
        if status == 429 or (status == 503 and "retry-after" in response.headers):
            after = _retry_after(response)
            raise RateLimited(summary, retry_after=after, operation=operation, ref=ref, detail=detail)
        if status in (404, 410):
            raise NotFound(summary, operation=operation, ref=ref, detail=detail)
        if status in (409, 412):
            raise Conflict(summary, operation=operation, ref=ref, detail=detail)
        if status in (400, 422):
            raise Invalid(f"{summary}: {detail[:300]}", operation=operation, ref=ref, detail=detail)
        if status >= 500:
            if harmless or status == 503:
                raise Transient(summary, operation=operation, ref=ref, detail=detail)
            raise OutcomeUnknown(summary, operation=operation, ref=ref, detail=detail)
        raise UnexpectedResponse(summary, operation=operation, ref=ref, detail=detail)


def secrets_of(config: BaseModel) -> tuple[str, ...]:
    """The texts of all secret fields of some settings."""
    values = (getattr(config, name) for name in type(config).model_fields)
    return tuple(value.get_secret_value() for value in values if isinstance(value, SecretStr))


def _pairs(params: Params | None) -> list[tuple[str, str | int | float | bool | None]]:
    items = params.items() if isinstance(params, Mapping) else params or ()
    return [(name, value) for name, value in items]


def _retry_after(response: httpx.Response) -> timedelta | None:
    """Retry-After as seconds or HTTP date (RFC 9110, section 10.2.3); None when absent or unreadable."""
    text = response.headers.get("retry-after", "").strip()
    if text.isdigit():
        return timedelta(seconds=int(text))
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(timedelta(0), until - datetime.now(UTC))


def _backoff(state: RetryCallState) -> float:
    """Seconds before the next try: what the system asked for, else exponential with full jitter."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, RateLimited) and error.retry_after is not None:
        if error.retry_after > LONGEST_WAIT:
            raise error
        return error.retry_after.total_seconds()
    ceiling = min(0.5 * 2.0**state.attempt_number, 15.0)
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - spreads load, protects nothing


class _Pace:
    """Spaces requests evenly so that no more than so many start a minute."""

    def __init__(self, per_minute: int | None, sleep: Sleep) -> None:
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._sleep = sleep

    async def wait(self) -> None:
        if not self._interval:
            return
        now = asyncio.get_running_loop().time()
        start = max(now, self._next)
        self._next = start + self._interval
        if start > now:
            await self._sleep(start - now)


class _Circuit:
    """Stops asking a system that keeps failing, and lets one request through after a pause."""

    def __init__(self) -> None:
        self._failures = 0
        self._opened_at = 0.0

    def require_closed(self, operation: str) -> None:
        if self._failures < CIRCUIT_FAILURES:
            return
        since = asyncio.get_running_loop().time() - self._opened_at
        if since < CIRCUIT_PAUSE.total_seconds():
            raise Transient(
                f"{operation} was not tried: the system failed {self._failures} times in a row",
                operation=operation,
                hint=f"It is tried again {CIRCUIT_PAUSE.total_seconds() - since:.0f} s from now.",
            )
        self._opened_at = asyncio.get_running_loop().time()

    def failed(self) -> None:
        self._failures += 1
        self._opened_at = asyncio.get_running_loop().time()

    def succeeded(self) -> None:
        self._failures = 0
