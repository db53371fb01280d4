"""The short way of a query that was run before: nothing around it is worked out twice.

A client sends the same headers with each request. What they say (the host is one of ours, which form of answer, which
coding) is read once for all requests with the same ones. A POST whose query is ready is then answered at once; anything
else takes the long way (`connector.api.endpoint`), which says the same of it. A page that is looked at again sends the
same bytes: what they ask for is understood once. Who asks is checked each time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.api.access import NOT_ADMITTED, Access, error_response
from connector.api.again import Understood, answer_understood, understand
from connector.api.answer import Answer
from connector.api.answers import ENCODING, TRY_AGAIN_LATER, UNAVAILABLE
from connector.api.context import ApiContext
from connector.api.documents import DocumentRefused
from connector.api.encoding import SMALLEST, Coding, Encoder, coding_of
from connector.api.errors import fault
from connector.api.guard import SecurityHeaders, headers_for
from connector.api.limits import LARGEST_REQUEST
from connector.api.media_types import MediaType, Streaming, negotiate, streaming
from connector.api.patience import BrokenOff
from connector.api.request import BadRequest, check_form, read_json
from connector.model.errors import Unavailable
from connector.model.principals import Principal
from connector.storage.query import Sight

PATH: Final = "/graphql"
MOST_KNOWN: Final = 500
"""Sets of headers that are remembered."""
LARGEST_KNOWN: Final = 8 * 1024
"""Bytes of such a set."""

MOST_UNDERSTOOD: Final = 1_000
"""Bodies that are remembered."""
LARGEST_UNDERSTOOD: Final = 4 * 1024
"""Bytes of such a body."""

_RawHeaders: TypeAlias = tuple[tuple[bytes, bytes], ...]


@dataclass(slots=True)
class _Client:
    """What the headers of requests say. headers: of answers, but for their length. context: of the last one's holder.

    What is answered this way only looks into a context, so that those who come again share one.
    """

    form: MediaType
    coding: Coding | None
    authorization: str | None
    public_url: str
    headers: _RawHeaders
    context: ApiContext | None = None


class Shortcut:
    """Answers what it can before the application does. origins: whose pages may ask, which the long way tells them.

    encoder: what compresses answers, None for nothing. context: a new one, for what somebody sends to an
    address.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access,
        context: Callable[[str, Principal], ApiContext],
        address: Callable[[Scope, str | None], str],
        encoder: Encoder | None,
        origins: bool,
    ) -> None:
        self._app = app
        self._access = access
        self._context = context
        self._address = address
        self._encoder = encoder
        self._origins = origins
        self._known: dict[tuple[str, _RawHeaders], _Client | None] = {}
        self._understood: dict[tuple[bytes, Sight], Understood] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        client = self._client(scope)
        if client is None:
            await self._app(scope, receive, send)
            return
        received: list[Message] = []
        body = await _body(receive, received)
        if body is not None:
            try:
                answer = await self._answered(body, client, receive)
            except BrokenOff as error:
                said = error_response(200, error, media_type=client.form, data=None)
                await SecurityHeaders(said)(scope, receive, send)
                return
            except Unavailable as error:
                said = error_response(UNAVAILABLE, error, TRY_AGAIN_LATER, media_type=client.form)
                await SecurityHeaders(said)(scope, receive, send)
                return
            except Exception as error:  # noqa: BLE001 - told in the log
                await SecurityHeaders(fault(error, "the endpoint", client.form))(scope, receive, send)
                return
            if answer is not None:
                await self._send(answer, client, send)
                return
        await self._app(scope, _again(received, receive), send)

    async def _answered(self, body: bytes, client: _Client, receive: Receive) -> Answer | None:
        try:
            admitted = await self._access.check(client.authorization)
            context = client.context
            if context is None or context.principal is not admitted.principal:
                context = client.context = self._context(client.public_url, admitted.principal)
            understood = await self._understand(body, context)
        except (*NOT_ADMITTED, BadRequest, DocumentRefused):
            return None
        return None if understood is None else await answer_understood(understood, context, receive)

    async def _understand(self, body: bytes, context: ApiContext) -> Understood | None:
        """What a body asks for. A document that registers itself does so each time."""
        key = body, context.reader.sight
        understood = self._understood.get(key)
        if understood is None:
            asked = await context.documents.complete(read_json(body))
            understood = understand(asked, context) if asked.query else None
            if understood is not None and len(body) <= LARGEST_UNDERSTOOD and not asked.is_automatic:
                if len(self._understood) >= MOST_UNDERSTOOD:
                    del self._understood[next(iter(self._understood))]
                self._understood[key] = understood
        return understood

    async def _send(self, answer: Answer, client: _Client, send: Send) -> None:
        body, headers = answer.body, client.headers
        if self._encoder is not None and client.coding is not None and len(body) >= SMALLEST:
            body = await self._encoder.encoded(answer, client.coding)
            headers = ((b"content-encoding", client.coding.encode()), (b"vary", ENCODING.encode()), *headers)
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": 200, "headers": [length, *headers]})
        await send({"type": "http.response.body", "body": body})

    def _client(self, scope: Scope) -> _Client | None:
        """What its headers say; None where the long way has to look at them."""
        headers = tuple([pair for pair in scope["headers"] if pair[0] != b"content-length"])
        key = scope["scheme"], headers
        if key in self._known:
            return self._known[key]
        client = self._read(scope)
        if sum(len(name) + len(value) for name, value in headers) <= LARGEST_KNOWN:
            if len(self._known) >= MOST_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[key] = client
        return client

    def _read(self, scope: Scope) -> _Client | None:
        headers = Headers(scope=scope)
        if self._origins and "origin" in headers:
            return None
        accept = ",".join(headers.getlist("accept"))
        try:
            self._access.check_host(headers.get("host", ""))
            if streaming(accept) is Streaming.ALWAYS:
                return None
            form = negotiate(accept)
            check_form(headers.get("content-type", ""), headers.get("content-encoding", "identity"))
        except (*NOT_ADMITTED, BadRequest):
            return None
        return _Client(
            form,
            coding_of(",".join(headers.getlist("accept-encoding"))),
            headers.get("authorization"),
            self._address(scope, headers.get("host")),
            ((b"content-type", f"{form}; charset=utf-8".encode()), *headers_for(scope)),
        )


async def _body(receive: Receive, received: list[Message]) -> bytes | None:
    """The body of a request; None where the long way has to look at it. received: what came goes there."""
    size = 0
    while True:
        message = await receive()
        received.append(message)
        if message["type"] != "http.request":
            return None
        size += len(message.get("body", b""))
        if size > LARGEST_REQUEST:
            return None
        if not message.get("more_body", False):
            break
    return received[0].get("body", b"") if len(received) == 1 else b"".join(part.get("body", b"") for part in received)


def _again(received: list[Message], receive: Receive) -> Receive:
    """Gives what was received once more, then what comes."""
    waiting = received[::-1]

    async def receive_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_again
