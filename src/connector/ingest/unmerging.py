"""A merge is taken back: two devices again, each as it was, as far as nothing has changed since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from connector.ingest.golden import put
from connector.ingest.merging import GONE, related
from connector.ingest.overriding import NOTE
from connector.ingest.work import Work
from connector.ingest.working_out import (
    PLACEMENT,
    chosen,
    follow_events,
    follow_field,
    place_new,
    said_of_field,
    told_again,
)
from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.lifecycle import AssetState
from connector.model.refs import EntityKind
from connector.rules.golden.choosing import Precedence
from connector.rules.golden.fields import FIELDS
from connector.storage.database.drafts import Draft, load_drafts
from connector.storage.database.engine import Transaction
from connector.storage.database.rows import json_value
from connector.storage.golden.conflicts import note_conflicts
from connector.storage.golden.evidence import Told, gather
from connector.storage.merging.holds import holds_of
from connector.storage.merging.journal import from_json
from connector.storage.merging.merges import MergeRow, end_merge, later_merge_into, merge_row, standing_merge_of
from connector.storage.merging.taking_back import TakenBack, move_back, put_back_conflicts
from connector.storage.sources.macs import macs_of
from connector.storage.sources.refs import lock_ingest
from connector.storage.stock.book import close_books, recount_shelves, shelf_of
from connector.storage.tables import asset

_KIND: Final = EntityKind.ASSET
_FIELDS: Final = FIELDS[_KIND]
_EVENTS: Final = tuple(name for name, field in _FIELDS.items() if field.is_event)
_STAYS: Final = "it was changed since"


@dataclass(frozen=True, slots=True)
class Undone:
    """A merge that was taken back. stayed: what the kept device keeps, each with what it is, its id and why."""

    merge_id: int
    kept_id: int
    merged_id: int
    stayed: list[dict[str, Any]]


async def undo_merge(tx: Transaction, merge_id: int, *, reason: str, actor: str, at: datetime) -> Undone:
    """Take a merge back: what it moved and what still is as it left it goes back, the rest stays and is told.

    Raises InvalidInput without a reason, NotKnown, and IllegalTransition for a merge that was taken back already or
    that others were built upon.
    """
    if not reason.strip():
        raise InvalidInput("a reason is needed: it is kept with the merge", hint="Write why they are two devices.")
    await lock_ingest(tx)
    merge = await merge_row(tx, merge_id)
    drafts = await load_drafts(tx, _KIND, {merge.kept_id, merge.merged_id})
    kept, merged = drafts[merge.kept_id], drafts[merge.merged_id]
    await _require_standing(tx, merge, kept)
    changes = {entry["id"]: entry["columns"] for entry in merge.journal["entries"] if entry["table"] == "asset"
               and entry["did"] == "changed"}  # fmt: skip
    is_in_use = await _require_unmoved(tx, merge, kept, changes.get(kept.id, {}))
    work = Work(tx=tx, source_id=0, actor=actor, cause=f"undo of merge {merge_id}: {reason.strip()}", at=at)
    work.shelves |= {shelf for draft in (kept, merged) if (shelf := shelf_of(draft.after)) is not None}

    was = await gather(tx, _KIND, [kept.id, merged.id])
    macs = await macs_of(tx, [kept.id])
    back = await move_back(tx, merge.journal["entries"], merged.id, kept.id, actor=actor, cause=work.cause, at=at)
    conflicts = merge.journal["conflicts"]
    await put_back_conflicts(tx, conflicts["before"], conflicts["after"], [kept.id, merged.id])
    now = await gather(tx, _KIND, [kept.id, merged.id])
    both = was.things[kept.id]
    _restore_merged(work, merged, merge, now.things[merged.id], changes.get(merged.id, {}), now.precedence)
    restored = (merge, both, now.things[kept.id], changes.get(kept.id, {}), now.precedence, back)
    _restore_kept(work, kept, *restored)
    if not is_in_use:
        _place_kept(work, kept, *restored)
    for draft, side in ((kept, "kept"), (merged, "merged")):
        if draft is merged or not is_in_use:
            _follow_records(draft, told_again(merge.journal["said"][side]), now.things[draft.id], now.precedence, at=at)
    _note(kept, merged, macs, await macs_of(tx, [kept.id, merged.id]), both, now.things[kept.id], back)
    work.shelves |= {shelf for draft in (kept, merged) if (shelf := shelf_of(draft.after)) is not None}
    await work.write(_KIND, [kept, merged])
    await recount_shelves(tx, work.shelves, actor=actor, cause=work.cause, at=at)
    await close_books(tx, merge.journal["books"], actor=actor, cause=work.cause, at=at)
    await note_conflicts(tx, _KIND, now.things.items(), now.precedence, at=at)
    await end_merge(tx, merge_id, stayed=back.stayed, reason=reason.strip(), actor=actor, at=at)
    return Undone(merge_id, kept.id, merged.id, back.stayed)


async def _require_standing(tx: Transaction, merge: MergeRow, kept: Draft) -> None:
    if merge.undone_at is not None:
        raise IllegalTransition(f"merge {merge.id} was taken back already, by {merge.undone_by}")
    if kept.after["merged_into_id"] is not None:
        onto = await standing_merge_of(tx, kept.id)
        raise IllegalTransition(
            f"asset {kept.id}, which was kept, was merged into asset {kept.after['merged_into_id']} since",
            hint=f"Take merge {onto} back first.",
        )
    later = await later_merge_into(tx, kept.id, after=merge.id)
    if later is not None:
        raise IllegalTransition(
            f"another device was merged into asset {kept.id} since", hint=f"Take merge {later} back first."
        )


async def _require_unmoved(tx: Transaction, merge: MergeRow, kept: Draft, changes: Mapping[str, list[Any]]) -> bool:
    """Whether something goes on with the kept device by itself.

    Raises IllegalTransition where that makes it unclear which of the two it is about.
    """
    holds = {(hold.table, hold.id): hold for hold in (await holds_of(tx, [kept.id])).get(kept.id, ())}
    brought = {(table, row_id) for table, row_id in merge.journal["holds"]}
    words = {"reservation": "reservation", "loan": "loan", "rma": "return"}
    gone = sorted(brought - holds.keys())
    placed = {name: pair for name, pair in changes.items() if name in PLACEMENT}
    has_moved = any(json_value(kept.after[name]) != after for name, (_, after) in placed.items())
    if gone or (brought and has_moved):
        table, row_id = gone[0] if gone else min(brought)
        raise IllegalTransition(
            f"{words[table]} {row_id}, which merge {merge.id} moved, has gone on since: whether that was with asset "
            f"{kept.id} or with asset {merge.merged_id} is not known",
            hint="Split the records off that are not its own.",
        )
    own = [hold for key, hold in holds.items() if key not in brought]
    if own and ((placed and not has_moved) or "product_id" in changes):
        raise IllegalTransition(
            f"asset {kept.id} is {own[0].told} since, as what it is by merge {merge.id}",
            hint="See that through or take it back first.",
        )
    return bool(own)


def _restore_merged(
    work: Work, draft: Draft, merge: MergeRow, told: Told, changes: Mapping[str, list[Any]], precedence: Precedence
) -> None:
    """The merged device as it was, and what its records have said since."""
    draft.after |= from_json(asset, {name: before for name, (before, _) in changes.items()})
    said, overridden = told_again(merge.journal["said"]["merged"]), set(merge.journal["overrides"]["merged"])
    for name, field in _FIELDS.items():
        if field.is_event or name in told.overrides:
            continue
        holds = chosen(told, name, precedence)
        if name in overridden and holds is not None:
            put(work, draft, field, holds)
        elif said_of_field(said, name) != said_of_field(told, name):
            follow_field(work, draft, field, said, told, precedence)
    follow_events(work, draft, said, told, precedence)


def _restore_kept(
    work: Work,
    draft: Draft,
    merge: MergeRow,
    both: Told,
    told: Told,
    changes: Mapping[str, list[Any]],
    precedence: Precedence,
    back: TakenBack,
) -> None:
    """The kept device as it was, where it is as the merge left it; what its own records say, where it is not."""
    said = told_again(merge.journal["said"]["kept"])
    for name, field in _FIELDS.items():
        if field.is_event or name in told.overrides:
            continue
        pairs = {column: changes[column] for column in field.columns if column in changes}
        if not pairs:
            if said_of_field(both, name) != _at_the_merge(merge, name):
                follow_field(work, draft, field, both, told, precedence)
            continue
        holds = chosen(told, name, precedence)
        if not _is(draft.after, pairs):
            now = {column: draft.after[column] for column in field.columns}
            follow_field(work, draft, field, both, told, precedence)
            if now == {column: draft.after[column] for column in field.columns}:
                back.stays(f"field {name}", draft.id, _STAYS)
        elif holds is None or said_of_field(said, name) == said_of_field(told, name):
            draft.after |= from_json(asset, {column: first for column, (first, _) in pairs.items()})
        else:
            put(work, draft, field, holds)


def _place_kept(
    work: Work,
    draft: Draft,
    merge: MergeRow,
    both: Told,
    told: Told,
    changes: Mapping[str, list[Any]],
    precedence: Precedence,
    back: TakenBack,
) -> None:
    """The kept device where it was, unless it has been moved on since."""
    placed = {name: pair for name, pair in changes.items() if name in PLACEMENT}
    if placed and _is(draft.after, placed):
        draft.after |= from_json(asset, {name: before for name, (before, _) in placed.items()})
    elif placed:
        back.stays("placement", draft.id, _STAYS)
    elif any(said_of_field(both, name) != _at_the_merge(merge, name) for name in _EVENTS):
        follow_events(work, draft, both, told, precedence)


def _at_the_merge(merge: MergeRow, name: str) -> dict[tuple[str, str], tuple[Any, ...]]:
    sides = [told_again(merge.journal["said"][side]) for side in ("kept", "merged")]
    return said_of_field(sides[0], name) | said_of_field(sides[1], name)


def _is(row: Mapping[str, Any], pairs: Mapping[str, list[Any]]) -> bool:
    return all(json_value(row[name]) == after for name, (_, after) in pairs.items())


def _follow_records(draft: Draft, was: Told, now: Told, precedence: Precedence, *, at: datetime) -> None:
    """A device whose last record went since the merge is retired, and one that has a record again is back."""
    is_retired = draft.after["retired_at"] is not None
    if was.by_ref and not now.by_ref and not is_retired:
        draft.after["retired_at"] = at
        if draft.after["state"] not in GONE:
            draft.after["state"] = AssetState.RETIRED
    elif now.by_ref and not was.by_ref and is_retired:
        draft.after |= {"retired_at": None, "state": None}
        place_new(draft, now, precedence, beside=draft.after)


def _note(
    kept: Draft,
    merged: Draft,
    before: Mapping[int, Mapping[int, frozenset[str]]],
    after: Mapping[int, Mapping[int, frozenset[str]]],
    both: Told,
    told: Told,
    back: TakenBack,
) -> None:
    """What the change rows of the two say of rows that belong to them."""
    had, own = _addresses(before, kept.id), _addresses(after, kept.id)
    other = _addresses(after, merged.id)
    if had != own:
        kept.notes["macs"] = (sorted(had), sorted(own))
    if other:
        merged.notes["macs"] = ([], sorted(other))
    if both.overrides.keys() != told.overrides.keys():
        kept.notes[NOTE] = (sorted(both.overrides) or None, sorted(told.overrides) or None)
    for kind, names in related(back.went).items():
        kept.notes[kind] = (names, None)
        merged.notes[kind] = (None, names)


def _addresses(macs: Mapping[int, Mapping[int, frozenset[str]]], device: int) -> frozenset[str]:
    return frozenset[str]().union(*macs.get(device, {}).values())
