"""What a person says of a record that the match rules left unclear, done at once: the record is taken in again.

All happens in a transaction of the caller's. Whatever else keeps a record from being used keeps it in quarantine still;
what was said holds then for the next time.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from connector.ingest.merging import require_itself
from connector.ingest.replay import replay_arrived_in, replay_in
from connector.model.errors import InvalidInput
from connector.model.lifecycle import ReviewState
from connector.model.refs import EntityKind
from connector.sdk.adapter import Clock
from connector.storage.database.drafts import load_drafts
from connector.storage.database.engine import Transaction
from connector.storage.sources.quarantine import newest_entry_of
from connector.storage.sources.refs import RefState, known_refs, live_refs, lock_ingest, write_refs
from connector.storage.sources.reviews import ReviewRow, decide_review, open_about, review_row


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a review. asset_id: the device that the record stands for now, None when there is none yet.

    is_applied: whether the record could be used; else it waits in quarantine for something else.
    """

    review_id: int
    state: ReviewState
    asset_id: int | None
    is_applied: bool


async def link_identity(
    tx: Transaction, review_id: int, asset_id: int, *, actor: str, reason: str | None, clock: Clock
) -> Decided:
    """The record of a review is about this device, whether the rules found it or not.

    Raises NotKnown, IllegalTransition when it is decided, and InvalidInput for a device that the same source knows by
    another reference: what it knows as two are two.
    """
    await lock_ingest(tx)
    review = await review_row(tx, review_id)
    await require_itself(tx, (await load_drafts(tx, EntityKind.ASSET, {asset_id})).get(asset_id), asset_id)
    known = (await known_refs(tx, review.source_id, [(EntityKind.ASSET, review.external_id)])).get(
        (EntityKind.ASSET, review.external_id)
    )
    own = known.id if known is not None else None
    others = (await live_refs(tx, EntityKind.ASSET, [asset_id])).get(asset_id, set())
    if any(source_id == review.source_id and ref_id != own for source_id, ref_id in others):
        raise InvalidInput(
            f"source {review.source!r} has another record of asset {asset_id}: what it knows as two devices are two",
            hint="Say that it is a device of its own, or delete one of the records over there.",
        )
    await decide_review(
        tx, review_id, ReviewState.LINKED, asset_id=asset_id, actor=actor, reason=reason, at=clock.now()
    )
    state = RefState(own, EntityKind.ASSET, review.external_id, asset_id, None, b"")
    await write_refs(tx, review.source_id, [state])
    return await _take_in(tx, review, actor=actor, clock=clock, affected=asset_id)


async def separate_identity(
    tx: Transaction, review_id: int, *, actor: str, reason: str | None, clock: Clock
) -> Decided:
    """The record of a review is about a device of its own. Raises NotKnown, IllegalTransition when it is decided."""
    await lock_ingest(tx)
    review = await decide_review(tx, review_id, ReviewState.SEPARATE, actor=actor, reason=reason, at=clock.now())
    return await _take_in(tx, review, actor=actor, clock=clock)


async def dismiss_review(tx: Transaction, review_id: int, *, actor: str, reason: str, clock: Clock) -> Decided:
    """Nobody is to be asked about this record while all that is known of it stays as it is.

    It is tried once more: what has become clear meanwhile is settled instead.
    Raises NotKnown, IllegalTransition when it is decided.
    """
    await lock_ingest(tx)
    review = await review_row(tx, review_id)
    is_applied = await _try_again(tx, review, actor=actor, clock=clock)
    if not is_applied:
        await decide_review(tx, review_id, ReviewState.DISMISSED, actor=actor, reason=reason, at=clock.now())
    now = await review_row(tx, review_id)
    return Decided(review_id, now.state, now.asset_id, is_applied)


async def _take_in(
    tx: Transaction, review: ReviewRow, *, actor: str, clock: Clock, affected: int | None = None
) -> Decided:
    """Use the record, and whatever waits for it or has become clear by what was said. affected: the device."""
    is_applied = await _try_again(tx, review, actor=actor, clock=clock)
    now = await review_row(tx, review.id)
    if is_applied:
        await replay_arrived_in(tx, review.source_id, actor=actor, clock=clock)
    entries: defaultdict[int, list[int]] = defaultdict(list)
    for asset_id in {affected, now.asset_id} - {None}:
        for source_id, entry_id in await open_about(tx, asset_id or 0):
            entries[source_id].append(entry_id)
    for source_id, ids in entries.items():
        await replay_in(tx, source_id, ids, actor=actor, clock=clock)
    return Decided(review.id, now.state, now.asset_id, is_applied)


async def _try_again(tx: Transaction, review: ReviewRow, *, actor: str, clock: Clock) -> bool:
    entry = await newest_entry_of(tx, review.source_id, f"{EntityKind.ASSET.value}:{review.external_id}")
    return entry is not None and bool(await replay_in(tx, review.source_id, [entry], actor=actor, clock=clock))
