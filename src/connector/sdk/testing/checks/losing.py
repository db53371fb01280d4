"""Losses that other connectors had, checks 46 to 56: each is a case of its own, and says where it was seen.

Where a docstring names `owner/repository#number`, that is a public thread of an issue tracker; the quality table lists
them. Losses that earlier checks stand for name theirs there.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from connector.model.records import Record
from connector.model.refs import SourceRef
from connector.sdk.adapter import Batch, Cursor, Stream
from connector.sdk.ahead import going_on
from connector.sdk.errors import AdapterError
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
from connector.sdk.testing.checks.failing import MOST_REQUESTS
from connector.sdk.testing.checks.pulling import SECOND, require_same, seed
from connector.sdk.testing.connected import MovableClock
from connector.sdk.testing.distortions import EndlessError, capped, emptied, mutations, same_again, with_body
from connector.sdk.testing.night import change_in_the_second_hour, whole_night
from connector.sdk.testing.sandbox import NotApplicable

MOST_MUTATIONS = 120
"""Answers with one wrong value that are tried in place of each request's."""
FURTHER = 100
"""Requests beyond the usual after which a pull is taken for one that does not end."""
MONTH = timedelta(days=30)


@check(46, "a page shorter than asked for is not the end", "Pulls")
async def shorter_pages(bench: Bench) -> None:
    """The system gives half of what was asked for, without a word. An error that says so is right as well.

    Seen in VinzenzKlass/anaplan-sdk#348, snowflakedb/SnowAlert#359.
    """

    async def body(rig: Rig, stream: Stream) -> None:
        if why := rig.sandbox.full_pages(stream.name):
            raise NotApplicable(why)
        page = rig.sandbox.page_size(stream.name)
        refs = seed(rig, stream, 3 * page, step=sparse(stream))
        cap = capped(max(1, page // 2))
        rig.server().fail(cap.fault)
        try:
            batches = await pull(rig.adapter(), stream)
        except AdapterError:
            return
        if not cap.times:
            raise NotApplicable("no request says how many rows it wants")
        require_same(refs, records_of(batches), f"where pages are cut to {max(1, page // 2)} of {page}")

    await bench.each_stream(body)


@check(47, "an empty page is not the end while more follows", "Pulls")
async def empty_page(bench: Bench) -> None:
    """One page has no rows and says that the list goes on. An error that says so is right as well.

    Seen in databricks/databricks-sdk-java#818, googleapis/google-cloud-cpp#11936, googleapis/gax-nodejs#1043.
    """

    async def body(rig: Rig, stream: Stream) -> None:
        wire = rig.server()
        if why := rig.sandbox.last_when_empty(stream.name):
            raise NotApplicable(why)
        page = rig.sandbox.page_size(stream.name)
        refs = set(seed(rig, stream, 4 * page, step=sparse(stream)))
        for request in range(1, min(await _requests(rig, stream), MOST_REQUESTS) + 1):
            empty = emptied()
            wire.fail(empty.fault, request=request, only_once=True)
            try:
                lost = refs - records_of(await pull(rig.adapter(), stream)).keys()
            except AdapterError:
                continue
            finally:
                wire.heal()
            require(
                not empty.times or len(lost) <= max(page, empty.most),
                f"where the answer to request {request} has no rows and says that more follow, {len(lost)} of "
                f"{len(refs)} are missing: go on, or say that the list does not",
            )

    await bench.each_stream(body)


@check(48, "a list that does not go on ends the pull", "Pulls")
async def endless_list(bench: Bench) -> None:
    """The system answers with the same page from then on; the hub ends a pull that repeats itself.

    Seen in airbytehq/airbyte#4284, airbytehq/airbyte#81516, ConductorOne/baton-sdk#107, boto/botocore#3778.
    """

    async def body(rig: Rig, stream: Stream) -> None:
        wire = rig.server()
        seed(rig, stream, 3 * rig.sandbox.page_size(stream.name), step=sparse(stream))
        usual = await _requests(rig, stream)
        for request in range(1, min(usual, MOST_REQUESTS) + 1):
            most = usual + FURTHER
            wire.fail(same_again(most), request=request)
            try:
                async for _ in going_on(puller(rig.adapter()).pull(stream, None), stream.name):
                    continue
            except AdapterError:
                pass
            except EndlessError as error:
                raise Broken(
                    f"where the list does not go on behind request {request} of {usual}, it is asked for {most} times: "
                    "end when an answer brings nothing new"
                ) from error
            finally:
                wire.heal()

    await bench.each_stream(body)


@check(49, "a clock that is wrong, here or there, loses nothing", "Pulls")
async def wrong_clock(bench: Bench) -> None:
    """Ours is two hours fast, then two hours slow; where a pull goes on is told by their times alone.

    Seen in airweave-ai/airweave#839, moorcheh-ai/memanto#1837, airbytehq/airbyte#80152.
    """
    for wrong in (timedelta(hours=2), -timedelta(hours=2)):

        async def body(rig: Rig, stream: Stream, wrong: timedelta = wrong) -> None:
            refs = set(seed(rig, stream, rig.sandbox.page_size(stream.name) + 1, step=sparse(stream)))
            ours = MovableClock(NOW + wrong)
            first = await pull(rig.adapter(clock=ours), stream)
            refs |= set(rig.sandbox.seed(stream.name, 1, at=NOW + timedelta(minutes=5), step=timedelta(0)))
            for clock in (ours, rig.clock):
                clock.advance(timedelta(hours=3))
            second = await pull(rig.adapter(clock=ours), stream, end_of(first))
            how = "fast" if wrong > timedelta(0) else "slow"
            require_same(refs, records_of([*first, *second]), f"of two pulls by a clock that is two hours {how}")

        await bench.each_stream(body)
    bench.notes[:] = list(dict.fromkeys(bench.notes))


@check(50, "the machine's time zone, and the hour that comes twice, change nothing", "Pulls")
async def time_zone(bench: Bench) -> None:
    """The hub runs in Berlin, on the night on which clocks go back.

    Of a system in which two instants have the same time, no time is taken for later than it is, and what changes in the
    second hour is not taken for older than what was told in the first.

    Seen in airbytehq/airbyte#48492, airbytehq/airbyte#79653, airbytehq/airbyte#43953, airbytehq/airbyte#83778.
    """
    with _in_zone("Europe/Berlin"):
        await bench.each_stream(whole_night)
        try:
            await bench.each_stream(change_in_the_second_hour)
        except NotApplicable as absent:
            bench.notes.append(f"a change in the second hour: {absent.reason}")


@check(51, "what a lost webhook told comes with the next pull", "ReceivesWebhooks")
async def lost_webhook(bench: Bench) -> None:
    """An object is made, and later changed; neither webhook arrives.

    Seen in product-os/jellyfish#3840, basecamp/basecamp-local-agent-connector#45,
    microsoft/commercial-marketplace-offer-deploy#349.
    """
    if not bench.streams():
        raise NotApplicable("the adapter does not pull; its system tells by webhooks alone")
    async with bench.rig() as rig:
        ends = {stream: end_of(await pull(rig.adapter(), stream)) for stream in bench.streams()}

        async def next_pull(ref: SourceRef) -> Record | None:
            rig.clock.advance(timedelta(hours=1))
            found: dict[SourceRef, Record] = {}
            for stream in bench.streams():
                batches = await pull(rig.adapter(), stream, ends[stream])
                ends[stream] = end_of(batches)
                found |= records_of(batches)
            return found.get(ref)

        rig.clock.advance(timedelta(minutes=30))
        sent = rig.sandbox.webhook(at=rig.clock.now())
        first = await next_pull(sent.ref)
        require(first is not None, f"{sent.ref}, of which a webhook told that was lost, is not in the next pull")
        rig.clock.advance(timedelta(minutes=30))
        rig.sandbox.webhook(sent.ref, at=rig.clock.now())
        second = await next_pull(sent.ref)
        require(
            second is not None and second != first,
            f"the change of {sent.ref}, of which a webhook told that was lost, is not in the next pull",
        )


@check(52, "changes in another order than that of the identifiers are not lost", "Pulls")
async def any_order(bench: Bench) -> None:
    """Old objects change after new ones, and each batch may be the last that a process takes.

    Seen in airbytehq/airbyte#24808, airbytehq/airbyte#21500.
    """

    async def body(rig: Rig, stream: Stream) -> None:
        count = min(2 * rig.sandbox.page_size(stream.name), 20) + 1
        refs = list(seed(rig, stream, count, step=sparse(stream)))
        random.Random(52).shuffle(refs)  # noqa: S311 - the same order each time, protects nothing
        for number, ref in enumerate(refs):
            rig.sandbox.touch(ref, at=NOW - timedelta(minutes=50) + timedelta(seconds=20) * number)
        batches = await pull(rig.adapter(), stream)
        require_same(refs, records_of(batches), "of objects that changed in another order")
        for number, batch in enumerate(batches, 1):
            if batch.resume is not None:
                rest = await pull(rig.adapter(), stream, batch.resume)
                seen = records_of([*batches[:number], *rest])
                require_same(refs, seen, f"of such objects, after a restart behind batch {number} of {len(batches)}")

    await bench.each_stream(body)


@check(53, "what the overlap reads again says the same", "Pulls")
async def same_overlap(bench: Bench) -> None:
    """The hub tells doubles by what a record says; one that reads otherwise by the way it came is a change each time.

    Seen in airbytehq/airbyte#15158, airbytehq/airbyte#39566.
    """

    async def body(rig: Rig, stream: Stream) -> None:
        seed(rig, stream, rig.sandbox.page_size(stream.name) + 1, step=SECOND)
        batches = await pull(rig.adapter(), stream)
        first, again = records_of(batches), records_of(await pull(rig.adapter(), stream, end_of(batches)))
        other = [ref for ref, record in again.items() if ref in first and record != first[ref]]
        require(not other, f"the overlap says something else of {listed(other)} than the pull before it")

    await bench.each_stream(body)


@check(54, "a snapshot that goes on in its middle is not complete", "Pulls")
async def resumed_snapshot(bench: Bench) -> None:
    """What it did not show was shown before it was broken off, and must not be retired.

    Seen in NangoHQ/integration-templates#644, NangoHQ/integration-templates#649, elastic/connectors-ruby#174.
    """

    async def body(rig: Rig, stream: Stream) -> None:
        refs = set(seed(rig, stream, 2 * rig.sandbox.page_size(stream.name) + 1, step=SECOND))
        batches = await pull(rig.adapter(), stream)
        cursors = [batch.resume for batch in batches[:-1] if batch.resume is not None]
        if not cursors:
            raise NotApplicable("a pull has no middle to go on from")
        for number, cursor in enumerate(cursors, 1):
            rest: list[Batch] = await pull(rig.adapter(), stream, cursor)
            lost = refs - records_of(rest).keys()
            require(
                not lost or not any(batch.complete for batch in rest),
                f"gone on behind batch {number}, it says complete and has not shown {listed(lost)}",
            )

    await bench.each_stream(body)


@check(55, "whatever a value of an answer is, nothing crashes", "Pulls")
async def any_value(bench: Bench) -> None:
    """Each value in turn is null, of another type, half a character, a time without zone, or missing.

    Seen in mozilla/application-services#5457, microsoft/coe-starter-kit#8783: one null ended each sync.
    """

    async def body(rig: Rig, stream: Stream) -> None:
        wire = rig.server()
        seed(rig, stream, 2, step=sparse(stream))
        for request in range(1, min(await _requests(rig, stream), MOST_REQUESTS) + 1):
            told = emptied()  # looks on; nothing is changed before its body is kept
            wire.fail(told.kept, request=request, only_once=True)
            await pull(rig.adapter(), stream)
            wire.forgive()
            for where, content in mutations(told.body, MOST_MUTATIONS):
                wire.fail(with_body(content), request=request, only_once=True)
                try:
                    async for _ in going_on(puller(rig.adapter()).pull(stream, None), stream.name):
                        continue
                except AdapterError:
                    continue
                except Broken:
                    raise
                except Exception as error:
                    raise Broken(
                        f"where {where} of the answer to request {request}, it raises {type(error).__name__} "
                        f"({error}): reject the record, or raise UnexpectedResponse"
                    ) from error
                finally:
                    wire.heal()

    await bench.each_stream(body)


@check(56, "a record from the future hides no later change", "Pulls")
async def from_the_future(bench: Bench) -> None:
    """One object is stamped a month ahead. It is taken, or rejected with its reason; what changes later comes, too.

    An idle source stays cheap meanwhile.

    Seen in laminardb/laminardb#388, singer-io/tap-salesforce#10.
    """

    async def body(rig: Rig, stream: Stream) -> None:
        if why := rig.sandbox.never_ahead(stream.name):
            raise NotApplicable(why)
        hour, still = timedelta(hours=1), timedelta(0)
        seeded = seed(rig, stream, 2 * rig.sandbox.page_size(stream.name) + 1, step=sparse(stream))
        old = set(seeded) if NOW - hour < NOW - stream.overlap else set(seeded[:-1])
        ahead = rig.sandbox.seed(stream.name, 1, at=NOW + MONTH, step=still)
        first = batches = await pull(rig.adapter(), stream)
        told = {each.ref for batch in first for each in batch.rejected if each.ref in ahead}
        met = {*records_of(first), *filter(None, told)}
        require_same({*seeded, *ahead}, met, "of a pull that meets a record from the future")
        for run in ("second", "third"):
            changed = rig.sandbox.seed(stream.name, 1, at=rig.clock.now() + hour / 2, step=still)
            rig.clock.advance(hour)
            batches = await pull(rig.adapter(), stream, end_of(batches))
            found = set(records_of(batches))
            lost = {*changed} - found
            require(not lost, f"a {run} pull behind a record from the future does not see {listed(lost)}")
        rig.clock.advance(hour)
        idle = records_of(await pull(rig.adapter(), stream, end_of(batches)))
        again = old & idle.keys() if stream.mode == "incremental" else set()
        require(not again, f"an idle pull behind a record from the future reads again {listed(again)}")
        for number, batch in enumerate(first, 1):
            if batch.resume is not None:
                since: Cursor | None = batch.resume
                found = set()
                for _ in range(2):
                    rest = await pull(rig.adapter(), stream, since)
                    found |= records_of(rest).keys()
                    since = end_of(rest)
                lost = {*changed} - found
                require(
                    not lost, f"gone on later behind batch {number}, before a record from the future: {listed(lost)}"
                )

    await bench.each_stream(body)


async def _requests(rig: Rig, stream: Stream) -> int:
    """How many requests a whole pull takes."""
    before = rig.sent()
    await pull(rig.adapter(), stream)
    return rig.sent() - before


@contextmanager
def _in_zone(name: str) -> Iterator[None]:
    """This process lives in a time zone meanwhile. Raises NotApplicable where the system cannot do so."""
    if not hasattr(time, "tzset"):
        raise NotApplicable("this system cannot change the time zone of a process")
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


CHECKS: tuple[Check, ...] = (
    shorter_pages,
    empty_page,
    endless_list,
    wrong_clock,
    time_zone,
    lost_webhook,
    any_order,
    same_overlap,
    resumed_snapshot,
    any_value,
    from_the_future,
)
