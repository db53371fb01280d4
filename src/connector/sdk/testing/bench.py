"""Where one check runs: an adapter, its sandbox and the wire between them, all new."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

from connector.model.records import Record
from connector.model.refs import SourceRef
from connector.sdk.adapter import Adapter, Batch, Cursor, Deferred, Pulls, Stream, capabilities
from connector.sdk.client import SourceClient, secrets_of
from connector.sdk.config import AdapterConfig
from connector.sdk.connection import NO_SERVER, read_config
from connector.sdk.registry import AdapterType, load_adapter
from connector.sdk.testing.connected import MovableClock
from connector.sdk.testing.contract import Contract
from connector.sdk.testing.faults import Wire
from connector.sdk.testing.sandbox import NotApplicable, Sandbox

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""When all checks take place."""
MOST_BATCHES = 5_000
"""A pull that yields more batches than this from a sandbox does not end."""

ErrorT = TypeVar("ErrorT", bound=BaseException)


class Broken(AssertionError):  # noqa: N818 - named by what is wrong
    """The adapter does not keep the contract. The text: what, where, why, what to do."""


def require(holds: bool, message: str) -> None:
    """Refuse what breaks the contract. Raises Broken."""
    if not holds:
        raise Broken(message)


@dataclass
class Rig:
    """An adapter with its sandbox. wire: None when the adapter talks to no server."""

    adapter_type: AdapterType
    sandbox: Sandbox
    clock: MovableClock
    config: AdapterConfig
    wire: Wire | None
    _clients: list[SourceClient] = field(default_factory=list)

    def adapter(self, config: AdapterConfig | None = None, *, clock: MovableClock | None = None) -> Adapter[Any]:
        """A new instance that shares nothing with earlier ones. Its client tries each request once.

        clock: of the hub, where it is another than the system's.
        """
        config, clock = config or self.config, clock or self.clock
        client = SourceClient(
            config.server() or NO_SERVER,
            headers=config.headers(),
            timeout=config.timeout,
            max_concurrency=config.max_concurrency,
            attempts=1,
            secrets=secrets_of(config),
            transport=self.wire,
            now=clock.now,
        )
        self._clients.append(client)
        return self.adapter_type(config, client, clock)

    def server(self) -> Wire:
        """The wire. Raises NotApplicable when the adapter talks to no server."""
        if self.wire is None:
            raise NotApplicable("the adapter talks to no server")
        return self.wire

    def sent(self) -> int:
        """Requests sent so far."""
        return len(self.wire.requests) if self.wire else 0

    async def aclose(self) -> None:
        """Close all clients and the sandbox."""
        for client in self._clients:
            await client.aclose()
        self.sandbox.close()


@dataclass
class Bench:
    """What a check gets. notes: what it left out and why, shown beside a pass. loaded: the adapter's class."""

    contract: Contract
    loaded: AdapterType | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def adapter_type(self) -> AdapterType:
        """The adapter's class. Raises ConfigError when it cannot be loaded."""
        if self.loaded is None:
            self.loaded = load_adapter(self.contract.adapter)
        return self.loaded

    def has(self, capability: str) -> bool:
        """Whether the adapter's class implements the protocol of this name."""
        return capability in capabilities(self.adapter_type)

    def streams(self) -> tuple[Stream, ...]:
        """What the adapter pulls."""
        if not self.has("Pulls"):
            return ()
        return cast("type[Pulls]", self.adapter_type).streams()

    @asynccontextmanager
    async def rig(self) -> AsyncIterator[Rig]:
        """A new adapter and a new, empty sandbox."""
        clock = MovableClock(NOW)
        sandbox = self.contract.sandbox(clock)
        app = sandbox.app()
        rig = Rig(
            adapter_type=self.adapter_type,
            sandbox=sandbox,
            clock=clock,
            config=read_config("contract", self.adapter_type, sandbox.settings()),
            wire=Wire(app) if app is not None else None,
        )
        try:
            yield rig
        finally:
            await rig.aclose()

    async def each_stream(self, body: Callable[[Rig, Stream], Awaitable[None]]) -> None:
        """Run `body` for every stream, each with a new rig; what is not applicable to all is so for the check."""
        cases: list[tuple[str, Callable[[Rig], Awaitable[None]]]] = [
            (f"stream {stream.name!r}", _bound(body, stream)) for stream in self.streams()
        ]
        await self.each(cases)

    async def each(self, cases: Sequence[tuple[str, Callable[[Rig], Awaitable[None]]]]) -> None:
        """Run named cases, each with a new rig; what is not applicable to all of them is so for the check."""
        require(bool(cases), "the adapter has the capability and nothing to use it on: streams() is empty")
        missing: list[str] = []
        for name, body in cases:
            try:
                async with self.rig() as rig:
                    await body(rig)
            except NotApplicable as absent:
                missing.append(f"{name}: {absent.reason}")
            except Broken as broken:
                raise Broken(f"{name}: {broken}") from broken
        if len(missing) == len(cases):
            raise NotApplicable(_shortened(missing))
        self.notes.extend(missing)


