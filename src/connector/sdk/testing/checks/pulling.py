"""What a pull yields: checks 10 to 13, 18 to 22 and 45."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from pydantic import BaseModel, ValidationError

from connector.model.records import Record, Tombstone
from connector.model.refs import SourceRef
from connector.sdk.adapter import Backfills, Cursor, Fetches, Stream
from connector.sdk.config import AdapterConfig
from connector.sdk.connection import config_problems, read_config
from connector.sdk.errors import AdapterError, UnexpectedResponse
from connector.sdk.testing.bench import (
    NOW,
    Bench,
    Broken,
    Rig,
    end_of,
    listed,
    pull,
    puller,
    records_of,
    require,
    sparse,
)
from connector.sdk.testing.check import Check, check
from connector.sdk.testing.faults import answers
from connector.sdk.testing.sandbox import NotApplicable

SECOND = timedelta(seconds=1)
TRIES = 3
"""Pulls that are stopped early before an open file counts as the adapter's."""
LONG_PAGES = (200, 100, 50)
"""Settings of `page_size` that are tried where a page cannot hold more than a batch."""


def seed(rig: Rig, stream: Stream, count: int, *, step: timedelta) -> tuple[SourceRef, ...]:
    """Objects whose changes lie in the past, `step` apart; the newest changed an hour ago."""
    refs = rig.sandbox.seed(stream.name, count, at=NOW - timedelta(hours=1) - step * (count - 1), step=step)
    if len(set(refs)) != count:
        raise Broken(f"the sandbox was to add {count} objects and names {len(set(refs))}: correct seed()")
    return refs


def require_same(expected: Iterable[SourceRef], found: Iterable[SourceRef], when: str) -> None:
    """Refuse a pull that lost something or made something up. Raises Broken."""
    wanted, got = set(expected), set(found)
    require(not wanted - got, f"{when} these are missing: {listed(wanted - got)}")
    require(not got - wanted, f"{when} it yields what is not there: {listed(got - wanted)}")


@check(10, "yields every record exactly once or more, none missing", "Pulls")
async def every_record(bench: Bench) -> None:
    """Two pages and one more.

    Seen in elastic/connectors#3509 (ServiceNow: the first page is taken for all).
    """

    async def body(rig: Rig, stream: Stream) -> None:
        refs = seed(rig, stream, 2 * rig.sandbox.page_size(stream.name) + 1, step=sparse(stream))
        batches = await pull(rig.adapter(), stream)
        require_same(refs, records_of(batches), "of a full pull")
        wrong = [record for record in records_of(batches).values() if not isinstance(record, stream.record)]
        require(
            not wrong,
            f"it yields {type(wrong[0]).__name__} where {stream.record.__name__} is declared" if wrong else "",
        )

    await bench.each_stream(body)


@check(11, "batches within the limit, pages asked for only when wanted", "Pulls")
async def bounded_memory(bench: Bench) -> None:
    """A million records fit into the memory of one page."""

    async def limit(rig: Rig, stream: Stream) -> None:
        count = max(stream.batch_limit, rig.sandbox.page_size(stream.name)) + 1
        refs = seed(rig, stream, count, step=SECOND)
        batches = await pull(rig.adapter(_with_long_pages(bench, rig, stream)), stream)
        largest = max(len(batch.records) + len(batch.rejected) for batch in batches)
        require(
            largest <= stream.batch_limit,
            f"a batch has {largest} records, the stream's batch_limit is {stream.batch_limit}: yield smaller batches",
        )
        require_same(refs, records_of(batches), f"of a full pull of {count}")

    async def lazy(rig: Rig, stream: Stream) -> None:
        wire = rig.server()
        seed(rig, stream, 4 * rig.sandbox.page_size(stream.name), step=sparse(stream))
        batches = puller(rig.adapter()).pull(stream, None)
        await anext(batches)
        for _ in range(20):
            await asyncio.sleep(0)
        before = len(wire.requests)
        async for _ in batches:
            continue
        after = len(wire.requests) - before
        require(
            after >= 3,
            f"of four pages it asks for {after} after the first batch was taken: ask for a page when it is wanted",
        )

    await bench.each_stream(limit)
    try:
        await bench.each_stream(lazy)
    except NotApplicable as absent:
        bench.notes.append(f"pages: {absent.reason}")


