"""What follows from a swap that a source has recorded, so that what it tells next is no news.

Where the failed device's record has become the replacement's, the reference follows, and with it what belongs to the
position: name, holder and address. The unit is in use at its site. A step of the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from connector.model.lifecycle import ASSET_MOVES, AssetState
from connector.model.refs import EntityKind, SourceRef
from connector.storage.database.engine import Transaction
from connector.storage.database.rows import locked_row, update_logged
from connector.storage.sources.refs import KnownRef, RefState, is_ahead, known_refs, lock_ingest, write_refs
from connector.storage.stock.swaps import Swap
from connector.storage.tables import asset

OF_THE_POSITION: Final = ("name", "holder", "url")
"""Columns of a device that stay where it was when another takes its place in the record of a source."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a source says of a swap. record: what stands for the replacement, as of the version `updated_at`.

    failed: the failed device's own record, None when it has none; failed_state, failed_updated_at: what that says now.
    """

    record: SourceRef
    updated_at: datetime | None
    failed: SourceRef | None
    failed_state: AssetState | None
    failed_updated_at: datetime | None


async def settle_swap(
    tx: Transaction, source_id: int, swap: Swap, told: Told, *, actor: str, cause: str, at: datetime
) -> None:
    """Have the hub's own records say what the source says now."""
    if swap.replacement is None:
        return
    await lock_ingest(tx)
    refs = {(ref.kind, ref.external_id): ref for ref in (told.record, told.failed) if ref is not None}
    known = await known_refs(tx, source_id, refs)
    failed_id, unit_id = swap.failed.id, swap.replacement.id
    rows = {n: await locked_row(tx, asset, EntityKind.ASSET, n) for n in sorted({failed_id, unit_id})}
    changes: dict[int, dict[str, Any]] = {failed_id: {}, unit_id: _in_use(rows[unit_id], swap.site_id)}
    states: list[RefState] = []
    record = known.get((told.record.kind, told.record.external_id))
    if record is not None:
        if record.entity_id == failed_id:
            changes[unit_id] |= {name: rows[failed_id][name] for name in OF_THE_POSITION}
            changes[failed_id] |= dict.fromkeys(OF_THE_POSITION)
            record = record._replace(entity_id=unit_id)
        states.append(_state(told.record, _of_version(record, told.updated_at, at)))
    own = known.get((told.failed.kind, told.failed.external_id)) if told.failed is not None else None
    has_moved_on = rows[failed_id]["state"] is not AssetState.DEPLOYED
    if told.failed is not None and told.failed_state is not None and own is not None and own.placement and has_moved_on:
        place = own.placement.partition("@")[2]
        own = own._replace(placement=f"{told.failed_state.value}@{place}")
        states.append(_state(told.failed, _of_version(own, told.failed_updated_at, at)))
    await write_refs(tx, source_id, states)
    for asset_id in sorted(changes):
        await update_logged(tx, asset, EntityKind.ASSET, asset_id, changes[asset_id], actor=actor, cause=cause, at=at)


def _of_version(known: KnownRef, version: datetime | None, at: datetime) -> KnownRef:
    """A reference of which nothing older counts any more: a page that was read before may be applied after."""
    if version is None or (known.heard_at is None and known.version is not None and version <= known.version):
        return known
    return known._replace(version=version, heard_at=at if is_ahead(version, at) else None)


def _in_use(row: Mapping[str, Any], site_id: int | None) -> dict[str, Any]:
    """A unit that is still said to be under way is at its site; one that somebody has moved on stays."""
    if row["state"] is AssetState.DEPLOYED or AssetState.DEPLOYED not in ASSET_MOVES[row["state"]]:
        return {}
    return {"state": AssetState.DEPLOYED, "site_id": site_id, "hub_id": None}


def _state(ref: SourceRef, known: KnownRef) -> RefState:
    return RefState(
        id=known.id,
        kind=ref.kind,
        external_id=ref.external_id,
        entity_id=known.entity_id,
        version=known.version,
        content_hash=known.content_hash,
        placement=known.placement,
        deleted_at=known.deleted_at,
        heard_at=known.heard_at,
    )
