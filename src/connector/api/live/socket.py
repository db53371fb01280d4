"""GraphQL over WebSocket: the subprotocol `graphql-transport-ws`, as a server has to speak it.

Source: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md, with the close codes of that library.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, NoReturn, TypeAlias, cast

import orjson
from graphql import GraphQLError, GraphQLFormattedError
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from connector.api.access import NOT_ADMITTED, Access, Admitted, close_code, formatted
from connector.api.context import ApiContext
from connector.api.errors import masked, public_error
from connector.api.live.asked import asked_of
from connector.api.live.ending import (
    GOING_AWAY,
    SERVICE_RESTART,
    SLOW_CONSUMER,
    Ending,
    Silent,
    SlowConsumer,
    end_when_slow,
    end_with_hub,
    end_with_rights,
)
from connector.api.live.limits import LiveLimits
from connector.api.live.outlet import Mark, Outlet
from connector.api.live.streams import Following, Refused, Streams
from connector.api.rates import Rates
from connector.api.request import BadRequest, GraphQLRequest, check_depth, names_document, request_of

SUBPROTOCOL: Final = "graphql-transport-ws"
SEND_MANY: Final = "connector.websocket.send.many"
"""An extension of ASGI, where a server has it: one message for several `texts` in UTF-8, each a message of its own."""
LONGEST_REASON: Final = 123
"""Bytes that the reason of a close frame may have (RFC 6455, 5.5)."""

BAD_REQUEST, UNAUTHORIZED, NO_SUBPROTOCOL, TOO_LATE, ALREADY_THERE = 4400, 4401, 4406, 4408, 4409
INTERNAL_ERROR = 4500

_SendCoroutine: TypeAlias = Callable[[Message], Coroutine[Any, Any, None]]
"""What Starlette hands on, whatever the server awaits behind it."""

Execute: TypeAlias = Callable[[GraphQLRequest, ApiContext], Awaitable[bytes]]
"""Runs a query or mutation; the JSON of its result. Raises Refused when it cannot be run."""


class _Gone(Exception):  # noqa: N818 - says what is so
    """The client has closed the socket, or vanished."""


class SocketConnection:
    """One client. context: its surroundings, as long as it has not introduced itself."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        context: ApiContext,
        access: Access,
        streams: Streams,
        execute: Execute,
        limits: LiveLimits,
        rates: Rates,
    ) -> None:
        self._scope = scope
        self._receive = receive
        self._send = cast("_SendCoroutine", send)
        self._context = context
        self._access = access
        self._streams = streams
        self._execute = execute
        self._limits = limits
        self._rates = rates
        takes_many = SEND_MANY in (scope.get("extensions") or {})
        self._outlet = Outlet(self._send_many if takes_many else self._send_each, limits, streams.turn)
        self._params: Mapping[str, Any] | None = None
        self._admitted: Admitted | None = None
        self._marks: dict[str, Mark] = {}
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._over: asyncio.Future[NoReturn] = asyncio.get_running_loop().create_future()
        self._heard_at = 0.0

    async def run(self) -> None:
        """Serve the client until it or the hub ends the connection."""
        with self._streams.connected():
            await self._run()

    async def _run(self) -> None:
        await self._receive()  # websocket.connect
        if SUBPROTOCOL not in self._scope["subprotocols"]:
            await self._send({"type": "websocket.accept"})
            await self._close(NO_SUBPROTOCOL, "Subprotocol not acceptable")
            return
        await self._send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        self._heard_at = asyncio.get_running_loop().time()
        for duty in (
            self._listen(),
            self._await_init(),
            self._stay_in_touch(),
            self._outlet.run(),
            end_when_slow(self._outlet, self._limits),
            end_with_hub(self._streams, SERVICE_RESTART),
        ):
            self._begin(duty, name="socket")
        try:
            await self._over
        except Ending as ending:
            await self._end_all()
            await self._close(ending.code, self._reason(ending))
        except (_Gone, OSError):
            return
        except Exception as error:  # noqa: BLE001 - told in the log
            _, told = masked(error, "a socket")
            await self._end_all()
            await self._close(INTERNAL_ERROR, f"Internal server error, reference {told['reference']}")
        finally:
            await self._end_all()

    async def _listen(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                raise _Gone
            self._heard_at = asyncio.get_running_loop().time()
            text = message.get("text")
            if text is None:
                _invalid("messages are text")
            try:
                await self._take(orjson.loads(text))
            except orjson.JSONDecodeError:
                _invalid("the message is no JSON")

    async def _take(self, message: Any) -> None:
        if not isinstance(message, dict):
            _invalid("the message is no object")
        match message.get("type"):
            case "connection_init":
                await self._init(message)
            case "ping":
                await self._outlet.room()
                self._say({"type": "pong"} | _shallow(_payload(message)))
            case "pong":
                _payload(message)
            case "subscribe":
                await self._outlet.room()
                self._subscribe(_id(message), message)
            case "complete":
                self._forget(_id(message))
            case other:
                _invalid(f"{other!r} is no type of message")

    async def _init(self, message: Mapping[str, Any]) -> None:
        if self._params is not None:
            raise _closing(SLOW_CONSUMER, "Too many initialisation requests")
        self._params = _payload(message).get("payload") or {}
        try:
            self._admitted = admitted = await self._admit()
        except NOT_ADMITTED as error:
            self._access.refused(error, self._scope)
            raise Ending(close_code(error), error) from error
        self._context = replace(self._context, principal=admitted.principal)
        self._begin(end_with_rights(admitted, self._admit, self._context.clock, self._limits), name="socket")
        self._say({"type": "connection_ack"})

    async def _admit(self) -> Admitted:
        return await self._access.check_params(self._params, Headers(scope=self._scope))

    async def _await_init(self) -> None:
        await asyncio.sleep(self._limits.init.total_seconds())
        if self._params is None:
            raise _closing(TOO_LATE, "Connection initialisation timeout")

    async def _stay_in_touch(self) -> None:
        """Ask a client that is silent whether it is there."""
        loop, heartbeat = asyncio.get_running_loop(), self._limits.heartbeat.total_seconds()
        while True:
            asked_at = loop.time()
            await asyncio.sleep(heartbeat)
            if self._heard_at >= asked_at:
                continue
            asked_at = loop.time()
            self._say({"type": "ping"})
            await asyncio.sleep(heartbeat)
            if self._heard_at < asked_at:
                raise Ending(GOING_AWAY, Silent(f"a ping was not answered within {heartbeat:g} s"))

    def _subscribe(self, key: str, message: Mapping[str, Any]) -> None:
        if self._admitted is None:
            raise _closing(UNAUTHORIZED, "Unauthorized")
        if key in self._operations:
            raise _closing(ALREADY_THERE, f"Subscriber for {key} already exists")
        request = _request(_payload(message).get("payload"))
        if len(self._operations) >= self._limits.operations:
            self._say_errors(key, [_too_many(self._limits.operations)])
            return
        client = self._scope.get("client")
        holder = None if self._access.is_open else self._admitted.principal.name
        refusal = self._rates.refusal(holder, client[0] if client else None)
        if refusal is not None:
            self._say_errors(key, [refusal])
            return
        self._operations[key] = task = self._begin(self._operate(key, request), name="operation")
        task.add_done_callback(lambda done: self._operations.pop(key) if self._operations.get(key) is done else None)

    async def _operate(self, key: str, request: GraphQLRequest) -> None:
        """Run an operation, and say how it ended, unless the client has ended it."""
        try:
            request = await self._context.documents.complete(request)
            asked = asked_of(request, self._context.documents)
            if asked is not None:
                head = b'{"id":%b,"type":"next","payload":' % orjson.dumps(key)
                mark = self._marks[key] = Mark(lambda _position, text: b"%b%b}" % (head, text))
                await self._streams.follow(Following(asked, self._context, self._outlet, mark))
            else:
                result = await self._execute(request, self._context)
                await self._outlet.room()
                self._say({"id": key, "type": "next", "payload": orjson.Fragment(result)})
                self._end(key)
                self._say({"id": key, "type": "complete"})
        except Refused as refused:
            self._end(key)
            self._say_errors(key, refused.errors)
        except BadRequest as error:
            self._end(key)
            self._say_errors(key, [formatted(error)])
        except Exception as error:  # noqa: BLE001 - whatever it is, the socket's other operations go on
            self._end(key)
            self._say_errors(key, [public_error(GraphQLError(str(error), original_error=error)).formatted])

    def _end(self, key: str) -> None:
        """The id may be used again from now on."""
        self._operations.pop(key, None)
        self._marks.pop(key, None)

    def _forget(self, key: str) -> None:
        """The client wants to hear nothing more of it."""
        task, mark = self._operations.pop(key, None), self._marks.pop(key, None)
        if mark is not None:
            mark.is_over = True
        if task is not None:
            task.cancel()

    def _say_errors(self, key: str, errors: Sequence[GraphQLFormattedError]) -> None:
        self._say({"id": key, "type": "error", "payload": errors})

    def _say(self, message: Mapping[str, Any]) -> None:
        self._outlet.say(orjson.dumps(message))

    def _send_many(self, texts: list[bytes]) -> Coroutine[Any, Any, None]:
        return self._send({"type": SEND_MANY, "texts": texts})

    async def _send_each(self, texts: list[bytes]) -> None:
        for text in texts:
            await self._send({"type": "websocket.send", "text": text.decode()})

    async def _close(self, code: int, reason: str) -> None:
        """Close it, or drop it when its client does not even read that."""
        shown = reason.encode()[:LONGEST_REASON].decode(errors="ignore")
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(self._limits.patience.total_seconds()):
                await self._send({"type": "websocket.close", "code": code, "reason": shown})

    def _reason(self, ending: Ending) -> str:
        """Why, and the place up to which all subscriptions have been sent, as far as both find room.

        What breaks the protocol is said in the protocol's words.
        """
        why = "Too slow" if isinstance(ending.error, SlowConsumer) else ending.error.message
        sent = [mark.sent for mark in self._marks.values() if mark.sent is not None]
        if not sent or isinstance(ending.error, BadRequest):
            return ending.error.message
        reason = f'{why}: resume with `after: "{min(sent)}"`'
        return reason if len(reason.encode()) <= LONGEST_REASON else why

    def _begin(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._over.done():
            self._over.set_exception(error)

    async def _end_all(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _closing(code: int, reason: str) -> Ending:
    return Ending(code, BadRequest(reason))


def _invalid(what: str) -> NoReturn:
    raise _closing(BAD_REQUEST, f"Invalid message: {what}")


def _id(message: Mapping[str, Any]) -> str:
    key = message.get("id")
    if not isinstance(key, str) or not key:
        _invalid("'id' is no text, or empty")
    return key


def _payload(message: Mapping[str, Any]) -> dict[str, Any]:
    """The payload under its name, if there is one."""
    payload = message.get("payload")
    if payload is None:
        return {}
    if not isinstance(payload, dict):
        _invalid("'payload' is no object")
    return {"payload": payload}


def _shallow(parts: dict[str, Any]) -> dict[str, Any]:
    """The parts of a message, none of which is nested without end."""
    for name, part in parts.items():
        try:
            check_depth(name, part)
        except BadRequest as error:
            _invalid(error.message)
    return parts


def _request(payload: Any) -> GraphQLRequest:
    given = payload or {}
    query, name = given.get("query"), given.get("operationName")
    if names_document(given):
        try:
            return request_of(given)
        except BadRequest as error:
            _invalid(error.message)
    if not isinstance(query, str):
        _invalid("'query' is no text")
    if not isinstance(name, str | None):
        _invalid("'operationName' is no text")
    for part in ("variables", "extensions"):
        if not isinstance(given.get(part), dict | None):
            _invalid(f"'{part}' is no object")
    _shallow({part: given.get(part) for part in ("variables", "extensions")})
    return GraphQLRequest(query, given.get("variables"), name or None, given.get("extensions"))


def _too_many(limit: int) -> GraphQLFormattedError:
    return {
        "message": f"{limit} operations are under way on this socket, more are not allowed",
        "extensions": {"code": "TOO_MANY_OPERATIONS", "hint": "Complete one of them, or open a further socket."},
    }
