"""Reads a list from its beginning to its end, as the document says that it can be read, without losing a row.

Rows move between pages while people work. Lists that are paged by offset begin each page with the last row of the page
before, so that a move is seen. Lists that are paged by number or by link are read twice where it matters, unless the
document says that they are steady: only what two readings agree on is complete.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from connector.sdk import (
    Batch,
    Cursor,
    InvalidRecord,
    Record,
    Rejected,
    SourceRef,
    Tombstone,
    Transient,
    UnexpectedResponse,
)
from connector.sdk.facts import RowReader, Spelling, raw_row
from connector.sdk.facts.times import EARLIEST_ASKED
from connector_rest.client import ListFacts, Page, RestClient, Token, row_key
from connector_rest.cursor import Progress, read_cursor, write_cursor
from connector_rest.definition import Changes, StreamFacts

BATCH_LIMIT = 500
MOST_READINGS = 5
"""Readings of rows that move all the time before the pull is put off."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """What the rows of one page say. is_known: every row at least says who it is about."""

    records: tuple[Record, ...]
    rejected: tuple[Rejected, ...]
    times: tuple[datetime, ...]
    is_known: bool

    def batches(self, *, resume: Cursor | None, complete: bool = False) -> list[Batch]:
        """The page in batches that are not too large; the last has the cursor and the word `complete`."""
        items: list[Record | Rejected] = [*self.records, *self.rejected]
        parts = [items[start : start + BATCH_LIMIT] for start in range(0, len(items), BATCH_LIMIT)] or [[]]
        made = [
            Batch(
                records=tuple(item for item in part if not isinstance(item, Rejected)),
                rejected=tuple(item for item in part if isinstance(item, Rejected)),
            )
            for part in parts
        ]
        made[-1] = replace(made[-1], resume=resume, complete=complete)
        return made


class StreamWalk:
    """One pull of one stream."""

    def __init__(
        self, client: RestClient, name: str, facts: StreamFacts, reader: RowReader, asked: Spelling, *, now: datetime,
        max_pages: int,
    ) -> None:  # fmt: skip
        self._client = client
        self._facts = facts
        self._reader = reader
        self._asked = asked
        self._now = now
        self._max_pages = max_pages
        self._operation = f"pull {name}"

    async def snapshot(self) -> AsyncGenerator[Batch, None]:
        """Everything there is."""
        page, marks, is_calm, is_known = await self._page(None, None), [], True, True
        while True:
            marks.append(self._mark(page.rows))
            is_calm = is_calm and not page.has_moved
            mapped = self.map(page.rows)
            is_known = is_known and mapped.is_known
            if page.next is None:
                break
            if len(marks) >= self._max_pages:
                raise self._endless()
            for batch in mapped.batches(resume=None):
                yield batch
            page = await self._page(None, page.next)
        wants = self._facts.complete and is_calm and is_known
        whole = wants and (self._facts.pages.is_steady or self._anchored or await self._same_again(None, marks))
        for batch in mapped.batches(resume=None, complete=whole):
            yield batch

    async def changes(self, changes: Changes, since: Cursor | None) -> AsyncGenerator[Batch, None]:
        """What changed, in the order of its time: each page asks by the time of the last row of the page before.

        Only rows that share one instant are walked page by page. A batch in the midst of those, in a list that is not
        steady, has the cursor of their beginning.
        """
        progress = read_cursor(since).begin(self._now, changes.overlap)
        run: list[str] = []
        readings = pages = 0
        while True:
            page = await self._page(self._time(changes, progress.at), progress.token)
            pages += 1
            if page.has_moved:
                readings = self._once_more(readings)
                progress, run = replace(progress, token=None), []
                continue
            mapped = self.map(page.rows)
            self._require_order(mapped.times)
            progress = replace(progress, latest=_latest(progress, mapped.times))
            run.append(self._mark(self._same_instant(page.rows, changes, progress.at)))
            last = mapped.times[-1] if mapped.times else None
            following = page.next
            leaves = following is None or self._is_later(changes, last, progress.at)
            if leaves and len(run) > 1 and not self._settles and not await self._same_run(changes, progress.at, run):
                readings = self._once_more(readings)
                progress, run, following, leaves = replace(progress, token=None), [], {}, False
            elif leaves and following is not None:
                progress, run, readings = replace(progress, at=last, token=None), [], 0
            elif following is not None:
                progress = replace(progress, token=following)
            if following is None:
                for batch in mapped.batches(resume=write_cursor(progress.finish(changes.overlap))):
                    yield batch
                return
            kept = progress if leaves or self._settles else replace(progress, token=None)
            for batch in mapped.batches(resume=write_cursor(kept)):
                yield batch
            if pages >= self._max_pages:
                return  # the next pull goes on from here

    async def unsorted_changes(self, changes: Changes, since: Cursor | None) -> AsyncGenerator[Batch, None]:
        """What changed, of a list in no known order: a pull that is cut off, or in which rows move, begins anew."""
        start = read_cursor(since)
        progress = start.begin(self._now, changes.overlap)
        page, marks, is_calm = await self._page(self._time(changes, progress.at), None), [], True
        while True:
            marks.append(self._mark(page.rows))
            is_calm = is_calm and not page.has_moved
            mapped = self.map(page.rows)
            progress = replace(progress, latest=_latest(progress, mapped.times))
            if page.next is None:
                break
            if len(marks) >= self._max_pages:
                raise self._endless()
            for batch in mapped.batches(resume=since):
                yield batch
            page = await self._page(self._time(changes, progress.at), page.next)
        if is_calm and not self._settles:
            is_calm = await self._same_again(self._time(changes, progress.at), marks)
        end = write_cursor(progress.finish(changes.overlap) if is_calm else start)
        for batch in mapped.batches(resume=end):
            yield batch

    async def first_page(self, changes: Changes | None) -> list[Any]:
        """The rows of the first page."""
        return (await self._page(self._time(changes, None) if changes else None, None)).rows

    def map(self, rows: Sequence[Any]) -> Mapped:
        """What the rows of a page say; of two that are alike, one."""
        records: dict[SourceRef, Record] = {}
        rejected: list[Rejected] = []
        times: list[datetime] = []
        is_known = True
        for row in rows:
            made = self._reader.read(row, self._now)
            at = self._time_of(row)
            if at is not None:
                times.append(at)
            if isinstance(made, Rejected):
                is_known = is_known and made.ref is not None
                rejected.append(self._redacted(made))
            elif made is not None:
                twin = records.get(made.ref)
                if twin is not None and twin != made and twin.updated_at == made.updated_at:
                    rejected.append(self._redacted(_second(row, made.ref)))
                elif twin is None or isinstance(made, Tombstone) or _is_newer(made, twin):
                    records[made.ref] = made
        return Mapped(tuple(records.values()), tuple(rejected), tuple(times), is_known)

    def raw(self, row: Any) -> bytes:
        """A row as it was sent, without secrets."""
        return self._client.redact(raw_row(row).decode(errors="replace")).encode()

    @property
    def _anchored(self) -> bool:
        return self._facts.pages.kind == "offset"

    @property
    def _settles(self) -> bool:
        """Whether a move between two pages is seen by itself, or cannot come about."""
        return self._anchored or self._facts.pages.is_steady

    def _redacted(self, item: Rejected) -> Rejected:
        raw = self._client.redact(item.raw.decode(errors="replace")).encode()
        return replace(item, raw=raw, reason=self._client.redact(item.reason))

    def _time_of(self, row: Any) -> datetime | None:
        try:
            at = self._reader.updated_at(row, self._now)
        except InvalidRecord:
            return None
        return None if at is None else max(at, EARLIEST_ASKED)

    async def _page(self, time: list[tuple[str, str]] | None, token: Token | None) -> Page:
        facts = self._facts
        params = [*facts.params.items(), *(time or [])]
        return await self._client.page(
            ListFacts(facts.path, params, facts.rows, facts.pages, facts.id, self._operation), token or None
        )

    def _time(self, changes: Changes, at: datetime | None) -> list[tuple[str, str]]:
        """The parameter that asks for what changed at a time or after it."""
        if at is None or at <= EARLIEST_ASKED:
            return []
        return [(changes.param, changes.value.replace("{time}", self._asked.write(self._asked_at(changes, at))))]

    def _asked_at(self, changes: Changes, at: datetime) -> datetime:
        return self._asked.asked(at if changes.inclusive else at - self._asked.resolution())

    def _is_later(self, changes: Changes, last: datetime | None, at: datetime | None) -> bool:
        """Whether asking by the time of the last row leads further than the pages of this instant."""
        if last is None or last <= EARLIEST_ASKED:
            return False
        return at is None or at <= EARLIEST_ASKED or (self._asked_at(changes, last) > self._asked_at(changes, at))

    def _same_instant(self, rows: list[Any], changes: Changes, at: datetime | None) -> list[Any]:
        """The rows that are asked for by the same text as this time."""
        if at is None:
            return rows
        return [row for row in rows if not self._is_later(changes, self._time_of(row), at)]

    async def _same_run(self, changes: Changes, at: datetime | None, run: list[str]) -> bool:
        token: Token | None = None
        for mark in run:
            page = await self._page(self._time(changes, at), token)
            if self._mark(self._same_instant(page.rows, changes, at)) != mark:
                return False
            token = page.next
            if token is None:
                break
        return True

    async def _same_again(self, time: list[tuple[str, str]] | None, marks: list[str]) -> bool:
        """Whether a second reading shows the same rows on the same pages; one page alone needs none."""
        if len(marks) == 1:
            return True
        token: Token | None = None
        for number, mark in enumerate(marks, 1):
            page = await self._page(time, token)
            if self._mark(page.rows) != mark or (page.next is None) != (number == len(marks)):
                return False
            token = page.next
        return True

    def _mark(self, rows: list[Any]) -> str:
        """Stands for which rows a page has, in their order."""
        keys = "\n".join(row_key(row, self._facts.id) for row in rows)
        return hashlib.sha256(keys.encode(errors="replace")).hexdigest()

    def _require_order(self, times: Sequence[datetime]) -> None:
        for earlier, later in pairwise(times):
            if later < earlier:
                raise UnexpectedResponse(
                    f"{self._operation}: rows are not in the order of their time, {later.isoformat()} comes after "
                    f"{earlier.isoformat()}",
                    operation=self._operation,
                    hint="Add the parameter that sorts the list, oldest first, to `params`, or say `sorted: false`.",
                )

    def _once_more(self, readings: int) -> int:
        if readings + 1 >= MOST_READINGS:
            raise Transient(
                f"{self._operation}: rows move faster than their pages can be read", operation=self._operation
            )
        return readings + 1

    def _endless(self) -> UnexpectedResponse:
        return UnexpectedResponse(
            f"{self._operation}: the list has more than {self._max_pages} pages", operation=self._operation,
            hint="Check `pages`: a system that does not know the parameter sends its first page again and again. "
            "If the list is so long, raise `max_pages`.",
        )  # fmt: skip


def _latest(progress: Progress, times: Sequence[datetime]) -> datetime | None:
    known = [at for at in (progress.latest, *times) if at is not None]
    return max(known) if known else None


def _is_newer(made: Record, twin: Record) -> bool:
    return made.updated_at is not None and twin.updated_at is not None and made.updated_at > twin.updated_at


def _second(row: Any, ref: SourceRef) -> Rejected:
    return Rejected(
        ref=ref, raw=raw_row(row), reason=f"{ref} stands twice on one page and says two things: `id` must be unique.",
    )  # fmt: skip
