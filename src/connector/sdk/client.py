"""The HTTP client that the hub hands to an adapter: limits, retries, redaction and error mapping in one place."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, TypeAlias
from urllib.parse import quote, urlsplit

import httpx
from pydantic import BaseModel, SecretStr
from tenacity import AsyncRetrying, retry_if_exception_type

from connector.model.refs import SourceRef
from connector.sdk.calls import Observe, observed
from connector.sdk.egress import ANYWHERE_PUBLIC, AddressRefused, Egress, Gate, GuardedTransport, nowhere
from connector.sdk.errors import (
    AdapterError,
    AuthError,
    ConfigError,
    Conflict,
    Invalid,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Transient,
    UnexpectedResponse,
)
from connector.sdk.reading import TooLongError, read_json, read_whole
from connector.sdk.retries import Circuit, Pace, Patience, Sleep, backoff, retry_after
from connector.sdk.trust import authorities_with, known_authorities

log = logging.getLogger("connector.sdk")

READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
LARGEST_ANSWER: Final = 64 * 2**20
"""Bytes of an answer, decompressed, that are read: a page or a file of any system is far below."""
MOST_GIVEN_OUT: Final = 4
"""Tokens that a system gave out and that are cut out of texts."""

Params: TypeAlias = Mapping[str, str | int] | Sequence[tuple[str, str | int]]
Now: TypeAlias = Callable[[], datetime]
Failure: TypeAlias = httpx.HTTPError | TooLongError | TimeoutError


def _wall_clock() -> datetime:
    return datetime.now(UTC)


class SourceClient:
    """HTTP to one external system.

    base_url: every request goes there and nowhere else; an absolute URL of another host is refused, so that
    credentials never leave. headers: sent with each request, credentials included. secrets: texts that are
    cut out of errors and logs. timeout: of each step, such as the next piece of an answer. deadline: of a request and
    its whole answer; at least `timeout`. ca_bundle: authorities that are trusted beside the known ones. attempts: tries
    of a request that failed without effect; 1 means no retry, and waiting because the system asked for it is no try.
    largest_answer: bytes of an answer, decompressed, at most; a longer one is not read to its end. now: tells how far
    away a date in Retry-After is. egress: where nothing is connected to; the host of base_url may lie in a private
    network. observe: told of each request when it is over. transport, sleep: for tests.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: timedelta = timedelta(seconds=30),
        deadline: timedelta = timedelta(minutes=5),
        ca_bundle: Path | None = None,
        max_concurrency: int = 4,
        requests_per_minute: int | None = None,
        attempts: int = 4,
        secrets: Iterable[str] = (),
        largest_answer: int = LARGEST_ANSWER,
        egress: Egress = ANYWHERE_PUBLIC,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Sleep = asyncio.sleep,
        now: Now = _wall_clock,
        observe: Observe | None = None,
    ) -> None:
        silence_http_logs()
        self._base = httpx.URL(base_url)
        self._own_headers = tuple(headers or {})
        self._gate = Gate(egress, [self._base.host])
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers=dict(headers or {}),
            timeout=timeout.total_seconds(),
            transport=transport
            or GuardedTransport(
                self._gate,
                verify=known_authorities() if ca_bundle is None else authorities_with(ca_bundle),
                max_connections=max_concurrency,
            ),
            follow_redirects=False,
            trust_env=False,
        )
        self._deadline = max(deadline, timeout).total_seconds()
        self._slots = asyncio.Semaphore(max_concurrency)
        self._pace = Pace(requests_per_minute, sleep)
        self._circuit = Circuit()
        self._attempts = attempts
        self._largest_answer = largest_answer
        self._secrets = _spellings([*secrets, *_credentials(headers or {})])
        self._given_out: tuple[str, ...] = ()
        self._sleep = sleep
        self._now = now
        self._observe = observe

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

        def build() -> httpx.Request:
            query = httpx.QueryParams(_pairs(params))
            return self._http.build_request(
                method, url, params=query, json=json, content=content, headers=dict(headers or {})
            )

        return await self._patiently(build, operation, ref, harmless)

    async def download(
        self, url: str, *, operation: str, hosts: Collection[str], ref: SourceRef | None = None
    ) -> bytes:
        """A file that the system keeps elsewhere, for example in an object store, read without its credentials.

        None of the headers that this client sends goes along. hosts: where the file may lie, each as `host` or
        `host:port`; it is read over TLS, or over the scheme of base_url.
        Raises UnexpectedResponse when it lies elsewhere or is closed, else as `request` does.
        """
        try:
            there = httpx.URL(url)
        except httpx.InvalidURL:
            there = httpx.URL()
        if there.netloc.decode() not in hosts or there.scheme not in ("https", self._base.scheme):
            raise UnexpectedResponse(
                f"{operation}: the file lies at {there.scheme}://{there.host!r}, which is none of {', '.join(hosts)}",
                operation=operation, ref=ref,
                hint="If the system has moved its files there, add the host to the source's settings.",
            )  # fmt: skip

        def build() -> httpx.Request:
            return self._bare("GET", there.copy_with(username=None, password=None))

        try:
            return (await self._patiently(build, operation, ref, harmless=True)).content
        except AuthError as error:
            raise UnexpectedResponse(
                f"{operation}: the file cannot be read where the system says that it lies",
                operation=operation, ref=ref, detail=error.detail,
            ) from error  # fmt: skip

    async def request_elsewhere(
        self, method: str, url: str, *, operation: str, headers: Mapping[str, str], params: Params | None = None,
        json: object = None, ref: SourceRef | None = None, reads: bool | None = None,
    ) -> httpx.Response:  # fmt: skip
        """Ask a second server of the same vendor, which the settings name and which has credentials of its own.

        None of the headers that this client sends goes along. url: of the settings, never of an answer; over TLS, or
        over the scheme of base_url. Raises ConfigError, else as `request` does.
        """
        there = self._set_up(url, operation).copy_merge_params(_pairs(params))

        def build() -> httpx.Request:
            return self._bare(method, there, json=json, headers=headers)

        return await self._patiently(build, operation, ref, method.upper() in READS if reads is None else reads)

    async def post_form(
        self, url: str, form: Mapping[str, str], *, operation: str, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Ask for a token where the settings say that tokens come from, which may be another host.

        None of the headers that this client sends goes along, and asking twice does no harm. url: of the settings,
        never of an answer; over TLS, or over the scheme of base_url. Raises ConfigError, else as `request` does.
        """
        there = self._set_up(url, operation)

        def build() -> httpx.Request:
            return self._bare("POST", there, data=form, headers=headers)

        return await self._patiently(build, operation, None, harmless=True)

    def conceal(self, secret: str) -> None:
        """Cut this text, too, out of errors and logs from now on: a token that the system gave out.

        The last few are remembered, which are more than are valid at once.
        """
        if secret not in self._given_out:
            self._given_out = (*self._given_out, secret)[-MOST_GIVEN_OUT:]

    def _set_up(self, url: str, operation: str) -> httpx.URL:
        """An address of the settings, over TLS or over the scheme of base_url. Raises ConfigError."""
        there = httpx.URL(url)
        if there.scheme not in ("https", self._base.scheme):
            raise ConfigError(
                f"{operation}: {there.scheme}://{there.host!r} is not encrypted", operation=operation,
                hint="Give an address that begins with https://.",
            )  # fmt: skip
        self._gate.name(there.host)
        return there

    def _bare(
        self, method: str, there: httpx.URL, *, data: Mapping[str, str] | None = None, json: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Request:  # fmt: skip
        """A request without the headers that this client sends to its own system."""
        request = self._http.build_request(method, there, data=data, json=json)
        for name in self._own_headers:
            request.headers.pop(name, None)
        request.headers.update(headers or {})
        return request

    async def _patiently(
        self, build: Callable[[], httpx.Request], operation: str, ref: SourceRef | None, harmless: bool
    ) -> httpx.Response:
        """Send what `build` makes, and once more after a failure without effect."""

        async def once() -> httpx.Response:
            async with self._slots:
                await self._pace.wait()
                request = build()
                try:
                    async with asyncio.timeout(self._deadline):
                        response = await read_whole(await self._http.send(request, stream=True), self._largest_answer)
                except (httpx.HTTPError, TooLongError, TimeoutError) as error:
                    # not chained: the library's message may quote a header with its credential
                    raise self._failure(error, operation, ref, harmless) from None
            where = self.redact(str(request.url))
            log.debug("%s: %s %s answered %d", operation, request.method, where, response.status_code)
            self._check(response, operation, ref, harmless)
            return response

        with observed(self._observe, operation):
            return await self._insisting(once, operation)

    async def _insisting(self, once: Callable[[], Awaitable[httpx.Response]], operation: str) -> httpx.Response:
        """Do it, and once more after a failure without effect."""
        self._circuit.require_closed(operation)
        retrying = AsyncRetrying(
            stop=Patience(self._attempts),
            retry=retry_if_exception_type((Transient, RateLimited)),
            wait=backoff,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            response: httpx.Response = await retrying(once)
        except (Transient, OutcomeUnknown):
            self._circuit.failed()
            raise
        except AdapterError:
            self._circuit.succeeded()
            raise
        self._circuit.succeeded()
        return response

    def json(self, response: httpx.Response, *, operation: str) -> object:
        """The body as JSON, half characters replaced. Raises UnexpectedResponse when it is something else."""
        try:
            return read_json(response)
        except (ValueError, RecursionError):
            raise UnexpectedResponse(
                f"the answer to {operation} is not JSON but {response.headers.get('content-type', 'untyped')}",
                operation=operation,
                hint="Check that base_url is the address of the system itself, not of a login page or proxy.",
                detail=self.redact(response.text[:500]),
            ) from None

    def redact(self, text: str) -> str:
        """The text without any of this client's secrets."""
        for secret in (*_spellings(self._given_out), *self._secrets):
            text = text.replace(secret, "[redacted]")
        return text

    def _url(self, path: str, operation: str) -> str:
        parts = urlsplit(path)
        if not parts.netloc:
            return path
        there, here = httpx.URL(path), self._base
        if (there.scheme or here.scheme, there.host, there.port) != (here.scheme, here.host, here.port):
            raise UnexpectedResponse(
                f"{operation} leads to another host, {parts.scheme}://{there.host!r}: credentials are not sent there",
                operation=operation,
                hint="Rebuild the address on the configured base_url.",
            )
        return path

    def _failure(
        self,
        error: httpx.HTTPError | TooLongError | TimeoutError,
        operation: str,
        ref: SourceRef | None,
        harmless: bool,
    ) -> AdapterError:
        what, detail = f"{operation}: {type(error).__name__}", self.redact(str(error))
        if isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol):
            return ConfigError(
                f"{what}, the request cannot be sent as it is", operation=operation, ref=ref, detail=detail,
                hint="Check the address, and that no setting (a token read from a file) ends in a line break.",
            )  # fmt: skip
        if harmless and isinstance(error, TooLongError | httpx.DecodingError):
            return UnexpectedResponse(
                f"{operation}: {detail}", operation=operation, ref=ref, detail=detail,
                hint="If the system really holds so much in one piece, ask for smaller pages.",
            )  # fmt: skip
        if isinstance(error, AddressRefused):
            return nowhere(error, operation, ref)
        never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        if never_sent and "CERTIFICATE_VERIFY_FAILED" in detail:
            return Transient(
                f"{operation}: the system's certificate is not trusted", operation=operation, ref=ref, detail=detail,
                hint="Check the name in base_url, and that the certificate is valid and of a known authority; "
                "one of your own goes into `ca_bundle`.",
            )  # fmt: skip
        if isinstance(error, TimeoutError):
            what, detail = f"{operation}: the answer was not whole after {self._deadline:g} s", "deadline"
            if harmless:
                return Transient(
                    what, operation=operation, ref=ref, detail=detail,
                    hint="If the system really takes so long, ask for smaller pages, or set a longer `deadline`.",
                )  # fmt: skip
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
        if status == 402:
            raise ConfigError(
                summary, operation=operation, ref=ref, detail=detail,
                hint="The account at the system needs funds, or a plan that allows this.",
            )  # fmt: skip
        if status == 429 or (status == 503 and "retry-after" in response.headers):
            after = retry_after(response, self._now())
            raise RateLimited(summary, retry_after=after, operation=operation, ref=ref, detail=detail)
        if status in (404, 410):
            raise NotFound(summary, operation=operation, ref=ref, detail=detail)
        if status in (409, 412):
            raise Conflict(summary, operation=operation, ref=ref, detail=detail)
        if status in (400, 413, 422, 424):  # 413: too much; 424: whoever the system passed it on to refused
            raise Invalid(f"{summary}: {detail[:300]}", operation=operation, ref=ref, detail=detail)
        if status >= 500 or status in (408, 425):
            if harmless or status in (425, 503):
                raise Transient(summary, operation=operation, ref=ref, detail=detail)
            raise OutcomeUnknown(summary, operation=operation, ref=ref, detail=detail)
        raise UnexpectedResponse(
            summary, operation=operation, ref=ref, detail=detail,
            hint="Redirects are not followed: give the address they lead to as base_url." if status < 400 else "",
        )  # fmt: skip


