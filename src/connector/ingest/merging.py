"""Two records of one device become one, in the caller's transaction.

What hangs on the one goes over to the other; what the records state together says what the device's fields are. The
merged one stays as a row that leads on. All that was changed is kept, so that it can be taken back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from connector.ingest.overriding import NOTE
from connector.ingest.replay import replay_in
from connector.ingest.work import Work
from connector.ingest.working_out import PLACEMENT, WAITS_FOR_WIPE, as_told, fill_lacking, follow
from connector.model.errors import IllegalTransition, InvalidInput, NotKnown
from connector.model.lifecycle import AssetState
from connector.model.refs import EntityKind
from connector.sdk.adapter import Clock
from connector.storage.database.drafts import Draft, load_drafts
from connector.storage.database.engine import Transaction
from connector.storage.golden.conflicts import note_conflicts
from connector.storage.golden.evidence import Told, gather
from connector.storage.golden.overrides import end_override, standing_override
from connector.storage.merging.hanging import move_hanging
from connector.storage.merging.holds import Hold, holds_of, related_by, returned_by_both
from connector.storage.merging.journal import Entry, changed
from connector.storage.merging.merges import insert_merge, standing_merge_of
from connector.storage.merging.taking_back import as_known, conflicts_of
from connector.storage.sources.macs import macs_of
from connector.storage.sources.refs import lock_ingest
from connector.storage.sources.reviews import open_about
from connector.storage.stock.book import ON_SHELF, recount_shelves, shelf_of
from connector.storage.tables import field_override

MOST: Final = 20
"""Devices that are merged into one at a time."""
GONE: Final = frozenset({AssetState.RETIRED, AssetState.DISPOSED, AssetState.LOST})
_KIND: Final = EntityKind.ASSET


async def merge_assets(
    tx: Transaction, keep: int, merge: Sequence[int], *, reason: str, actor: str, clock: Clock
) -> list[int]:
    """Make these devices one; returns a merge for each of those that are not kept, in their order.

    Raises InvalidInput without a reason or without two devices, NotKnown, and IllegalTransition where they cannot be
    one device or one of them is another one already: nothing is changed then.
    """
    if not reason.strip():
        raise InvalidInput("a reason is needed: it is kept with the merge", hint="Write why they are one device.")
    if not 0 < len(merge) <= MOST:
        raise InvalidInput(f"{len(merge)} devices are to be merged into one", hint=f"Name 1 to {MOST}.")
    if len({keep, *merge}) <= len(merge):
        raise InvalidInput("a device is named twice", hint="Name the one that is kept, and each of the others once.")
    await lock_ingest(tx)
    await load_drafts(tx, _KIND, {keep, *merge})
    done = [await _merge(tx, keep, other, reason=reason.strip(), actor=actor, at=clock.now()) for other in merge]
    await ask_again(tx, [keep], actor=actor, clock=clock)
    return done


async def ask_again(tx: Transaction, devices: Sequence[int], *, actor: str, clock: Clock) -> None:
    """Look again at records that may be about these devices: which one it is may have become clear."""
    entries: defaultdict[int, set[int]] = defaultdict(set)
    for device in devices:
        for source_id, entry_id in await open_about(tx, device):
            entries[source_id].add(entry_id)
    for source_id, ids in entries.items():
        await replay_in(tx, source_id, sorted(ids), actor=actor, clock=clock)


async def require_itself(tx: Transaction, draft: Draft | None, device: int) -> Draft:
    """The device. Raises NotKnown, and IllegalTransition for one that has been merged into another."""
    if draft is None:
        raise NotKnown(f"there is no asset with id {device}")
    if draft.after["merged_into_id"] is not None:
        merge = await standing_merge_of(tx, device)
        raise IllegalTransition(
            f"asset {device} was merged into asset {draft.after['merged_into_id']} (merge {merge})",
            hint="Name that one, or take the merge back first.",
        )
    return draft


async def _merge(tx: Transaction, keep: int, other: int, *, reason: str, actor: str, at: datetime) -> int:
    both = [keep, other]
    drafts = await load_drafts(tx, _KIND, both)
    kept, merged = [await require_itself(tx, drafts.get(each), each) for each in both]
    holds = await holds_of(tx, both)
    await _require_one_device(tx, kept, merged, holds)
    work = Work(tx=tx, source_id=0, actor=actor, cause=f"merge: {reason}", at=at)
    work.shelves |= {shelf for draft in (kept, merged) if (shelf := shelf_of(draft.after)) is not None}
    was = await gather(tx, _KIND, both)
    conflicts = await conflicts_of(tx, both)
    macs = await macs_of(tx, both)
    given_way = await _give_way(tx, was.things[keep], was.things[other], other, actor=actor, at=at)
    moved = await move_hanging(tx, other, keep, actor=actor, cause=work.cause, at=at)
    now = await gather(tx, _KIND, both)
    told = now.things[keep]
    in_use = bool(holds.get(keep) or holds.get(other))
    follow(work, kept, was.things[keep], told, now.precedence, keeps_product=in_use)
    fill_lacking(work, kept, merged.after, told)
    if in_use and kept.after["product_id"] is None:
        kept.after["product_id"] = merged.after["product_id"]
    if _goes_by(kept, merged, holds):
        kept.after |= {name: merged.after[name] for name in PLACEMENT}
    if merged.after["state"] not in GONE:
        merged.after["state"] = AssetState.RETIRED
    merged.after |= {"merged_into_id": keep, "retired_at": merged.after["retired_at"] or at}
    _note(kept, merged, was.things[keep], told, macs, moved.entries)
    work.shelves |= {shelf for draft in (kept, merged) if (shelf := shelf_of(draft.after)) is not None}
    entries = [*given_way, *(changed("asset", draft.id, draft.changed()) for draft in (kept, merged)), *moved.entries]
    await work.write(_KIND, [kept, merged])
    begun = await recount_shelves(tx, work.shelves, actor=actor, cause=work.cause, at=at)
    await note_conflicts(tx, _KIND, now.things.items(), now.precedence, at=at)
    journal = {
        "entries": entries,
        "said": {"kept": as_told(was.things[keep]), "merged": as_told(was.things[other])},
        "overrides": {"kept": sorted(was.things[keep].overrides), "merged": sorted(was.things[other].overrides)},
        "conflicts": {
            "before": [as_known(row) for row in conflicts],
            "after": [as_known(row) for row in await conflicts_of(tx, both)],
        },
        "holds": [[hold.table, hold.id] for hold in holds.get(other, ())],
        "books": begun,
    }
    counts = {word: count for word, count in moved.counts.items() if count}
    return await insert_merge(tx, keep, other, moved=counts, journal=journal, reason=reason, actor=actor, at=at)


async def _require_one_device(tx: Transaction, kept: Draft, merged: Draft, holds: Mapping[int, list[Hold]]) -> None:
    """Raises IllegalTransition with everything that says that they are two devices."""
    against: list[str] = []
    own, others = holds.get(kept.id, []), holds.get(merged.id, [])
    if own and others:
        told = [f"asset {of} is {' and '.join(hold.told for hold in each)}" for of, each in
                ((kept.id, own), (merged.id, others))]  # fmt: skip
        against.append(", ".join(told))
    products = {kept.after["product_id"], merged.after["product_id"]} - {None}
    if (own or others) and len(products) > 1:
        held = kept if own else merged
        against.append(f"they are different products, and asset {held.id} is {(own or others)[0].told}")
    both = await returned_by_both(tx, kept.id, merged.id)
    if both:
        against.append(f"{' and '.join(both)} has a return of each of them")
    for waiting, free in ((kept, others), (merged, own)):
        if waiting.after["state"] in WAITS_FOR_WIPE and free:
            against.append(f"asset {waiting.id} waits for a wipe, and the other is {free[0].told}")
    related = await related_by(tx, kept.id, merged.id)
    if related:
        against.append(f"{' and '.join(map(repr, related))} relates them to each other")
    if against:
        raise IllegalTransition(
            f"asset {merged.id} cannot be merged into asset {kept.id}: {'; '.join(against)}",
            hint="See these through, take them back or correct them at their source first.",
        )


def _goes_by(kept: Draft, merged: Draft, holds: Mapping[int, list[Hold]]) -> bool:
    """Whether the device is where the merged record says it is: where it is in use, or the kept one no longer is."""
    if holds.get(merged.id) or holds.get(kept.id):
        return bool(holds.get(merged.id))
    gone, other_gone = (each.after["retired_at"] is not None or each.after["state"] in GONE for each in (kept, merged))
    if gone or other_gone:
        return gone and not other_gone
    return merged.after["state"] in WAITS_FOR_WIPE and kept.after["state"] in ON_SHELF


async def _give_way(tx: Transaction, kept: Told, merged: Told, device: int, *, actor: str, at: datetime) -> list[Entry]:
    """End overrides of fields that are overridden on the device that is kept as well."""
    entries: list[Entry] = []
    for name in sorted(kept.overrides.keys() & merged.overrides.keys()):
        stands = await standing_override(tx, _KIND, device, name)
        if stands is not None:
            await end_override(tx, stands.id, by=actor, at=at)
            ended: dict[str, tuple[Any, Any]] = {"released_at": (None, at), "released_by": (None, actor)}
            entries.append(changed(field_override.name, stands.id, ended))
    return entries


def _note(
    kept: Draft,
    merged: Draft,
    was: Told,
    now: Told,
    macs: Mapping[int, Mapping[int, frozenset[str]]],
    entries: Sequence[Entry],
) -> None:
    """What the change rows of the two say of rows that belong to them."""
    own, other = (frozenset[str]().union(*macs.get(each.id, {}).values()) for each in (kept, merged))
    if other:
        merged.notes["macs"] = (sorted(other), [])
    if other - own:
        kept.notes["macs"] = (sorted(own), sorted(own | other))
    if was.overrides.keys() != now.overrides.keys():
        kept.notes[NOTE] = (sorted(was.overrides) or None, sorted(now.overrides) or None)
    for kind, names in related(entries).items():
        merged.notes[kind] = (names, None)
        kept.notes[kind] = (None, names)


def related(entries: Sequence[Entry]) -> dict[str, list[str]]:
    """Kind of relation -> what moved relations of a device lead to, as their sources call it."""
    found: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        if entry["did"] == "moved" and entry["table"] == "asset_relation" and entry["columns"] == ["asset_id"]:
            found[entry["same"]["kind"]].append(entry["same"]["external_id"])
    return {kind: sorted(names) for kind, names in found.items()}
