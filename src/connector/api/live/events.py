"""GraphQL over server-sent events: the protocol of `graphql-sse`, one operation to a connection.

Source: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md, "Distinct connections mode". Events of a
subscription have their cursor as the `id` of the server-sent event, so a browser's `EventSource` resumes by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import orjson
from graphql import GraphQLError, GraphQLFormattedError
from starlette.types import Receive, Scope, Send

from connector.api.access import Admitted, formatted
from connector.api.context import ApiContext
from connector.api.errors import public_error
from connector.api.live.asked import asked_of
from connector.api.live.ending import GOING_AWAY, Admit, Ending, end_when_slow, end_with_hub, end_with_rights
from connector.api.live.limits import LiveLimits
from connector.api.live.outlet import Mark, Outlet
from connector.api.live.socket import Execute
from connector.api.live.streams import Following, Refused, Streams
from connector.api.media_types import EVENT_STREAM
from connector.api.request import GraphQLRequest

LAST_EVENT_ID: Final = "last-event-id"
_KEEP_ALIVE: Final = b":\n\n"
_COMPLETE: Final = b"event: complete\ndata:\n\n"


class EventStream:
    """The answer to one request. admitted: who asks; admit: looks again. start: where to begin instead of `after`."""

    def __init__(
        self,
        request: GraphQLRequest,
        *,
        context: ApiContext,
        admitted: Admitted,
        admit: Admit,
        streams: Streams,
        execute: Execute,
        limits: LiveLimits,
        start: int | None,
    ) -> None:
        self._request = request
        self._context = context
        self._admitted = admitted
        self._admit = admit
        self._streams = streams
        self._execute = execute
        self._limits = limits
        self._start = start
        self._mark = Mark(lambda position, text: b"event: next\nid: %d\ndata: %b\n\n" % (position, text))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """As ASGI has it."""
        headers = {
            "content-type": f"{EVENT_STREAM}; charset=utf-8",
            "cache-control": "no-cache, no-store",
            "x-accel-buffering": "no",
        }
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})

        async def send_texts(texts: list[bytes]) -> None:
            await send({"type": "http.response.body", "body": b"".join(texts), "more_body": True})

        outlet = Outlet(send_texts, self._limits, self._streams.turn)
        duties: list[Coroutine[Any, Any, None]] = [
            self._operate(outlet),
            _gone(receive),
            outlet.run(),
            self._keep_alive(outlet),
            end_when_slow(outlet, self._limits),
            end_with_rights(self._admitted, self._admit, self._context.clock, self._limits),
            end_with_hub(self._streams, GOING_AWAY),
        ]
        tasks = [asyncio.create_task(duty, name="events") for duty in duties]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        failed = [result for result in results if isinstance(result, Exception) and not isinstance(result, OSError)]
        failed.sort(key=lambda error: not isinstance(error, Ending))
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(self._limits.patience.total_seconds()):
                if failed:
                    await send_texts([_next({"errors": [self._told(failed[0])]}), _COMPLETE])
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _operate(self, outlet: Outlet) -> None:
        """Run the operation, and say that it is complete."""
        asked = asked_of(self._request, self._context.documents)
        try:
            if asked is not None:
                await self._streams.follow(Following(asked, self._context, outlet, self._mark, self._start))
            else:
                result = await self._execute(self._request, self._context)
                outlet.say(b"event: next\ndata: %b\n\n" % result)
        except Refused as refused:
            outlet.say(_next({"errors": refused.errors}))
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told in the form that it accepts
            outlet.say(_next({"errors": [_public(error)]}))
        outlet.say(_COMPLETE)
        await outlet.flush()

    async def _keep_alive(self, outlet: Outlet) -> None:
        """Say now and then that the hub is there; what is sent to a client that is not is how that is found out."""
        while True:
            await asyncio.sleep(self._limits.heartbeat.total_seconds())
            await outlet.room()
            outlet.say(_KEEP_ALIVE)

    def _told(self, failed: Exception) -> GraphQLFormattedError:
        """Why it ends, and from where to resume."""
        told = formatted(failed.error) if isinstance(failed, Ending) else _public(failed)
        if self._mark.sent is not None:
            told["extensions"]["cursor"] = str(self._mark.sent)
        return told


def _public(error: Exception) -> GraphQLFormattedError:
    return public_error(GraphQLError(str(error), original_error=error)).formatted


async def _gone(receive: Receive) -> None:
    """Wait until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _next(result: Mapping[str, Sequence[GraphQLFormattedError]]) -> bytes:
    return b"event: next\ndata: %b\n\n" % orjson.dumps(result)
