"""Trying quarantined records again: by hand, or because what they waited for has arrived."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from connector.ingest.apply import apply, unpack
from connector.ingest.arrivals import Heard
from connector.model.records import Record
from connector.model.refs import EntityKind, SourceRef
from connector.sdk.adapter import Batch, Clock, Fetches
from connector.sdk.connection import Connection
from connector.sdk.errors import AdapterError, NotFound
from connector.storage.database.engine import Database, Transaction, reading, transaction
from connector.storage.database.receipts import find_receipts, record_receipt, settle_receipt
from connector.storage.sources.inbox import reopen_delivery
from connector.storage.sources.quarantine import (
    Entry,
    NewEntry,
    list_quarantine,
    put_entries,
    quarantine_entries,
    ready_entries,
    resolve_entries,
)
from connector.storage.sources.sources import source_ids

WEBHOOKS = "webhooks"
"""Stream under which quarantined webhooks stand; their raw bytes are in the inbox."""

CHUNK = 200
"""Entries that are tried in one transaction."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What trying again came to. applied: closed. remaining: still open, with their new reason."""

    applied: int = 0
    remaining: int = 0


async def replay(
    engine: Database,
    connections: Mapping[str, Connection],
    ids: Collection[int],
    *,
    clock: Clock,
    once: str | None = None,
) -> Replayed:
    """Try these entries again.

    A normalised record is applied again; one that could not be normalised is read again from its source, where
    its reference is known; a webhook goes back to the inbox and is closed here. once: each is tried once under this
    key; what an earlier time came to is part of the answer.
    Raises NotKnown for an entry that is not there. An entry that is closed already is left alone.
    """
    async with reading(engine) as tx:
        entries = await quarantine_entries(tx, ids)
        known = await source_ids(tx)
        tried = {} if once is None else await find_receipts(tx, [_tried(once, entry.id) for entry in entries])
    waiting = [entry for entry in entries if entry.resolved_at is None and _tried(once, entry.id) not in tried]
    applied = sum(int(receipt["applied"]) for receipt in tried.values())
    for entry in waiting:
        asked = clock.now()
        found = await _read_again(entry, connections.get(entry.source))
        async with transaction(engine) as tx:
            if once is None or await record_receipt(tx, _tried(once, entry.id), {"applied": 0}, at=clock.now()):
                closed = await _again(tx, known[entry.source], {entry.id: (entry, found)}, clock=clock, asked=asked)
                if once is not None:
                    await settle_receipt(tx, _tried(once, entry.id), {"applied": closed})
            else:  # meanwhile, by somebody else with the same key
                receipts = await find_receipts(tx, [_tried(once, entry.id)])
                closed = receipts[_tried(once, entry.id)]["applied"]
        applied += closed
    return Replayed(applied=applied, remaining=len(waiting) + len(tried) - applied)


def _tried(once: str | None, entry_id: int) -> str:
    return f"{once}:{entry_id}"


async def replay_source(
    engine: Database, connections: Mapping[str, Connection], source: str, *, clock: Clock
) -> Replayed:
    """Try all open entries of a source again."""
    total = Replayed()
    async with reading(engine) as tx:
        source_id = (await source_ids(tx)).get(source, 0)
    after = 0
    while True:
        async with reading(engine) as tx:
            page = await list_quarantine(tx, source_id=source_id, after=after, limit=CHUNK)
        if not page:
            return total
        after = page[-1].id
        result = await replay(engine, connections, [entry.id for entry in page], clock=clock)
        total = Replayed(total.applied + result.applied, total.remaining + result.remaining)


async def discard(engine: Database, ids: Collection[int], *, actor: str, clock: Clock) -> int:
    """Give entries up: they are closed and stay readable; returns how many were open. Raises NotKnown."""
    async with transaction(engine) as tx:
        return await discard_in(tx, ids, actor=actor, at=clock.now())


async def discard_in(tx: Transaction, ids: Collection[int], *, actor: str, at: datetime) -> int:
    """The same in a transaction of the caller's."""
    await quarantine_entries(tx, ids)
    return await resolve_entries(tx, ids, actor=actor, at=at)


async def replay_arrived(engine: Database, source_id: int, *, actor: str, clock: Clock) -> int:
    """Apply the records of a source whose awaited thing has arrived; returns how many could be.

    What one of them brings may be what another waits for: goes on until nothing new can be applied.
    """
    return await _arrived(lambda: transaction(engine), source_id, actor=actor, clock=clock)