def secrets_of(config: BaseModel) -> tuple[str, ...]:
    """The texts of all secret fields of some settings."""
    values = (getattr(config, name) for name in type(config).model_fields)
    return tuple(value.get_secret_value() for value in values if isinstance(value, SecretStr))


def _pairs(params: Params | None) -> list[tuple[str, str | int | float | bool | None]]:
    items = params.items() if isinstance(params, Mapping) else params or ()
    return [(name, value) for name, value in items]


def silence_http_logs() -> None:
    """Keep httpx and httpcore from logging addresses and headers; this client logs its own, redacted line.

    A level that somebody set on purpose stays.
    """
    for name in ("httpx", "httpcore"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)


def _credentials(headers: Mapping[str, str]) -> list[str]:
    """What an Authorization header carries after its scheme, for example the Base64 of name and password."""
    shown = [value.strip() for name, value in headers.items() if "authorization" in name.lower() and value.strip()]
    return [part for value in shown for part in (value.split()[-1], value.partition(" ")[2])]


def _spellings(secrets: Iterable[str]) -> tuple[str, ...]:
    """The secrets as they may turn up in a text, longest first: as they are, trimmed, quoted, in a URL."""
    found = {spelling for s in secrets for spelling in (s, s.strip(), repr(s)[1:-1], quote(s), quote(s, safe=""))}
    return tuple(sorted((s for s in found if len(s) >= 4), key=len, reverse=True))