def _with_long_pages(bench: Bench, rig: Rig, stream: Stream) -> AdapterConfig:
    """The settings with pages beyond the batch limit, or as long as they may be: short pages fit into any batch."""
    for size in (stream.batch_limit + 1, *LONG_PAGES):
        settings = {**rig.sandbox.settings(), "page_size": size}
        if size > rig.sandbox.page_size(stream.name) and not config_problems("contract", bench.adapter_type, settings):
            return read_config("contract", bench.adapter_type, settings)
    return rig.config


@check(12, "empty source -> one empty batch with a resume", "Pulls")
async def empty_source(bench: Bench) -> None:
    """Nothing there is an answer, and the next pull goes on from it."""

    async def body(rig: Rig, stream: Stream) -> None:
        seed(rig, stream, 0, step=SECOND)  # says where the system itself has no such list
        batches = await pull(rig.adapter(), stream)
        require(len(batches) == 1, f"an empty source yields {len(batches)} batches where one empty batch is right")
        require(not batches[0].records and not batches[0].rejected, "the batch of an empty source is not empty")
        if stream.mode == "incremental":
            require(batches[0].resume is not None, "the batch of an empty source has no resume")
        else:
            require(batches[0].complete, "the snapshot of an empty source is not complete")

    await bench.each_stream(body)


@check(13, "exact page boundaries", "Pulls")
async def page_boundaries(bench: Bench) -> None:
    """One, a full page, one more, two full pages."""
    for pages, more in ((0, 1), (1, 0), (1, 1), (2, 0)):

        async def body(rig: Rig, stream: Stream, pages: int = pages, more: int = more) -> None:
            page = rig.sandbox.page_size(stream.name)
            refs = seed(rig, stream, pages * page + more, step=sparse(stream))
            found = records_of(await pull(rig.adapter(), stream))
            require_same(refs, found, f"of {len(refs)} records on pages of {page}")

        await bench.each_stream(body)
    bench.notes[:] = list(dict.fromkeys(bench.notes))


@check(45, "reads the past again from an instant on", "Backfills")
async def from_an_instant(bench: Bench) -> None:
    """All that has changed since, and not everything there is."""

    async def body(rig: Rig, stream: Stream) -> None:
        count, step = 2 * rig.sandbox.page_size(stream.name) + 2, sparse(stream)
        refs = seed(rig, stream, count, step=step)
        first = count // 2
        adapter = rig.adapter()
        at = NOW - timedelta(hours=1) - step * (count - 1 - first)
        cursor = cast("Backfills", adapter).cursor_since(stream, at)
        if cursor is None:
            raise NotApplicable("only everything can be asked for")
        batches = await pull(adapter, stream, cursor)
        found = records_of(batches).keys()
        missing = set(refs[first:]) - found
        require(not missing, f"from {at:%H:%M} on these are missing: {listed(missing)}")
        require(refs[0] not in found, f"from {at:%H:%M} on it reads {refs[0]} as well, which changed long before")
        require(not any(batch.complete for batch in batches), "it says that a part of the source is all there is")
        more = pull(rig.adapter(), stream, end_of(batches))
        require(refs[0] not in records_of(await more), "behind it the pull begins again")

    await bench.each_stream(body)


@check(18, "deletion seen; an aborted snapshot is never complete", "Pulls")
async def deletions(bench: Bench) -> None:
    """What is gone there goes here, and nothing else does.

    Seen in elastic/connectors#1822, airbytehq/airbyte#23905; elastic/connectors-ruby#174 (what a 503 hid was deleted).
    """
    absent = await _aborted_snapshots(bench)

    async def body(rig: Rig, stream: Stream) -> None:
        gone, *others = seed(rig, stream, rig.sandbox.page_size(stream.name) + 2, step=sparse(stream))
        cursors: dict[str, Cursor | None] = {}
        for each in bench.streams():
            cursors[each.name] = end_of(await pull(rig.adapter(), each))
        rig.sandbox.delete(gone, at=NOW - timedelta(minutes=30))
        tombstones: set[SourceRef] = set()
        unseen: set[SourceRef] = set()
        for each in bench.streams():
            batches = await pull(rig.adapter(), each, cursors[each.name])
            found = records_of(batches)
            tombstones |= {ref for ref, record in found.items() if isinstance(record, Tombstone)}
            if each.name == stream.name and each.mode == "snapshot" and batches[-1].complete:
                unseen = {gone, *others} - set(found)
        require(
            gone in tombstones | unseen,
            f"the deletion of {gone} is not seen: yield a Tombstone, or a complete snapshot",
        )
        lost = (tombstones | unseen) & set(others)
        require(not lost, f"these are reported as deleted and are not: {listed(lost)}")

    try:
        await bench.each_stream(body)
    except NotApplicable as reason:
        if absent:
            raise
        bench.notes.append(f"deletions: {reason.reason}")


