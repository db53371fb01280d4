"""Devices: the whole list, or those that have synced since, and those that the audit log names.

The list has no order that can be asked for and no time of change. `lastSyncDateTime` is when a device itself last
talked to Intune: what people change there (category, owner, primary user) does not move it, and what they delete is in
no list. So what has synced is right for what devices say, the audit log for what people do, the whole list for all.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import TypeAlias

from connector.sdk import (
    Batch,
    Clock,
    Cursor,
    EntityKind,
    Invalid,
    InvalidRecord,
    NotFound,
    Record,
    Rejected,
    SourceRef,
    Tombstone,
)
from connector.sdk.answers import id_of, rejected
from connector.sdk.cursors import read_instant
from connector.sdk.rest import Position, Progress, read_cursor, write_cursor, write_time
from connector_intune.audit import changed_devices, happened_at
from connector_intune.config import IntuneConfig
from connector_intune.graph import Graph, Row
from connector_intune.mapping import VERSION, asset_record, columns, is_wanted, last_sync, user_of
from connector_intune.people import People

OPERATION = "pull devices"
DEVICES = "deviceManagement/managedDevices"
EVENTS = "deviceManagement/auditEvents"
SYNCED, WHOLE, AUDIT = "synced", "whole", "audit"
"""Parts of the cursor: what has synced, when the last reading of everything began, how far the log was read."""
CLOCKS = timedelta(hours=1)
"""How far our clock may be from Microsoft's, where the audit log is first read."""
SECOND = timedelta(seconds=1)
LONGEST_LINK = 2_800
"""Bytes of a link that still fits into a cursor."""
BEGIN, DONE = "", "-"
"""Where a list stands: at its beginning, or all of it was read; else the link at which it goes on."""
Read: TypeAlias = tuple[tuple[Record, ...], tuple[Rejected, ...]]
"""What a batch holds: records, and rows of which none could be made."""
ChangedAt: TypeAlias = Callable[[Row], datetime]
"""The time of a row. Raises InvalidRecord."""


