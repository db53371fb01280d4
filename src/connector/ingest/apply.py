"""The single way in: records of a batch become rows, in the caller's one transaction.

Pulled or pushed, every record comes through here. What was seen before costs a look-up and writes nothing; what is
older than what is known changes nothing; what cannot be used is kept in quarantine with its reason. Rows, change
rows, references, books of stock and the source's cursor become durable together or not at all.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

import orjson

from connector.ingest.applied import Applied
from connector.ingest.arrivals import Arrival, Heard, Hearing, arrivals_of
from connector.ingest.assets import settle_assets
from connector.ingest.departures import retire_unseen, settle_tombstones
from connector.ingest.kits import settle_kits
from connector.ingest.orders import settle_orders
from connector.ingest.places import settle_hubs, settle_sites
from connector.ingest.products import settle_compatibilities, settle_products
from connector.ingest.reviews import ask_people, keep_separated
from connector.ingest.shipments import settle_shipments
from connector.ingest.snapshot import Snapshot
from connector.ingest.stock import settle_stock
from connector.ingest.tickets import link_tickets, settle_tickets
from connector.ingest.work import Problem, Work
from connector.model.records import (
    AssetRecord,
    CompatibilityRecord,
    HubRecord,
    KitRecord,
    OrderRecord,
    ProductRecord,
    Record,
    ShipmentRecord,
    SiteRecord,
    StockRecord,
    TicketRecord,
    Tombstone,
)
from connector.model.refs import EntityKind
from connector.sdk.adapter import Batch, Deferred, Rejected
from connector.storage.database.engine import DatabaseRefusal, Transaction
from connector.storage.golden.evidence import kept
from connector.storage.sources.quarantine import NewEntry, entries_of_refs, put_entries, resolve_entries
from connector.storage.sources.refs import (
    UNTOUCHED,
    KnownRef,
    RefState,
    known_refs,
    lock_ingest,
    newest_ref,
    write_refs,
)
from connector.storage.sources.sources import save_resume
from connector.storage.stock.book import recount_shelves

Settle: TypeAlias = Callable[[Work, Sequence[Arrival]], Awaitable[None]]

SETTLE: Mapping[type[Record], Settle] = {
    HubRecord: settle_hubs,
    SiteRecord: settle_sites,
    ProductRecord: settle_products,
    CompatibilityRecord: settle_compatibilities,
    KitRecord: settle_kits,
    AssetRecord: settle_assets,
    StockRecord: settle_stock,
    TicketRecord: settle_tickets,
    ShipmentRecord: settle_shipments,
    OrderRecord: settle_orders,
    Tombstone: settle_tombstones,
}
"""Who deals with each kind of record, in the order in which they refer to each other."""


class MakingError(Exception):
    """The adapter failed to make a record that it deferred, by a defect of its own; the reason is the cause."""


async def apply(
    tx: Transaction,
    source_id: int,
    stream: str,
    batch: Batch,
    *,
    actor: str,
    at: datetime,
    snapshot: Snapshot | None = None,
    hearing: Hearing | None = None,
) -> Applied:
    """Take over what a batch of one source says.

    hearing: when each record was heard; as what the source said unasked just now, where it is not told. snapshot: what
    a complete look has shown so far, over all of its batches; a `complete` batch without one is the whole look.
    """
    arrivals = arrivals_of(batch.records, hearing or (lambda _: Heard(by=at)))
    if batch.complete and snapshot is None:
        kinds = {kind for kind, _ in (arrival.key for arrival in arrivals)}
        snapshot = Snapshot(kinds=kinds, newest=await newest_ref(tx))
    await _recall(tx, source_id, arrivals)
    if snapshot is not None:
        await _see(tx, source_id, snapshot, arrivals, batch.rejected)

    work = Work(tx=tx, source_id=source_id, actor=actor, cause=f"{stream} of source {source_id}", at=at)
    fresh = [arrival for arrival in arrivals if _is_fresh(arrival)]
    unchanged = len(batch.records) - len(fresh)
    rejected = [*batch.rejected, *_make(fresh)]
    alarm: str | None = None
    if fresh or rejected or batch.complete:
        await lock_ingest(tx)
        await _recall(tx, source_id, fresh)
        rejected += _make(fresh)
        await _settle(work, [arrival for arrival in fresh if _is_fresh(arrival)])
        if batch.complete and snapshot is not None:
            alarm = await retire_unseen(work, snapshot)
        await recount_shelves(tx, work.shelves, actor=actor, cause=work.cause, at=at)
        await link_tickets(work)
        await work.golden.note()
        new_refs = await write_refs(tx, source_id, [*work.ref_states, *_states(work)])
        if snapshot is not None:
            snapshot.see(new_refs)
    entries = [_refused(problem) for problem in work.problems] + [_rejected(item) for item in rejected]
    kept = await put_entries(tx, source_id, stream, entries, actor=actor, at=at)
    await ask_people(work, {entry.external_ref: kept[entry.fingerprint] for entry in entries if entry.external_ref})
    await keep_separated(work)
    await _close_entries(work, fresh, {entry.fingerprint for entry in entries})
    if batch.resume is not None:
        await save_resume(tx, source_id, stream, batch.resume)
    return Applied(
        seen=len(batch.records) + len(batch.rejected),
        created=work.created,
        updated=work.updated,
        deleted=work.deleted,
        changed=min(work.updated, sum(map(_was_there, fresh))),
        unchanged=unchanged,
        quarantined=len(entries),
        refused=frozenset(entry.fingerprint for entry in entries),
        left=tuple(work.left),
        alarm=alarm,
    )


def pack(record: Record) -> dict[str, object]:
    """A record as the quarantine keeps it, to be read again by `unpack`."""
    return {"type": type(record).__name__, "record": record.model_dump(mode="json", exclude_none=True)}


def unpack(packed: Mapping[str, object]) -> Record:
    """The record that was packed. Raises pydantic's ValidationError when the model has moved on since."""
    types: dict[str, type[Record]] = {kind.__name__: kind for kind in SETTLE}
    return types[str(packed["type"])].model_validate(packed["record"])