def _bound(body: Callable[[Rig, Stream], Awaitable[None]], stream: Stream) -> Callable[[Rig], Awaitable[None]]:
    async def run(rig: Rig) -> None:
        await body(rig, stream)

    return run


def _shortened(reasons: Sequence[str]) -> str:
    """One reason that holds for every case is said once."""
    texts = {reason.split(": ", 1)[1] for reason in reasons}
    return texts.pop() if len(texts) == 1 else "; ".join(reasons)


async def pull(adapter: Adapter[Any], stream: Stream, since: Cursor | None = None) -> list[Batch]:
    """Every batch of one pull."""
    batches: list[Batch] = []
    async for batch in puller(adapter).pull(stream, since):
        batches.append(batch)
        require(len(batches) <= MOST_BATCHES, f"the pull does not end: it yielded {MOST_BATCHES} batches")
    return batches


def end_of(batches: Sequence[Batch]) -> Cursor | None:
    """Where the next pull begins. Raises Broken when the pull said nothing at all."""
    require(bool(batches), "a pull yields no batch: where there is nothing new, yield an empty one with its resume")
    return batches[-1].resume


def puller(adapter: Adapter[Any]) -> Puller:
    """The adapter as what can be pulled from."""
    if not isinstance(adapter, Pulls):
        raise NotApplicable("the adapter does not pull")
    return Puller(adapter)


class Puller:
    """An adapter of whose batches every deferred record is made: what is checked is what it says in the end."""

    def __init__(self, adapter: Pulls) -> None:
        self._adapter = adapter

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncGenerator[Batch, None]:
        """The adapter's batches; a page is asked for when it is wanted."""
        batches = self._adapter.pull(stream, since)
        try:
            async for batch in batches:
                yield batch.made()
        finally:
            if isinstance(batches, AsyncGenerator):
                await batches.aclose()


def records_of(batches: Sequence[Batch]) -> dict[SourceRef, Record]:
    """The last record of each thing."""
    return {record.ref: record for batch in batches for record in batch.records if not isinstance(record, Deferred)}


def sparse(stream: Stream) -> timedelta:
    """A distance between two changes at which the overlap after one does not reach the other."""
    return stream.overlap + timedelta(minutes=1)


def listed(refs: Mapping[SourceRef, object] | Sequence[SourceRef] | set[SourceRef]) -> str:
    """Some references, for a message."""
    names = sorted(str(ref) for ref in refs)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


async def raised_by(work: Awaitable[object], *expected: type[ErrorT], when: str) -> ErrorT:
    """The error that the work ends with. Raises Broken when it is of another class, or there is none."""
    names = " or ".join(kind.__name__ for kind in expected)
    try:
        result = await work
    except (NotApplicable, Broken):
        raise
    except Exception as error:
        if type(error) in expected:
            return cast("ErrorT", error)
        raise Broken(f"{when} it raises {type(error).__name__} ({error}) where {names} is right") from error
    raise Broken(f"{when} it returns {str(result)[:200]!r} where {names} is right")


@contextmanager
def sleeps_seen() -> Iterator[list[float]]:
    """Seconds of each sleep that is asked for within the block, which is then none in truth. The list may be emptied.

    Tasks and threads (`asyncio.to_thread`) that are started within belong to it. What else runs in this process, such
    as a thread of a library, sleeps as ever and is not told of.
    """
    seen: list[float] = []
    within: ContextVar[bool] = ContextVar("within", default=False)
    real_async, real_sync = asyncio.sleep, time.sleep

    async def asleep(delay: float, result: object = None) -> object:
        if not within.get():
            return await real_async(delay, result)
        if delay > 0:
            seen.append(delay)
        return await real_async(0, result)

    def sleep(delay: float) -> None:
        if within.get():
            seen.append(delay)
        else:
            real_sync(delay)

    instead = ((real_async, asleep), (real_sync, sleep))
    _replace(instead)
    token = within.set(True)
    try:
        yield seen
    finally:
        within.reset(token)
        _replace(tuple((stand_in, real) for real, stand_in in instead))  # also where it was imported meanwhile


def _replace(changes: tuple[tuple[object, object], ...]) -> None:
    """Put one thing in the place of another in all modules, which takes as long as some requests."""
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", {})
        for name, value in list(names.items()):
            for old, new in changes:
                if value is old:
                    names[name] = new