async def _aborted_snapshots(bench: Bench) -> bool:
    """Break a snapshot at each of its requests. True when there is nothing to break."""
    snapshots = [stream for stream in bench.streams() if stream.mode == "snapshot"]
    broken = 0
    for stream in snapshots:
        async with bench.rig() as rig:
            seed(rig, stream, 2 * rig.sandbox.page_size(stream.name) + 1, step=sparse(stream))
            batches = await pull(rig.adapter(), stream)
            early = [n for n, batch in enumerate(batches[:-1], 1) if batch.complete]
            require(
                not early, f"stream {stream.name!r}: batch {early} of {len(batches)} says complete, only the last may"
            )
            require(batches[-1].complete, f"stream {stream.name!r}: a whole snapshot is not complete")
            if rig.wire is None:
                bench.notes.append(f"aborted snapshot of {stream.name!r}: the adapter talks to no server")
                continue
            total = rig.sent()
            for request in range(1, total + 1):
                rig.wire.fail(answers(500), request=request)
                claimed = await _says_complete(rig, stream)
                rig.wire.heal()
                require(
                    not claimed,
                    f"stream {stream.name!r}: a snapshot that broke at request {request} of {total} says complete",
                )
                broken += 1
    return broken == 0


async def _says_complete(rig: Rig, stream: Stream) -> bool:
    """Whether a pull says that it is complete before it fails."""
    try:
        async for batch in puller(rig.adapter()).pull(stream, None):
            if batch.complete:
                return True
    except AdapterError:
        return False
    return False


@check(19, "a malformed record is rejected, the others arrive", "Pulls")
async def malformed_record(bench: Bench) -> None:
    """One bad row does not stop a source."""

    async def body(rig: Rig, stream: Stream) -> None:
        gap = sparse(stream)
        start = NOW - gap * 20
        before = rig.sandbox.seed(stream.name, 2, at=start, step=gap)
        bad = rig.sandbox.seed_malformed(stream.name, at=start + gap * 3)
        after = rig.sandbox.seed(stream.name, 2, at=start + gap * 4, step=gap)
        batches = await pull(rig.adapter(), stream)
        require_same([*before, *after], records_of(batches), "beside a malformed object")
        rejected = [item for batch in batches for item in batch.rejected]
        require(bool(rejected), "a malformed object is dropped: yield it as Rejected, with its raw form and the reason")
        for item in rejected:
            require(bool(item.raw), "a Rejected has no raw form: keep the object as it came")
            require(len(item.reason) >= 10, f"the reason {item.reason!r} does not say what, where and why")
            require(
                bad is None or item.ref in (None, bad), f"the Rejected names {item.ref}, the malformed object is {bad}"
            )
        if bad is not None and isinstance(fetcher := rig.adapter(), Fetches):
            await _require_unread(fetcher, bad)

    await bench.each_stream(body)


async def _require_unread(adapter: Fetches, bad: SourceRef) -> None:
    """Read by itself it cannot be put aside: the hub is told that the answer is not what was expected."""
    try:
        await adapter.fetch(bad)
    except UnexpectedResponse:
        return
    except Exception as error:  # noqa: BLE001 - whatever else it is, is told
        told = f"raises {type(error).__name__}"
    else:
        told = "returns a record"
    require(False, f"fetch of a malformed object {told}: raise UnexpectedResponse, so that it goes to quarantine")


@check(20, "times aware and UTC, values canonical, ids stable over runs", "Pulls")
async def canonical(bench: Bench) -> None:
    """Two runs say the same, and say it in the hub's terms."""

    async def body(rig: Rig, stream: Stream) -> None:
        gap = sparse(stream)
        count = rig.sandbox.page_size(stream.name) + 1
        refs = seed(rig, stream, count, step=gap)
        first = records_of(await pull(rig.adapter(), stream))
        second = records_of(await pull(rig.adapter(), stream))
        require_same(first, second, "of the second of two pulls of the same source")
        changed = [ref for ref in first if first[ref] != second[ref]]
        require(not changed, f"two pulls of the same source differ in {listed(changed)}")
        start = NOW - timedelta(hours=1) - gap * (count - 1)
        for number, ref in enumerate(refs):
            if ref in first:
                _require_canonical(first[ref], start + gap * number, stream)

    await bench.each_stream(body)


