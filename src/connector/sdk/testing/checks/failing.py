"""Systems that fail: checks 23 to 26. The hub decides by the class of an error alone, so that it must be right."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

from connector.model.records import Tombstone
from connector.model.refs import SourceRef
from connector.sdk.adapter import Adapter, Batch, Fetches, Ships, Stream
from connector.sdk.errors import (
    AdapterError,
    AuthError,
    Conflict,
    OutcomeUnknown,
    RateLimited,
    Transient,
    UnexpectedResponse,
)
from connector.sdk.operations import BuyLabel, Parcel
from connector.sdk.testing.bench import NOW, Bench, Broken, Rig, puller, raised_by, require, sleeps_seen, sparse
from connector.sdk.testing.check import Check, check
from connector.sdk.testing.checks.pulling import seed
from connector.sdk.testing.faults import Fault, answers, html_page, oversized, refused, silence, truncated
from connector.sdk.testing.operating import kinds_of, perform
from connector.sdk.testing.sandbox import NotApplicable

MOST_REQUESTS = 6
"""Requests of one call that are broken in turn; those after it are of the same kind."""
SERVER_ERRORS = (500, 502, 503, 504)

Read = tuple[str, Callable[[Adapter[Any]], Awaitable[object]]]


async def reads(bench: Bench, rig: Rig) -> list[Read]:
    """Every call of the adapter that changes nothing over there, with something to read."""
    calls: list[Read] = [("check()", lambda adapter: adapter.check())]
    for stream in bench.streams():
        try:
            refs = seed(rig, stream, rig.sandbox.page_size(stream.name) + 1, step=sparse(stream))
        except NotApplicable:
            continue
        calls.append((f"pull of {stream.name!r}", partial(_drain, stream)))
        if bench.has("Fetches") and stream.record is not Tombstone:
            calls.append((f"fetch({refs[0]})", partial(_fetch, refs[0])))
    if bench.has("Ships"):
        operation = rig.sandbox.operation(BuyLabel, "contract-quote")
        if isinstance(operation, BuyLabel):
            calls.append(("quote()", partial(_quote, operation.parcel)))
    return calls


async def _drain(stream: Stream, adapter: Adapter[Any]) -> list[Batch]:
    return [batch async for batch in puller(adapter).pull(stream, None)]


async def _fetch(ref: SourceRef, adapter: Adapter[Any]) -> object:
    return await adapter.fetch(ref) if isinstance(adapter, Fetches) else None


async def _quote(parcel: Parcel, adapter: Adapter[Any]) -> object:
    return await adapter.quote(parcel) if isinstance(adapter, Ships) else None


async def each_broken_read(
    bench: Bench, faults: list[Fault], judge: Callable[[Fault, Awaitable[object], str], Awaitable[None]]
) -> None:
    """Break each request of each read by each fault, and have the outcome judged."""
    async with bench.rig() as rig:
        wire = rig.server()
        for name, call in await reads(bench, rig):
            wire.heal()
            before = len(wire.requests)
            await call(rig.adapter())
            needed = len(wire.requests) - before
            for fault in faults:
                for request in range(1, min(needed, MOST_REQUESTS) + 1):
                    wire.fail(fault, request=request)
                    await judge(fault, call(rig.adapter()), f"when request {request} of {name} meets {fault.name}")


@check(23, "429 with seconds, with an HTTP date, without a header")
async def rate_limits(bench: Bench) -> None:
    """The hub waits exactly as long as the system asks."""
    date = format_datetime(NOW + timedelta(seconds=90), usegmt=True)
    cases: list[tuple[dict[str, str], timedelta | None, str]] = [
        ({"retry-after": "17"}, timedelta(seconds=17), "Retry-After: 17"),
        ({"retry-after": date}, timedelta(seconds=90), f"Retry-After: {date}"),
        ({}, None, "no Retry-After"),
    ]
    for headers, expected, said in cases:

        async def judge(
            _: Fault, work: Awaitable[object], when: str, expected: timedelta | None = expected, said: str = said
        ) -> None:
            error = await raised_by(work, RateLimited, when=when)
            require(
                error.retry_after == expected,
                f"{when} and {said}, retry_after is {error.retry_after} where {expected} is right",
            )

        await each_broken_read(bench, [answers(429, headers=headers)], judge)


@check(24, "5xx, refused, time-out, truncated, HTML with status 200 -> the right class")
async def failures(bench: Bench) -> None:
    """What may pass is tried again; what is not their API is shown to a person."""

    async def transient(_: Fault, work: Awaitable[object], when: str) -> None:
        await raised_by(work, Transient, when=when)

    async def unexpected(_: Fault, work: Awaitable[object], when: str) -> None:
        await raised_by(work, UnexpectedResponse, when=when)

    passing = [*(answers(status) for status in SERVER_ERRORS), refused(), silence(), truncated()]
    await each_broken_read(bench, passing, transient)
    strange = [html_page(), oversized(), answers(302, headers={"location": "/login"})]
    await each_broken_read(bench, strange, unexpected)
    for kind in kinds_of(bench):
        for fault in (*(answers(status) for status in SERVER_ERRORS), silence()):
            async with bench.rig() as rig:
                try:
                    operation = rig.sandbox.operation(kind, "contract-24")
                except NotApplicable:
                    continue
                rig.server().fail(fault)
                when = f"when {kind.__name__} meets {fault.name}"
                await raised_by(perform(rig.adapter(), operation), OutcomeUnknown, Transient, when=when)


@check(25, "401 in the middle of a pull -> AuthError, asked once more at most", "Pulls")
async def expired_token(bench: Bench) -> None:
    """A source whose token has expired pauses, and keeps what it has pulled."""

    async def body(rig: Rig, stream: Stream) -> None:
        wire = rig.server()
        seed(rig, stream, 3 * rig.sandbox.page_size(stream.name), step=sparse(stream))
        batches = puller(rig.adapter()).pull(stream, None)
        await anext(batches)
        first = len(wire.requests)
        async for _ in batches:
            continue
        if len(wire.requests) == first:
            first = 1  # it asks for everything before the first batch, which is another check's business
        asked = len(wire.requests)
        wire.fail(answers(401), request=first + 1)
        await raised_by(_drain(stream, rig.adapter()), AuthError, when="on a 401 in the middle of a pull")
        tries = len(wire.requests) - asked - first
        require(tries <= 2, f"on a 401 in the middle of a pull it sends {tries} requests, at most 2 are right")

    await bench.each_stream(body)


@check(26, "the adapter tries each request once and never sleeps")
async def no_retries(bench: Bench) -> None:
    """Retrying twice over multiplies the load on a system that is down; a failure that is hidden is a list cut short.

    Seen in pipeshub-ai/pipeshub-ai#3095 (ServiceNow: an error between two pages ended the list, and was a success).
    """

    async def count(rig: Rig, call: Callable[[], Awaitable[object]], request: int, what: str) -> None:
        wire = rig.server()
        before = len(wire.requests)
        wire.fail(answers(503), request=request)
        sleeps.clear()
        try:
            await call()
        except (AdapterError, Conflict):
            pass
        else:
            raise Broken(f"{what} hides a 503 at request {request}: let the error through")
        wire.heal()
        sent = len(wire.requests) - before
        require(
            sent == request,
            f"{what} sends {sent} requests where request {request} fails: leave trying again to the hub",
        )
        require(not sleeps, f"{what} sleeps {sum(sleeps):g} s: leave waiting to the hub")

    with sleeps_seen() as sleeps:
        async with bench.rig() as rig:
            wire = rig.server()
            for name, call in await reads(bench, rig):
                before = len(wire.requests)
                sleeps.clear()
                await call(rig.adapter())
                require(not sleeps, f"{name} sleeps {sum(sleeps):g} s: leave waiting to the hub")
                for request in range(1, min(len(wire.requests) - before, MOST_REQUESTS) + 1):
                    await count(rig, partial(call, rig.adapter()), request, name)
        for kind in kinds_of(bench):
            async with bench.rig() as rig:
                try:
                    operation = rig.sandbox.operation(kind, "contract-26")
                except NotApplicable:
                    continue
                await count(rig, partial(perform, rig.adapter(), operation), 1, kind.__name__)


CHECKS: tuple[Check, ...] = (rate_limits, failures, expired_token, no_retries)
