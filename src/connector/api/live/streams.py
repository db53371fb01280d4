"""Subscriptions that ask for the same share one stream: each event is executed and written as JSON once for them.

A subscriber is a position. Behind its stream it runs over the log by itself, through the same resolvers, until it is
where the stream's recent events begin; then it gets those, and from then on what the stream gets. Both happen without
letting go of the event loop, so there is no gap and no duplicate between them. One whose queue is full leaves the
stream where it is, and comes back the same way as soon as its client has taken what waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import orjson
import strawberry
from graphql import GraphQLFormattedError
from strawberry.types.execution import ExecutionResult

from connector.api.answers import body_of
from connector.api.context import ApiContext
from connector.api.errors import make_public
from connector.api.feed import Feed, Stretch
from connector.api.live.asked import Asked, Key
from connector.api.live.limits import LiveLimits
from connector.api.live.outlet import Mark, Outlet
from connector.api.live.turn import AT_ONCE, Turn
from connector.model.principals import Principal
from connector.storage.query import Together

SHARING: Final = "whoever shares a stream"
"""Name under which an event is made for all who have the same rights: nothing in it is of one of them."""

Rights: TypeAlias = tuple[Key, frozenset[str], frozenset[str] | None, str]
"""What is asked for, roles and regions of who asks, and the address under which the hub is reached."""


class Refused(Exception):  # noqa: N818 - says what is so
    """A subscription cannot be run, or no longer. errors: as the client sees them."""

    def __init__(self, errors: Sequence[GraphQLFormattedError]) -> None:
        super().__init__(*(error["message"] for error in errors))
        self.errors = errors


class _Subscriber:
    """A client's subscription in a stream. left: done as soon as it is in the stream no more."""

    def __init__(self, outlet: Outlet, mark: Mark, position: int) -> None:
        self.outlet = outlet
        self.mark = mark
        self.position = position
        self.left = asyncio.get_running_loop().create_future()

    def offer(self, position: int, text: bytes) -> bool:
        """Send an event unless it was sent; whether there was room for it."""
        if position > self.position:
            if not self.outlet.put(text, self.mark, position):
                return False
            self.position = position
        return True


class _Stream:
    """Events for all that ask for the same. floor: position behind which it has all of them."""

    def __init__(self, start: int, limits: LiveLimits) -> None:
        self.floor = start
        self._limits = limits
        self._recent: deque[tuple[int, bytes]] = deque()
        self._size = 0
        self._subscribers: dict[_Subscriber, None] = {}

    def __len__(self) -> int:
        return len(self._subscribers)

    def join(self, subscriber: _Subscriber) -> None:
        """Send what it has not had yet, and what comes."""
        if all(subscriber.offer(position, text) for position, text in self._recent):
            self._subscribers[subscriber] = None
        else:
            subscriber.left.set_result(None)

    def leave(self, subscriber: _Subscriber) -> None:
        """Send it nothing more."""
        self._subscribers.pop(subscriber, None)

    async def emit(self, position: int, text: bytes) -> None:
        """Send an event to all; whoever joins meanwhile has it from the recent ones."""
        self._recent.append((position, text))
        self._size += len(text)
        while len(self._recent) > self._limits.recent or self._size > self._limits.recent_size:
            self.floor, gone = self._recent.popleft()
            self._size -= len(gone)
        following = list(self._subscribers)
        for start in range(0, len(following), AT_ONCE):
            if start:
                await asyncio.sleep(0)
            for subscriber in following[start : start + AT_ONCE]:
                if start and subscriber not in self._subscribers:  # it left meanwhile
                    continue
                if not subscriber.offer(position, text):
                    del self._subscribers[subscriber]
                    subscriber.left.set_result(None)

    def fail(self, refused: Refused) -> None:
        """Tell all that there is no more."""
        for subscriber in self._subscribers:
            if not subscriber.left.done():
                subscriber.left.set_exception(refused)
        self._subscribers.clear()


@dataclass(frozen=True, slots=True)
class Following:
    """A subscription of a client. context: who asks. outlet, mark: where its events go. start: instead of `after`."""

    asked: Asked
    context: ApiContext
    outlet: Outlet
    mark: Mark
    start: int | None = None

    @property
    def rights(self) -> Rights:
        """The same for all that share a stream."""
        who = self.context.principal
        return self.asked.key, who.roles, who.regions, self.context.public_url