def _require_canonical(record: Record, changed_at: datetime, stream: Stream) -> None:
    for path, moment in _times(record):
        require(
            moment.tzinfo is not None and moment.utcoffset() == timedelta(0),
            f"{path} of {record.ref} is {moment.isoformat()}, which is not aware and UTC",
        )
    try:
        type(record).model_validate(record.model_dump())
    except ValidationError as error:
        raise Broken(f"{record.ref} is no valid {type(record).__name__}: {error.errors()[0]['msg']}") from None
    version = record.updated_at
    if version is None:
        require(
            stream.mode == "snapshot", f"{record.ref} has no updated_at: an older record could overwrite a newer one"
        )
    else:
        require(
            abs(version - changed_at) < SECOND,
            f"updated_at of {record.ref} is {version.isoformat()}, the source changed it at {changed_at.isoformat()}: "
            "check the zone in which the source writes times",
        )


def _times(value: object, path: str = "") -> Iterable[tuple[str, datetime]]:
    if isinstance(value, datetime):
        yield path or "a time", value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _times(getattr(value, name), f"{path}/{name}")
    elif isinstance(value, tuple | list):
        for number, item in enumerate(value):
            yield from _times(item, f"{path}/{number}")


@check(21, "an unknown value or field is tolerated or rejected, never a crash", "Pulls")
async def unusual_record(bench: Bench) -> None:
    """Their next release does not stop the source."""

    async def body(rig: Rig, stream: Stream) -> None:
        gap = sparse(stream)
        start = NOW - gap * 10
        others = rig.sandbox.seed(stream.name, 2, at=start, step=gap)
        unusual = rig.sandbox.seed_unusual(stream.name, at=start + gap * 2)
        batches = await pull(rig.adapter(), stream)
        found = set(records_of(batches))
        require_same(others, found - {unusual}, "beside an unusual object")
        rejected = any(batch.rejected for batch in batches)
        require(
            unusual in found or rejected, f"{unusual}, with an unknown field and value, is dropped: yield or reject it"
        )

    await bench.each_stream(body)


@check(22, "stopping early leaves nothing open", "Pulls")
async def early_stop(bench: Bench) -> None:
    """The hub may stop a pull after any batch.

    Other threads of this process open files as well; what an adapter leaves open, it leaves each time.
    """

    async def body(rig: Rig, stream: Stream) -> None:
        seed(rig, stream, 3 * rig.sandbox.page_size(stream.name), step=sparse(stream))
        for _ in range(TRIES):
            still = await _left_open(rig, stream)
            if not still:
                return
        raise Broken(f"still open after aclose(): {', '.join(sorted(still))}")

    await bench.each_stream(body)


async def _left_open(rig: Rig, stream: Stream) -> set[str]:
    """Files that are open after a pull that was stopped early, and were not before it. Raises Broken."""
    adapter = rig.adapter()
    tasks, files = asyncio.all_tasks(), _open_files()
    batches = puller(adapter).pull(stream, None)
    await anext(batches)
    close = getattr(batches, "aclose", None)
    require(close is not None, "pull() returns an iterator without aclose(): write it as an async generator")
    if close is not None:
        await close()
    if rig.wire is not None:
        require(rig.wire.open == 0, f"{rig.wire.open} answers are still open after aclose()")
    left = {task for task in asyncio.all_tasks() - tasks if not task.done()}
    require(not left, f"{len(left)} tasks still run after aclose()")
    return {path for _, path in _open_files() - files}


def _open_files() -> set[tuple[str, str]]:
    """The ordinary files that this process has open, by number and path, where the system tells."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        return set()
    found: set[tuple[str, str]] = set()
    for entry in os.listdir(folder):
        try:
            target = os.readlink(folder / entry)
        except OSError:
            continue
        if target.startswith("/") and not target.startswith(("/dev/", "/proc/")):
            found.add((entry, target))
    return found


CHECKS: tuple[Check, ...] = (
    every_record,
    from_an_instant,
    bounded_memory,
    empty_source,
    page_boundaries,
    deletions,
    malformed_record,
    canonical,
    unusual_record,
    early_stop,
)
