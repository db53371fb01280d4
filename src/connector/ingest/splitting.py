"""Records that were wrongly linked to a device become a device of their own, in the caller's transaction.

What they state makes the new device; the old one is what is stated of it without them. That they are two is kept as an
identity review with its answer, and the records stand for the new device from now on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connector.ingest.golden import set_field
from connector.ingest.merging import ask_again, require_itself
from connector.ingest.reviews import told_comparison, told_facts
from connector.ingest.work import Work
from connector.ingest.working_out import chosen, follow, follow_events, only, place_new
from connector.model.errors import InvalidInput
from connector.model.naming import host_key
from connector.model.refs import EntityKind
from connector.rules.golden.choosing import Precedence
from connector.rules.golden.fields import FIELDS
from connector.rules.identity.facts import DeviceFacts, KnownDevice
from connector.sdk.adapter import Clock
from connector.storage.database.drafts import Draft, load_drafts
from connector.storage.database.engine import Transaction
from connector.storage.golden.conflicts import note_conflicts
from connector.storage.golden.evidence import Told, gather
from connector.storage.merging.holds import holds_of
from connector.storage.merging.records import Record, RecordRow, move_records, records_of_device
from connector.storage.sources.macs import macs_of
from connector.storage.sources.refs import lock_ingest
from connector.storage.sources.reviews import NewCandidate, put_separation
from connector.storage.stock.book import recount_shelves, shelf_of

MOST: Final = 100
"""Records that are split off at a time."""
_KIND: Final = EntityKind.ASSET


@dataclass(frozen=True, slots=True)
class Split:
    """A device that was split. new_id: what was split off; reviews: what says of each record that it is another."""

    asset_id: int
    new_id: int
    review_ids: list[int]


async def split_asset(
    tx: Transaction, asset_id: int, records: Sequence[Record], *, reason: str, actor: str, clock: Clock
) -> Split:
    """Make a device of these records of a device.

    Raises InvalidInput without a reason, without records, for one that is not of the device, and where none would be
    left; NotKnown; IllegalTransition for a device that is merged into another one.
    """
    if not reason.strip():
        raise InvalidInput("a reason is needed: it is kept with the split", hint="Write why they are two devices.")
    if not 0 < len(records) <= MOST:
        raise InvalidInput(f"{len(records)} records are to be split off", hint=f"Name 1 to {MOST}.")
    await lock_ingest(tx)
    at = clock.now()
    old = await require_itself(tx, (await load_drafts(tx, _KIND, {asset_id})).get(asset_id), asset_id)
    leaving, staying = await _refs(tx, asset_id, records)
    in_use = bool((await holds_of(tx, [asset_id])).get(asset_id))
    was = await gather(tx, _KIND, [asset_id])
    both = was.things[asset_id]
    apart = {(ref.record.source, ref.record.external_id) for ref in leaving}
    theirs, rest = only(both, apart, overrides={}), only(both, both.by_ref.keys() - apart)
    work = Work(tx=tx, source_id=0, actor=actor, cause=f"split of asset {asset_id}: {reason.strip()}", at=at)
    new = _made(theirs, was.precedence, beside=old.after)
    work.shelves |= {shelf for draft in (old, new) if (shelf := shelf_of(draft.after)) is not None}
    await work.write(_KIND, [new])
    new = (await load_drafts(tx, _KIND, {new.id}))[new.id]

    macs = await macs_of(tx, [asset_id])
    relations = await move_records(tx, asset_id, new.id, leaving, staying, actor=actor, cause=work.cause, at=at)
    for kind, names in relations.items():
        old.notes[kind], new.notes[kind] = (names, None), (None, names)
    follow(work, old, both, rest, was.precedence, keeps_product=in_use)
    if not in_use:
        follow_events(work, old, both, rest, was.precedence)
    await _note_addresses(work, old, new, macs)
    if (shelf := shelf_of(old.after)) is not None:
        work.shelves.add(shelf)
    await work.write(_KIND, [old, new])
    await recount_shelves(tx, work.shelves, actor=actor, cause=work.cause, at=at)
    things = (await gather(tx, _KIND, [asset_id, new.id])).things
    await note_conflicts(tx, _KIND, things.items(), was.precedence, at=at)
    reviews = await _remember(work, old, new, leaving, reason=reason.strip())
    await ask_again(tx, [asset_id, new.id], actor=actor, clock=clock)
    return Split(asset_id, new.id, reviews)


async def _refs(tx: Transaction, asset_id: int, records: Sequence[Record]) -> tuple[list[RecordRow], list[RecordRow]]:
    """The references that leave, and those that stay."""
    found = await records_of_device(tx, asset_id)
    known = {ref.record for ref in found}
    for record in records:
        if record not in known:
            raise InvalidInput(
                f"asset {asset_id} has no record {record.external_id!r} of {record.source!r}",
                hint="`sourceRecords` of the device has them: "
                + (", ".join(f"{each.source} {each.external_id}" for each in sorted(known, key=_name)) or "none")
                + ".",
            )
    leaving = [ref for ref in found if ref.record in set(records)]
    staying = [ref for ref in found if ref.record not in set(records)]
    if all(ref.is_deleted for ref in staying):
        raise InvalidInput(
            f"no record of asset {asset_id} would be left, so nothing would say what it is",
            hint="Split off fewer: what remains is the other device.",
        )
    if all(ref.is_deleted for ref in leaving):
        raise InvalidInput(
            "their sources have deleted all of these records, so nothing says what that device is",
            hint="Name a record that its source still has.",
        )
    return leaving, staying


def _name(record: Record) -> tuple[str, str]:
    return record.source, record.external_id


def _made(told: Told, precedence: Precedence, *, beside: Mapping[str, Any]) -> Draft:
    """The device that records are about."""
    new = Draft(_KIND, before=None, after={})
    for name, field in FIELDS[_KIND].items():
        said = None if field.is_event else chosen(told, name, precedence)
        if said is not None:
            set_field(new, field, said)
    place_new(new, told, precedence, beside=beside)
    return new


async def _note_addresses(
    work: Work, old: Draft, new: Draft, before: Mapping[int, Mapping[int, frozenset[str]]]
) -> None:
    after = await macs_of(work.tx, [old.id, new.id])
    had, own, other = (
        frozenset[str]().union(*macs.get(draft.id, {}).values())
        for macs, draft in ((before, old), (after, old), (after, new))
    )
    if had != own:
        old.notes["macs"] = (sorted(had), sorted(own))
    if other:
        new.notes["macs"] = ([], sorted(other))


async def _remember(work: Work, old: Draft, new: Draft, leaving: Sequence[RecordRow], *, reason: str) -> list[int]:
    """Keep that the records are about a device of their own, with what they state beside the one that they left."""
    known = KnownDevice(old.id, await _facts(work.tx, old), old.after["name"], is_retired=False)
    facts = await _facts(work.tx, new)
    return [
        await put_separation(
            work.tx,
            ref.source_id,
            ref.record.external_id,
            new.id,
            name=new.after.get("name"),
            reason=f"it was split off asset {old.id}",
            stated=told_facts(facts),
            candidate=NewCandidate(old.id, (), told_comparison(facts, known)),
            actor=work.actor,
            decision_reason=reason,
            at=work.at,
        )
        for ref in leaving
    ]


async def _facts(tx: Transaction, draft: Draft) -> DeviceFacts:
    macs = (await macs_of(tx, [draft.id])).get(draft.id, {})
    row = draft.after
    return DeviceFacts(
        serial=row.get("serial"),
        asset_tag=row.get("asset_tag"),
        macs=frozenset[str]().union(*macs.values()),
        hostname=host_key(row.get("name")),
        site=row.get("site_id"),
        product=row.get("product_id"),
    )