class Streams:
    """All streams of this process. context: makes the surroundings of an operation. turn: of what it sends."""

    def __init__(
        self, schema: strawberry.Schema, feed: Feed, context: Callable[[], ApiContext], limits: LiveLimits
    ) -> None:
        self._schema = schema
        self._feed = feed
        self._context = context
        self._limits = limits
        self.turn = Turn()
        surroundings = context()
        self._together = Together(surroundings.engine, surroundings.limits.longest_query)
        self._streams: dict[Rights, _Stream] = {}
        self._pumps: dict[_Stream, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._followed = 0
        self._connected = 0
        self._nobody = asyncio.Event()
        self._nobody.set()
        self.is_stopping = asyncio.Event()

    def __len__(self) -> int:
        return len(self._streams)

    @property
    def subscribers(self) -> int:
        """How many subscriptions are being followed."""
        return self._followed

    async def follow(self, following: Following) -> None:
        """Send the events of a subscription until it is cancelled. Raises Refused."""
        follows = following.asked.has_after or following.start is not None
        position = None if follows else await self._feed.now()
        if position is not None:
            following.mark.begin(position)
        self._followed += 1
        try:
            while True:
                if position is None or not self._is_near(following, position):
                    position = await self._catch_up(following, position)
                    continue
                position = await self._share(following, position)
                await following.outlet.room()
        finally:
            self._followed -= 1

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Around a connection that is to be told when the hub stops."""
        self._connected += 1
        self._nobody.clear()
        try:
            yield
        finally:
            self._connected -= 1
            if not self._connected:
                self._nobody.set()

    async def dismiss(self, patience: float) -> None:
        """Have everybody told that the hub is stopping. patience: seconds to wait until they are."""
        self.is_stopping.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._nobody.wait()

    async def stop(self) -> None:
        """End all streams; whatever answers with one ends when `is_stopping` is set."""
        self.is_stopping.set()
        for stream in list(self._pumps):
            self._end(stream)
        for task in list(self._ending):
            with suppress(asyncio.CancelledError):
                await task
        await self._together.aclose()

    def _is_near(self, following: Following, position: int) -> bool:
        """Whether what follows a position is, or can become, a stream's affair."""
        stream = self._streams.get(following.rights)
        return position >= (stream.floor if stream else self._feed.floor)

    async def _catch_up(self, following: Following, position: int | None) -> int:
        """Send what happened up to now, for this one alone; the position that it is at then."""

        async def tell(text: bytes) -> None:
            following.mark.begin(stretch.begun_at or 0)
            await following.outlet.room()
            while not following.outlet.put(text, following.mark, stretch.position):
                await following.outlet.room()

        start = following.start if position is None else position
        stretch = Stretch(start, await self._feed.now(), self._together, tell)
        results = await self._run(following, following.context.principal, stretch)
        async with aclosing(results):
            async for result in results:
                await tell(_text_of(result, stretch))
        following.mark.begin(stretch.begun_at or 0)
        return max(stretch.position, stretch.until or 0)

    async def _share(self, following: Following, position: int) -> int:
        """Be in the stream; the position at which it was left. Raises Refused."""
        rights = following.rights
        stream = self._streams.get(rights)
        if stream is None:
            stream = self._streams[rights] = _Stream(position, self._limits)
            self._pumps[stream] = asyncio.create_task(self._pump(stream, following), name="stream")
        subscriber = _Subscriber(following.outlet, following.mark, position)
        stream.join(subscriber)
        try:
            await subscriber.left
        finally:
            stream.leave(subscriber)
            if not stream and self._streams.get(rights) is stream:
                del self._streams[rights]
                self._end(stream)
        return subscriber.position

    async def _pump(self, stream: _Stream, following: Following) -> None:
        """Run the subscription for all who ask for it."""

        async def tell(text: bytes) -> None:
            await stream.emit(stretch.position, text)

        stretch = Stretch(stream.floor, together=self._together, tell=tell)
        try:
            results = await self._run(following, replace(following.context.principal, name=SHARING), stretch)
            async with aclosing(results):
                async for result in results:
                    await tell(_text_of(result, stretch))
            stream.fail(Refused([{"message": "the subscription has ended", "extensions": {"code": "UNAVAILABLE"}}]))
        except Refused as refused:
            stream.fail(refused)
        finally:
            self._streams = {rights: other for rights, other in self._streams.items() if other is not stream}
            self._pumps.pop(stream, None)

    async def _run(self, following: Following, principal: Principal, stretch: Stretch) -> Any:
        context = replace(
            self._context(), principal=principal, public_url=following.context.public_url, stretch=stretch
        )
        asked = following.asked.request
        return await self._schema.stream(
            asked.query,
            variable_values=asked.variables,
            context_value=context,
            operation_name=asked.operation_name,
            operation_extensions=asked.extensions,
        )

    def _end(self, stream: _Stream) -> None:
        task = self._pumps.pop(stream, None)
        if task is not None:
            task.cancel()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)


def _text_of(result: Any, stretch: Stretch) -> bytes:
    """The JSON of an event. Raises Refused when it is none, but says why there is none."""
    make_public(result)
    if not isinstance(result, ExecutionResult):
        raise TypeError(f"{type(result).__name__} is no event")
    if result.data is None and (stretch.begun_at is None or not any(error.path for error in result.errors or ())):
        raise Refused([error.formatted for error in result.errors or ()])
    return orjson.dumps(body_of(result))