async def _recall(tx: Transaction, source_id: int, arrivals: Sequence[Arrival]) -> None:
    """Look up what is known of each reference. A site that turned out to be a hub is known as one."""
    keys = {arrival.key for arrival in arrivals}
    as_hubs = {(EntityKind.HUB, external_id) for kind, external_id in keys if kind is EntityKind.SITE}
    known = await known_refs(tx, source_id, keys | as_hubs)
    for arrival in arrivals:
        arrival.known = known.get(arrival.key)
        if arrival.key[0] is EntityKind.SITE and (arrival.known is None or arrival.known.deleted_at is not None):
            arrival.known = known.get((EntityKind.HUB, arrival.key[1]), arrival.known)


def _make(arrivals: list[Arrival]) -> list[Rejected]:
    """Make what is deferred and states something new; takes out, and returns, what cannot be made."""
    rejected: list[Rejected] = []
    for arrival in list(arrivals):
        if isinstance(arrival.said, Deferred) and not arrival.is_unchanged:
            try:
                made = arrival.said.made()
            except Exception as error:
                raise MakingError(f"{arrival.said.ref} could not be made") from error
            if isinstance(made, Rejected):
                rejected.append(made)
                arrivals.remove(arrival)
            else:
                arrival.said = made
    return rejected


def _is_fresh(arrival: Arrival) -> bool:
    """Whether a record may change anything. An old report of a parcel may still bring a scan."""
    if arrival.is_unchanged:
        return arrival.is_news
    return not arrival.is_stale or isinstance(arrival.said, ShipmentRecord)


def _was_there(arrival: Arrival) -> bool:
    """Whether the source had the thing before this record of it."""
    known = arrival.known
    return known is not None and known.deleted_at is None and not isinstance(arrival.said, Tombstone)


