"""An adapter and its sandbox, where each answer that a description documents stands in once for the sandbox's own."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import httpx

from connector.sdk import (
    AdapterError,
    AuthError,
    Batch,
    ConfigError,
    Conflict,
    Invalid,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Transient,
    UnexpectedResponse,
)
from connector.sdk.testing import Between, Connected, MovableClock, Sandbox
from tests.clients.answers.documented import LEAST, Answer, Description, Operation

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
READ = "read"
CLASSES: Mapping[int, tuple[type[AdapterError], ...]] = {
    400: (Invalid,), 401: (AuthError,), 402: (ConfigError,), 403: (AuthError,), 404: (NotFound,), 409: (Conflict,),
    410: (NotFound,), 412: (Conflict,), 413: (Invalid,), 422: (Invalid,), 424: (Invalid,), 429: (RateLimited,),
}  # fmt: skip
"""What an answer of each status is for the hub; whatever else is 500 and above may leave a write's outcome unknown."""


@dataclass
class Trial:
    """One run of a step. body: the documented answer that is being tried; None in the run that only looks."""

    adapter: Any
    sandbox: Any
    clock: MovableClock
    body: Any = None


class Step(Protocol):
    """Something that the hub has an adapter do."""

    __name__: str

    def __call__(self, trial: Trial) -> Awaitable[object]: ...


@dataclass
class Found:
    """What became of all answers. asked: operations that were. undescribed: requests that no description has.

    departures: `step: METHOD path status`, of successes with the name of the answer -> what became of it, where that
    is not what is due. tried: how many answers were.
    """

    asked: set[str] = field(default_factory=set)
    undescribed: set[str] = field(default_factory=set)
    departures: dict[str, str] = field(default_factory=dict)
    tried: int = 0

    def note(self, step: str, operation: Operation, answer: Answer, outcome: AdapterError | str) -> None:
        """What became of an answer."""
        self.tried += 1
        if _is_right(answer, outcome):
            return
        place = f"{step}: {operation} {answer.status}"
        if answer.status < 300:
            said = outcome if isinstance(outcome, str) else f"{type(outcome).__name__}: {outcome.message}"
            kind = answer.name.split()[0]
            if self.departures.get(f"{place} {kind}") != said:  # of a schema's instances with one fate the first
                self.departures[f"{place} {answer.name}"] = said
        else:
            said = outcome if isinstance(outcome, str) else type(outcome).__name__
            self.departures[place] = " or ".join(sorted({said, self.departures.get(place, said)}))


MOST_BATCHES = 3


async def begun(batches: AsyncGenerator[Batch, None]) -> list[Batch]:
    """The first batches of a pull: a documented page that names a next one is its own next one, for ever."""
    read: list[Batch] = []
    async with aclosing(batches):
        async for batch in batches:
            read.append(batch)
            if len(read) == MOST_BATCHES:
                break
    return read


async def tried(
    name: str, sandbox: Callable[[MovableClock], Sandbox], steps: Sequence[Step], descriptions: Sequence[Description],
    *, once: Collection[str] = (), **settings: object,
) -> Found:  # fmt: skip
    """Run each step with each documented answer of each operation that it asks for.

    once: operations whose answers are tried in the first step alone, since all others ask for them as well.
    """
    found = Found()

    def meant(request: httpx.Request) -> Operation | None:
        path = request.url.raw_path.decode().partition("?")[0]
        return next((op for each in descriptions if (op := each.operation(request.method, path))), None)

    async def run(step: Step, wire: Between, body: Any = None) -> object:
        clock = MovableClock(NOON)
        system = sandbox(clock)
        async with Connected.to(name, system, clock, wire, **settings) as source:
            return await step(Trial(source.adapter, system, clock, body))

    for step in steps:
        wire = Between()
        await run(step, wire)
        asked = {f"{each.method} {each.url.path}": meant(each) for each in wire.requests}
        found.undescribed |= {place for place, operation in asked.items() if operation is None}
        for operation in dict.fromkeys(each for each in asked.values() if each is not None):
            if str(operation) in once and str(operation) in found.asked:
                continue
            found.asked.add(str(operation))
            for answer in operation.answers:
                wire = Between(change=_standing_in(operation, answer, meant))
                found.note(step.__name__, operation, answer, await _outcome(run(step, wire, answer.body)))
    return found


def _standing_in(
    operation: Operation, answer: Answer, meant: Callable[[httpx.Request], Operation | None]
) -> Callable[[httpx.Request], httpx.Response | None]:
    def change(request: httpx.Request) -> httpx.Response | None:
        if meant(request) != operation:
            return None
        content = b"" if answer.body is None else json.dumps(answer.body, default=str).encode()
        return httpx.Response(answer.status, content=content, headers={"content-type": "application/json"})

    return change


async def _outcome(run: Awaitable[object]) -> AdapterError | str:
    """READ, or what the adapter raised or put aside. Whatever is no AdapterError is a mistake of the adapter's."""
    try:
        result = await run
    except AdapterError as error:
        return error
    batches = [each for each in result if isinstance(each, Batch)] if isinstance(result, list) else []
    put_aside = [each.reason for batch in batches for each in batch.rejected]
    return f"Rejected: {put_aside[0]}" if put_aside else READ


def _is_right(answer: Answer, outcome: AdapterError | str) -> bool:
    if answer.status < 300:
        return outcome == READ or (answer.name == LEAST and isinstance(outcome, UnexpectedResponse))
    due = CLASSES.get(answer.status, (Transient, OutcomeUnknown))
    return isinstance(outcome, due)