class DevicesPull:
    """One pull of one source. _again: it is not the first, so that what is left out may have been here before."""

    def __init__(self, graph: Graph, config: IntuneConfig, clock: Clock, overlap: timedelta) -> None:
        self._graph = graph
        self._config = config
        self._people = People(graph, config)
        self._clock = clock
        self._overlap = overlap
        self._again = False

    async def batches(self, since: Cursor | None) -> AsyncGenerator[Batch, None]:
        """Batches of at most a page. One from the beginning that was not cut off ends complete."""
        self._again = since is not None
        feeds = self._begun(read_cursor(since))
        for name in (SYNCED, AUDIT):
            if feeds[name].id == DONE:
                continue
            if name == AUDIT and (not self._config.audit or feeds[SYNCED].is_full):
                feeds[name] = feeds[name].step(Position(feeds[name].at or "", DONE))
                continue
            async with aclosing(self._walk(name, feeds)) as pages:
                async for batch in pages:
                    yield batch
            feeds[name] = feeds[name].step(Position(feeds[name].at or "", DONE))
        yield Batch(records=(), resume=write_cursor(self._ended(feeds)), complete=since is None)

    def _begun(self, saved: dict[str, Progress]) -> dict[str, Progress]:
        now, facts = self._clock.now(), self._facts()
        synced, whole = saved.get(SYNCED, Progress()), saved.get(WHOLE, Progress())
        if synced.started is None and (
            whole.started is None or now - read_instant(whole.started) >= self._config.whole_every
        ):
            synced = replace(synced, floor=None)
        synced = synced.begin(now, facts)
        if synced.is_full and synced.id is None:
            whole = Progress(started=synced.started)
        audit = saved.get(AUDIT, Progress())
        if audit.floor is None:
            audit = replace(audit, floor=write_time(now - CLOCKS))
        return {SYNCED: synced, WHOLE: whole, AUDIT: replace(audit, started=audit.started or write_time(now))}

    def _ended(self, feeds: dict[str, Progress]) -> dict[str, Progress]:
        now = self._clock.now()
        synced, audit = feeds[SYNCED].finish(now, self._overlap), feeds[AUDIT].finish(now, self._overlap)
        if audit.floor is None:
            audit = Progress(floor=feeds[AUDIT].floor)
        return {SYNCED: synced, WHOLE: feeds[WHOLE], AUDIT: audit}

    async def _walk(self, name: str, feeds: dict[str, Progress]) -> AsyncGenerator[Batch, None]:
        """Pages of one list, from where it stands. A link that is no longer taken begins the list anew."""
        link = feeds[name].id or None
        try:
            async with aclosing(self._pages(name, feeds, link)) as batches:
                async for batch in batches:
                    yield batch
        except (Invalid, NotFound):
            if link is None or feeds[name].id != link:
                raise
            feeds[name] = feeds[name].step(Position(feeds[name].at or "", BEGIN))
            async with aclosing(self._pages(name, feeds, None)) as batches:
                async for batch in batches:
                    yield batch

    async def _pages(self, name: str, feeds: dict[str, Progress], link: str | None) -> AsyncGenerator[Batch, None]:
        path, params = self._asked(name, feeds[name])
        read = self._read_listed if name == SYNCED else self._read_audited
        at = last_sync if name == SYNCED else happened_at
        async with aclosing(self._graph.pages(path, params, OPERATION, link=link)) as pages:
            async for rows, following in pages:
                parts = [part for part in await read(rows, feeds[name]) if part != ((), ())]
                before = write_cursor(feeds)
                latest = _latest(rows, feeds[name].at, at)
                kept = following if following and len(following.encode()) <= LONGEST_LINK else BEGIN
                feeds[name] = feeds[name].step(Position(latest, DONE if following is None else kept))
                for number, (records, refused) in enumerate(parts, 1):
                    resume = write_cursor(feeds) if number == len(parts) else before
                    yield Batch(records=records, rejected=refused, resume=resume)

    def _asked(self, name: str, progress: Progress) -> tuple[str, dict[str, str]]:
        """What is asked for. `gt` is documented for these times, so that a second less is said."""
        floor = read_instant(progress.floor) - SECOND if progress.floor else None
        since = floor.replace(microsecond=0).isoformat().replace("+00:00", "Z") if floor else ""
        if name == AUDIT:
            return EVENTS, {"$filter": f"activityDateTime gt {since}"}
        params = {"$select": columns(self._config), "$top": str(self._config.page_size)}
        return DEVICES, params if progress.is_full else {**params, "$filter": f"lastSyncDateTime gt {since}"}

    async def _read_listed(self, rows: Sequence[Row], progress: Progress) -> list[Read]:
        """Records of a page. Where everything is read again, what is no hardware any more is gone."""
        wanted = [row for row in rows if self._is_wanted(row)]
        leaves = progress.is_full and self._again
        gone = [number for row in rows if leaves and not self._is_wanted(row) and (number := id_of(row))]
        return [((*records, *_tombstones(gone)), refused) for records, refused in await self._read(wanted)]

    async def _read(self, wanted: Sequence[Row]) -> list[Read]:
        """Records of devices, with the places of their users: one batch."""
        users = [user for row in wanted if (user := user_of(row)) is not None]
        places = await self._people.places(users, OPERATION)
        records: list[Record] = []
        refused: list[Rejected] = []
        for row in wanted:
            try:
                records.append(asset_record(row, places, self._config))
            except InvalidRecord as error:
                number = id_of(row)
                ref = SourceRef(kind=EntityKind.ASSET, external_id=number) if number else None
                refused.append(rejected(row, error, ref))
        return [(tuple(records), tuple(refused))]

    async def _read_audited(self, events: Sequence[Row], _: Progress) -> list[Read]:
        """The devices that events name, as they are now: the log says whom to look at, not what became of them."""
        named = changed_devices(events)
        size = self._config.page_size
        return [part for start in range(0, len(named), size) for part in await self._asked_for(named[start:][:size])]

    async def _asked_for(self, named: Sequence[str]) -> list[Read]:
        """Devices by their ids; those that are not there, or no hardware any more, are gone."""
        found: list[Row] = []
        gone: list[str] = []
        paths = [f"{DEVICES}/{number}?$select={columns(self._config)}" for number in named]
        async with aclosing(self._graph.together(paths, OPERATION)) as answers:
            async for parts in answers:
                for part in parts:
                    number = part.asked.removeprefix(f"{DEVICES}/").partition("?")[0]
                    if part.body is None or not self._is_wanted(part.body):
                        gone.append(number)
                    else:
                        found.append(part.body)
        return [((*records, *_tombstones(gone)), refused) for records, refused in await self._read(found)]

    def _is_wanted(self, row: Row) -> bool:
        return is_wanted(row, self._config, self._clock.now())

    def _facts(self) -> str:
        """A fingerprint of the settings on which records depend; with another one all devices are read anew."""
        told = self._config.model_dump(
            mode="json",
            include={
                "base_url", "tenant", "management_state", "personal", "ignored_models", "stale_after", "places",
                "not_sites", "categories", "hub_categories",
            },
        )  # fmt: skip
        return blake2b(f"{VERSION} {sorted(told.items())}".encode(), digest_size=16).hexdigest()


def _tombstones(numbers: Sequence[str]) -> tuple[Tombstone, ...]:
    return tuple(Tombstone(ref=SourceRef(kind=EntityKind.ASSET, external_id=number)) for number in numbers)


def _latest(rows: Sequence[Row], known: str | None, at: ChangedAt) -> str:
    """The latest time of these rows, and of what was known before; empty where there is none."""
    times: list[datetime] = [read_instant(known)] if known else []
    for row in rows:
        try:
            times.append(at(row))
        except InvalidRecord:
            continue
    return write_time(max(times)) if times else ""