async def _see(
    tx: Transaction, source_id: int, snapshot: Snapshot, arrivals: Sequence[Arrival], rejected: Iterable[Rejected]
) -> None:
    """Everything in the batch is still there, whether or not it can be used."""
    known = [arrival.known for arrival in arrivals if arrival.known and not isinstance(arrival.said, Tombstone)]
    snapshot.kinds |= {ref.kind for ref in known}
    snapshot.see(ref.id for ref in known)
    keys = {(item.ref.kind, item.ref.external_id) for item in rejected if item.ref is not None}
    if keys:
        snapshot.see(ref.id for ref in (await known_refs(tx, source_id, keys)).values())


async def _settle(work: Work, arrivals: Sequence[Arrival]) -> None:
    by_type: dict[type[Record], list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        if arrival.is_unchanged and arrival.known is not None:
            work.ref_states.append(_state(arrival.known, arrival))
        else:
            by_type[type(arrival.record)].append(arrival)
    for record_type, settle in SETTLE.items():
        if by_type[record_type]:
            await settle(work, by_type[record_type])


def _state(known: KnownRef, arrival: Arrival) -> RefState:
    """The reference of a record that says nothing new, with its newer version."""
    return RefState(
        known.id,
        known.kind,
        arrival.key[1],
        known.entity_id,
        arrival.version,
        known.content_hash,
        known.placement,
        known.deleted_at,
        heard_at=arrival.heard_at,
    )


def _states(work: Work) -> list[RefState]:
    """The references of the records that landed, where there is something new to remember."""
    states: list[RefState] = []
    for (kind, external_id), landing in work.landings.items():
        known = landing.arrival.known
        state = RefState(
            id=known.id if known and known.kind is kind else None,
            kind=kind,
            external_id=external_id,
            entity_id=landing.draft.id,
            version=landing.arrival.version,
            content_hash=landing.arrival.digest if landing.complete else b"",
            placement=landing.placement,
            heard_at=landing.arrival.heard_at,
            stated=kept(said) if (said := work.golden.said.get((kind, external_id))) is not None else UNTOUCHED,
        )
        if known is None or state.stated is not UNTOUCHED or _remembered(known) != (
            state.id, state.entity_id, state.version, state.content_hash, state.placement, None,
        ):  # fmt: skip
            states.append(state)
    return states


def _remembered(known: KnownRef) -> tuple[object, ...]:
    return known.id, known.entity_id, known.version, known.content_hash, known.placement, known.deleted_at


def _refused(problem: Problem) -> NewEntry:
    packed = pack(problem.arrival.record)
    raw = orjson.dumps(packed, option=orjson.OPT_SORT_KEYS)
    return NewEntry(
        fingerprint=fingerprint(raw),
        reason=problem.reason,
        raw=raw,
        external_ref=str(problem.arrival.record.ref),
        path=problem.path,
        waits_for=problem.waits_for,
        record=packed,
    )


def _rejected(item: Rejected) -> NewEntry:
    return NewEntry(
        fingerprint=fingerprint(item.raw),
        reason=item.reason,
        raw=item.raw,
        external_ref=str(item.ref) if item.ref else None,
        path=item.path,
    )


def refusal(item: Record | Deferred, error: DatabaseRefusal) -> Rejected:
    """The rejection of a record that can be read but not be stored."""
    raw = item.raw if isinstance(item, Deferred) else item.model_dump_json(exclude_none=True).encode()
    return Rejected(
        ref=item.ref,
        raw=raw,
        reason=f"the database refuses it: {error.message}. Correct it at its source; the next sync brings it again.",
    )


def fingerprint(raw: bytes) -> str:
    """Names these bytes: the same bytes, the same name."""
    return hashlib.sha256(raw).hexdigest()


async def _close_entries(work: Work, arrivals: Sequence[Arrival], refused: set[str]) -> None:
    """What was in quarantine about a thing is settled when a record of it was used after all."""
    unused = {problem.arrival.key for problem in work.problems}
    refs = {str(arrival.said.ref) for arrival in arrivals if arrival.key not in unused}
    if refs:
        entries = await entries_of_refs(work.tx, work.source_id, refs)
        settled = [entry_id for entry_id, print_ in entries if print_ not in refused]
        await resolve_entries(work.tx, settled, actor=work.actor, at=work.at)