async def replay_arrived_in(tx: Transaction, source_id: int, *, actor: str, clock: Clock) -> int:
    """The same in a transaction of the caller's."""
    return await _arrived(lambda: nullcontext(tx), source_id, actor=actor, clock=clock)


async def replay_in(tx: Transaction, source_id: int, ids: Collection[int], *, actor: str, clock: Clock) -> int:
    """Apply these entries of a source as they were kept, in a transaction of the caller's; how many that closed."""
    entries = {entry.id: (entry, _unpacked(entry)) for entry in await quarantine_entries(tx, ids)}
    return await _again(tx, source_id, entries, clock=clock, actor=actor)


async def _arrived(
    begin: Callable[[], AbstractAsyncContextManager[Transaction]], source_id: int, *, actor: str, clock: Clock
) -> int:
    total = 0
    while True:
        applied = after = 0
        while True:
            async with begin() as tx:
                ids = await ready_entries(tx, source_id, after=after, limit=CHUNK)
                if not ids:
                    break
                after = ids[-1]
                applied += await replay_in(tx, source_id, ids, actor=actor, clock=clock)
        total += applied
        if not applied:
            return total


async def _again(
    tx: Transaction,
    source_id: int,
    entries: Mapping[int, tuple[Entry, Record | str | None]],
    *,
    clock: Clock,
    actor: str | None = None,
    asked: datetime | None = None,
) -> int:
    """Apply the records of entries of one source; returns how many entries that closed.

    The second of each pair is the record, or why there is none, or None for a webhook. asked: when those that are not
    kept were read again.
    """
    now = clock.now()
    closed: list[int] = []
    records: dict[str, list[tuple[Entry, Record]]] = defaultdict(list)
    for entry, found in entries.values():
        if found is None:
            if await reopen_delivery(tx, source_id, entry.fingerprint):
                closed.append(entry.id)
        elif isinstance(found, str):
            again = NewEntry(entry.fingerprint, found, entry.raw, path=entry.path, waits_for=entry.waits_for)
            await put_entries(tx, source_id, entry.stream, [again], actor=actor or f"source:{entry.source}", at=now)
        else:
            records[entry.stream].append((entry, found))
    for stream, pairs in records.items():
        by = actor or f"source:{pairs[0][0].source}"
        batch = Batch(records=tuple(record for _, record in pairs))
        heard = {
            (record.ref.kind, record.ref.external_id): Heard(entry.first_seen_at) if entry.record else Heard(now, asked)
            for entry, record in pairs
        }
        applied = await apply(tx, source_id, stream, batch, actor=by, at=now, hearing=heard.__getitem__)
        closed += [entry.id for entry, _ in pairs if entry.fingerprint not in applied.refused]
    await resolve_entries(tx, closed, actor=actor or "replay", at=now)
    return len(closed)


def _unpacked(entry: Entry) -> Record | str | None:
    if entry.stream == WEBHOOKS and entry.record is None:
        return None
    if entry.record is None:
        return entry.reason
    try:
        return unpack(entry.record)
    except (ValidationError, KeyError) as error:
        return f"the kept record no longer fits the model: {error}"


async def _read_again(entry: Entry, connection: Connection | None) -> Record | str | None:
    """The record to apply: as it was kept, or as its source has it now."""
    if entry.record is not None or entry.stream == WEBHOOKS:
        return _unpacked(entry)
    if entry.external_ref is None:
        return f"{entry.reason} It has no reference by which it could be read again; a full sync brings it again."
    if connection is None or not isinstance(connection.adapter, Fetches):
        return entry.reason
    kind, _, external_id = entry.external_ref.partition(":")
    ref = SourceRef(kind=EntityKind(kind), external_id=external_id)
    try:
        return await connection.adapter.fetch(ref)
    except NotFound:
        return f"{entry.external_ref} no longer exists in source {entry.source!r}. Discard this entry."
    except AdapterError as error:
        return connection.http.redact(f"{entry.external_ref} could not be read again: {error}")
    except Exception as error:  # noqa: BLE001 - a plugin may fail in any way; the entry keeps the reason
        return connection.http.redact(
            f"{entry.external_ref} could not be read again: the adapter {connection.adapter_name!r} failed with "
            f"{type(error).__name__}: {error}. That is a defect of the adapter; report it to whoever maintains it."
        )
