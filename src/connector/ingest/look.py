"""A look at a batch: whether anything in it is new, for the cost of one read and without a lock."""

from __future__ import annotations

from collections import defaultdict

from connector.ingest.applied import Applied
from connector.ingest.arrivals import digest
from connector.ingest.snapshot import Snapshot
from connector.model.records import Record, Tombstone
from connector.model.refs import EntityKind
from connector.sdk.adapter import Batch, Deferred
from connector.storage.database.engine import Transaction
from connector.storage.sources.refs import said_before


async def look(tx: Transaction, source_id: int, batch: Batch, snapshot: Snapshot | None) -> Applied | None:
    """What a batch comes to in which everything was said before; None for one that `apply` has to judge.

    A thing that is unknown, comes twice, is called otherwise or has a newer version is for `apply`, even where it
    would change nothing; so is one that comes back from the future.
    """
    if batch.rejected or batch.complete:
        return None
    by_kind: dict[EntityKind, dict[str, Record | Deferred]] = defaultdict(dict)
    for item in batch.records:
        ref = item.ref
        by_kind[ref.kind][ref.external_id] = item
    if sum(map(len, by_kind.values())) < len(batch.records):
        return None
    seen: dict[EntityKind, list[int]] = defaultdict(list)
    for kind, items in by_kind.items():
        rows = await said_before(tx, source_id, kind, items)
        if len(rows) < len(items):
            return None
        for external_id, ref_id, version, content_hash, is_deleted, is_ahead in rows:
            item = items[external_id]
            at = item.updated_at
            if at is not None and (version is None or at > version or (is_ahead and at < version)):
                return None
            if is_deleted:
                if not isinstance(item, Tombstone):
                    return None
            elif content_hash != (item.digest if isinstance(item, Deferred) else digest(item)):
                return None
            else:
                seen[kind].append(ref_id)
    if snapshot is not None:
        snapshot.kinds |= seen.keys()
        for ref_ids in seen.values():
            snapshot.see(ref_ids)
    return Applied(seen=len(batch.records), unchanged=len(batch.records))
