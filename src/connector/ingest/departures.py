"""Things that a source no longer has. A thing is retired when no source has it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from connector.ingest.arrivals import Arrival
from connector.ingest.orders import withdraw
from connector.ingest.relations import forget_relations
from connector.ingest.snapshot import Snapshot
from connector.ingest.work import Work
from connector.model.kinds import Tracking
from connector.model.lifecycle import ASSET_MOVES, TICKET_OPEN, AssetState, TicketState
from connector.model.refs import EntityKind
from connector.rules.golden.fields import FIELDS
from connector.storage.database.drafts import Draft, load_drafts
from connector.storage.sources.refs import RefState, delete_refs, live_ref_ids, live_refs, things_of_refs
from connector.storage.stock.book import claimed_assets, shelf_of

CHUNK = 500
"""References that leave together, so that a large departure needs no more memory than a batch."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """A reference that its source no longer has. arrival: the tombstone, None when a snapshot did not show it."""

    ref_id: int
    kind: EntityKind
    external_id: str
    entity_id: int
    version: datetime | None = None
    arrival: Arrival | None = None


async def settle_tombstones(work: Work, arrivals: Sequence[Arrival]) -> None:
    """Mark what the source deleted. What it deleted before the hub ever saw it is remembered by its version."""
    leaving: list[Leaving] = []
    for arrival in arrivals:
        known = arrival.known
        if known is None or known.entity_id is None:
            row_id = known.id if known else None
            kind, external_id = arrival.key
            if arrival.version is not None:
                work.ref_states.append(
                    RefState(
                        row_id, kind, external_id, None, arrival.version, b"", deleted_at=work.at,
                        heard_at=arrival.heard_at,
                    )
                )  # fmt: skip
        else:
            leaving.append(Leaving(known.id, known.kind, arrival.key[1], known.entity_id, arrival.version, arrival))
    await _leave(work, leaving)


async def retire_unseen(work: Work, snapshot: Snapshot) -> str | None:
    """Let go what a complete snapshot did not show; returns why not, when that would be unusually much.

    No version is remembered with it: what comes back unchanged is back.
    """
    unseen: list[int] = []
    live = 0
    async for page in live_ref_ids(work.tx, work.source_id, snapshot.kinds, up_to=snapshot.newest):
        live += len(page)
        unseen += snapshot.unseen(page)
    if snapshot.limit.forbids(len(unseen), live):
        kinds = ", ".join(sorted(kind.value for kind in snapshot.kinds))
        return (
            f"{len(unseen)} of {live} records ({kinds}) are missing from the source, {snapshot.limit}: nothing was "
            "retired. Check the source and what its token may see."
        )
    for start in range(0, len(unseen), CHUNK):
        things = await things_of_refs(work.tx, unseen[start : start + CHUNK])
        await _leave(work, [Leaving(*thing) for thing in things])
    return None


async def _leave(work: Work, leaving: Sequence[Leaving]) -> None:
    by_kind: dict[EntityKind, list[Leaving]] = defaultdict(list)
    for item in leaving:
        by_kind[item.kind].append(item)
    for kind, items in by_kind.items():
        drafts = await load_drafts(work.tx, kind, {item.entity_id for item in items})
        staying = await _claimed(work, kind, items)
        items = [item for item in items if item.entity_id not in staying]
        live = await live_refs(work.tx, kind, {item.entity_id for item in items})
        own = {(work.source_id, item.ref_id) for item in items}
        gone = {item.entity_id for item in items if not live.get(item.entity_id, set()) - own}
        retired = [draft for entity_id, draft in drafts.items() if entity_id in gone]
        for draft in retired:
            _retire(work, draft)
        losing = await forget_relations(work, drafts, {item.ref_id for item in items})
        await work.write(kind, dict.fromkeys([*retired, *losing]))
        work.updated -= len(retired)
        if kind in FIELDS and any(item.entity_id not in gone for item in items):
            stay = {item.external_id: drafts[item.entity_id] for item in items if item.entity_id not in gone}
            await work.write(kind, await work.golden.withdraw(kind, stay))
        work.deleted += len(items)
        work.left += [(kind, item.entity_id, item.external_id) for item in items]
        heard = {item.ref_id: item.arrival.heard_at if item.arrival else None for item in items}
        versions = {item.ref_id: (item.version, heard[item.ref_id]) for item in items}
        await delete_refs(work.tx, versions, at=work.at)


async def _claimed(work: Work, kind: EntityKind, items: Sequence[Leaving]) -> frozenset[int]:
    """Units that a reservation holds stay until it ends; a tombstone for one waits in quarantine.

    Asked when the units are locked: until then one may still be claimed.
    """
    if kind is not EntityKind.ASSET:
        return frozenset()
    claimed = await claimed_assets(work.tx, {item.entity_id for item in items})
    for item in items:
        if item.entity_id in claimed and item.arrival is not None:
            work.refuse(
                item.arrival,
                f"{item.arrival.record.ref} was deleted in its source, but asset {item.entity_id} is promised to a "
                "ticket. Release the reservation or see it through, then replay this record.",
            )
    return claimed


def _retire(work: Work, draft: Draft) -> None:
    after = draft.after
    match draft.kind:
        case EntityKind.SHIPMENT:
            return
        case EntityKind.PROCUREMENT:
            withdraw(draft)
            return
        case EntityKind.STOCK:
            if after["tracking"] is Tracking.COUNTED:
                after["on_hand"] = after["reserved"]
            return
        case EntityKind.ASSET:
            shelf = shelf_of(after)
            if shelf is not None:
                work.shelves.add(shelf)
            if AssetState.RETIRED in ASSET_MOVES[after["state"]]:
                after["state"] = AssetState.RETIRED
        case EntityKind.TICKET:
            if after["state"] in TICKET_OPEN:
                after["state"] = TicketState.CANCELLED
    after["retired_at"] = work.at
