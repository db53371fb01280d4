"""Pulls that are cut off, repeated, or overtaken by changes: checks 14 to 17."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from connector.model.records import Record
from connector.model.refs import SourceRef
from connector.sdk.adapter import Batch, Cursor, Stream
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
from connector.sdk.testing.checks.pulling import SECOND, require_same, seed
from connector.sdk.testing.sandbox import NotApplicable

LONGEST_CURSOR = 4096
"""Bytes of a cursor, at most."""


@check(14, "restart after every batch gives the same set", "Pulls")
async def restarts(bench: Bench) -> None:
    """A process may end after any batch; the next one has only the cursor, which says no more than what was stored.

    Seen in airbytehq/airbyte#15427, AgentWorkforce/relayhistory#108, moorcheh-ai/memanto#1837.
    """

    async def body(rig: Rig, stream: Stream) -> None:
        refs = seed(rig, stream, 3 * rig.sandbox.page_size(stream.name) + 1, step=SECOND)
        batches = await pull(rig.adapter(), stream)
        if stream.mode == "snapshot" and not any(batch.resume for batch in batches):
            raise NotApplicable("a snapshot has no cursor, it is read again from its beginning")
        _require_cursors(batches)
        for number, batch in enumerate(batches, 1):
            seen = records_of(batches[:number]) | records_of(await pull(rig.adapter(), stream, batch.resume))
            require_same(refs, seen, f"after a restart behind batch {number} of {len(batches)}")
        await _chain(rig, stream, refs, len(batches))

    await bench.each_stream(body)


async def _chain(rig: Rig, stream: Stream, refs: Sequence[SourceRef], usual: int) -> None:
    """Take one batch, stop, start anew from its cursor, until all are seen."""
    most = 3 * usual + 3
    since: Cursor | None = None
    seen: set[SourceRef] = set()
    for _ in range(most):
        batches = puller(rig.adapter()).pull(stream, since)
        async for batch in batches:
            seen |= {record.ref for record in batch.records}
            since = batch.resume
            break
        close = getattr(batches, "aclose", None)
        if close is not None:
            await close()
        if seen >= set(refs):
            return
    require(
        False,
        f"cut off after each batch the pull gets nowhere: {len(set(refs) - seen)} of {len(refs)} are not seen after "
        f"{most} starts. Let only the last batch's cursor go back by the overlap",
    )


def _require_cursors(batches: Sequence[Batch]) -> None:
    for number, batch in enumerate(batches, 1):
        where = f"the cursor of batch {number} of {len(batches)}"
        if batch.resume is None:
            require(False, f"{where} is None: a restart would begin from the start")
            continue
        size = len(batch.resume.encode())
        require(size <= LONGEST_CURSOR, f"{where} has {size} bytes, at most {LONGEST_CURSOR} are kept")
        try:
            json.loads(batch.resume)
        except ValueError:
            require(False, f"{where} is {batch.resume[:40]!r}, which is not JSON: use json.dumps")


@check(15, "nothing new -> nothing but the overlap", "Pulls")
async def nothing_new(bench: Bench) -> None:
    """An idle source costs next to nothing."""

    async def body(rig: Rig, stream: Stream) -> None:
        if stream.mode == "snapshot":
            raise NotApplicable("a snapshot shows everything each time")
        gap = sparse(stream)
        *older, newest = seed(rig, stream, 2 * rig.sandbox.page_size(stream.name) + 1, step=gap)
        since = end_of(await pull(rig.adapter(), stream))
        for run in ("second", "third"):
            batches = await pull(rig.adapter(), stream, since)
            again = set(records_of(batches)) - {newest}
            require(not again, f"a {run} pull yields {len(again)} of {len(older)} old records again: {listed(again)}")
            since = end_of(batches)

    await bench.each_stream(body)


@check(16, "equal times across a page boundary and late commits are not lost", "Pulls")
async def equal_times(bench: Bench) -> None:
    """Many changes share a second, and some become visible after later ones.

    Seen in airbytehq/airbyte#14732, airbytehq/airbyte#85918, openbkn-ai/bkn-foundry#1354; windmill-labs/windmill#10599
    (ServiceNow's sys_updated_on).
    """

    async def body(rig: Rig, stream: Stream) -> None:
        page = rig.sandbox.page_size(stream.name)
        refs = set(seed(rig, stream, 2 * page + 1, step=timedelta(0)))
        batches = await pull(rig.adapter(), stream)
        require_same(refs, records_of(batches), f"of {len(refs)} records with the same time, on pages of {page},")
        if stream.mode == "snapshot":
            return
        await _chain(rig, stream, sorted(refs, key=str), len(batches))
        moment = NOW - timedelta(hours=1)
        late = set(rig.sandbox.seed(stream.name, 1, at=moment, step=timedelta(0)))
        what = "with the time of the last one"
        if stream.overlap:
            late |= set(rig.sandbox.seed(stream.name, 1, at=moment - _half(stream.overlap), step=timedelta(0)))
            what = "with the time of the last one, and half an overlap earlier,"
        found = records_of(await pull(rig.adapter(), stream, end_of(batches)))
        lost = late - set(found)
        require(not lost, f"of records that appear after a pull {what} these are missing: {listed(lost)}")

    await bench.each_stream(body)


def _half(overlap: timedelta) -> timedelta:
    return timedelta(seconds=int(overlap.total_seconds()) // 2)


@check(17, "changes and deletions during a pull lose nothing", "Pulls")
async def moving_source(bench: Bench) -> None:
    """People work while the hub reads; what moves to another page is seen now or next time.

    Seen in davidcelis/api-pagination#60, airbytehq/airbyte#21500.
    """

    async def changed(rig: Rig, stream: Stream) -> None:
        refs = seed(rig, stream, 3 * rig.sandbox.page_size(stream.name), step=sparse(stream))
        batches = puller(rig.adapter()).pull(stream, None)
        begun = await _to_first_record(batches)
        moved = begun[-1].records[0].ref
        before = records_of(begun)[moved]
        rig.sandbox.touch(moved, at=NOW - timedelta(minutes=30))
        rest = [batch async for batch in batches]
        taken = [*begun, *rest]
        _require_whole_snapshot(stream, taken, set(refs), "while a record was changed")
        following = await pull(rig.adapter(), stream, end_of(taken))
        require_same(refs, records_of(taken + following), "of a pull during which a record changed, and the next,")
        _require_change(before, [batch for batch in [*rest, *following] if batch], moved)

    async def removed(rig: Rig, stream: Stream) -> None:
        refs = seed(rig, stream, 3 * rig.sandbox.page_size(stream.name), step=sparse(stream))
        batches = puller(rig.adapter()).pull(stream, None)
        begun = await _to_first_record(batches)
        gone = begun[-1].records[0].ref
        rig.sandbox.delete(gone, at=NOW - timedelta(minutes=30))
        taken = [*begun, *[batch async for batch in batches]]
        stay = set(refs) - {gone}
        _require_whole_snapshot(stream, taken, stay, "while a record was deleted")
        following = await pull(rig.adapter(), stream, end_of(taken))
        lost = stay - set(records_of(taken + following))
        require(not lost, f"a deletion during a pull makes it lose others: {listed(lost)}. Page by key, not by offset")

    await bench.each_stream(changed)
    try:
        await bench.each_stream(removed)
    except NotApplicable as absent:
        bench.notes.append(f"deletions: {absent.reason}")


async def _to_first_record(batches: AsyncIterator[Batch]) -> list[Batch]:
    """The batches up to the first that has a record: one may say only that the pull goes on."""
    begun: list[Batch] = []
    async for batch in batches:
        begun.append(batch)
        if batch.records:
            return begun
    raise Broken("a pull of a source that has records yields none")


def _require_whole_snapshot(stream: Stream, batches: Sequence[Batch], refs: set[SourceRef], when: str) -> None:
    if stream.mode == "snapshot" and batches[-1].complete:
        lost = refs - set(records_of(batches))
        require(not lost, f"a snapshot taken {when} says complete and lacks {listed(lost)}: they would be retired")


def _require_change(before: Record, batches: Sequence[Batch], ref: SourceRef) -> None:
    versions = [record for batch in batches for record in batch.records if record.ref == ref]
    require(
        any(version != before for version in versions),
        f"the change of {ref} during a pull is seen neither now nor next time",
    )


CHECKS: tuple[Check, ...] = (restarts, nothing_new, equal_times, moving_source)
