"""How a record is matched: every rule that is tried, what it compares, what it finds, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from pydantic import ValidationError

from connector.ingest.apply import unpack
from connector.ingest.devices import described, judge, record_facts
from connector.ingest.places import resolve_places
from connector.ingest.products import product_id, product_name, resolve_products
from connector.ingest.reviews import told_attempt, told_comparison, told_facts
from connector.ingest.work import Work
from connector.model.errors import NotKnown
from connector.model.naming import host_key
from connector.model.records import AssetRecord
from connector.model.refs import EntityKind
from connector.rules.golden.choosing import Teller
from connector.rules.golden.fields import FIELDS
from connector.rules.identity.facts import DeviceFacts, KnownDevice
from connector.rules.identity.match_rules import SOURCE_REFERENCE
from connector.rules.identity.matching import Outcome
from connector.storage.database.drafts import find_rows
from connector.storage.database.engine import Transaction
from connector.storage.golden.evidence import gather
from connector.storage.sources.macs import macs_of
from connector.storage.sources.quarantine import newest_entry_of, quarantine_entry
from connector.storage.sources.refs import known_refs
from connector.storage.sources.reviews import open_review_of
from connector.storage.sources.sources import source_ids

Basis: TypeAlias = Literal["quarantine", "record", "device"]


@dataclass(frozen=True, slots=True)
class MatchExplanation:
    """Why a record is, or would be, taken for which device.

    basis: what is compared: a record in quarantine, the record as the source last stated it, or, where that is not
    kept, what the hub has of its device. attempts: as JSON, the reference first, then the rules in their order.
    candidates: every device that a rule finds, with what agrees and what differs. review: the open question about it.
    """

    source: str
    external_id: str
    basis: Basis
    stated: Mapping[str, Any]
    attempts: Sequence[Mapping[str, Any]]
    candidates: Sequence[Mapping[str, Any]]
    outcome: Outcome
    asset_id: int | None
    reason: str
    review: int | None


async def explain_match(tx: Transaction, source: str, external_id: str, *, at: datetime) -> MatchExplanation:
    """Explain how a record of a source is matched; nothing is written. at: now.

    The record that waits in quarantine is looked at, or else the device that it stands for.
    Raises NotKnown for a source or a record that the hub has never seen.
    """
    sources = await source_ids(tx)
    if source not in sources:
        known = ", ".join(sorted(sources)) or "none"
        raise NotKnown(f"there is no source {source!r}", hint=f"There are: {known}.")
    source_id, key = sources[source], (EntityKind.ASSET, external_id)
    ref = (await known_refs(tx, source_id, [key])).get(key)
    asset_id = ref.entity_id if ref is not None else None
    entry = await newest_entry_of(
        tx, source_id, f"{EntityKind.ASSET.value}:{external_id}", is_open=asset_id is not None
    )
    notes: list[str] = []
    facts: DeviceFacts | None = None
    basis: Basis = "quarantine"
    if entry is not None:
        facts, notes = await _recorded(tx, source_id, entry, at=at)
    if facts is None and ref is not None and asset_id is not None:
        facts, basis = await _kept(tx, source_id, (source, external_id), asset_id)
    if facts is None:
        raise NotKnown(
            f"source {source!r} has told of no device {external_id!r}",
            hint="A record is explained by the id that its source gives it, as `sourceRecords` of a device has it.",
        )
    judged = (await judge(tx, source_id, {external_id: facts}, own=asset_id))[external_id]
    verdict = judged.verdict
    found = {i: judged.devices[i] for attempt in verdict.attempts for i in attempt.found}
    outcome, told, reason = verdict.outcome, verdict.device, verdict.reason
    if asset_id is not None:
        outcome, told, reason = "link", asset_id, "its source's reference is known, which settles it"
    attempts = [_by_reference(external_id, asset_id), *(told_attempt(attempt) for attempt in verdict.attempts)]
    return MatchExplanation(
        source=source,
        external_id=external_id,
        basis=basis,
        stated=told_facts(judged.facts),
        attempts=attempts,
        candidates=await _compared(tx, judged.facts, list(found.values()), attempts),
        outcome=outcome,
        asset_id=told,
        reason=". ".join([reason, *notes]),
        review=await open_review_of(tx, source_id, external_id),
    )


async def _recorded(
    tx: Transaction, source_id: int, entry_id: int, *, at: datetime
) -> tuple[DeviceFacts | None, list[str]]:
    """What a record in quarantine states, as far as the hub knows what it refers to, and what it does not know."""
    entry = await quarantine_entry(tx, entry_id)
    try:
        record = unpack(entry.record or {})
    except (ValidationError, KeyError):
        return None, []
    if not isinstance(record, AssetRecord):
        return None, []
    work = Work(tx=tx, source_id=source_id, actor="explain", cause="explain", at=at)
    products = await resolve_products(work, [record.product], make=False)
    places = await resolve_places(work, [record.place] if record.place is not None else [])
    found = product_id(products, record.product) if record.product is not None else None
    place = places.get((record.place.kind, record.place.external_id)) if record.place is not None else None
    notes: list[str] = []
    if record.product is not None and found is None:
        notes.append(f"{product_name(record.product)} is not known, so its maker is not compared")
    if record.place is not None and place is None:
        notes.append(f"{record.place} is not known, so its site is not compared")
    return record_facts(record, found, place), notes


async def _kept(tx: Transaction, source_id: int, teller: Teller, asset_id: int) -> tuple[DeviceFacts, Basis]:
    """What a source last stated of a device; what the hub has of it where that is not kept."""
    columns = ("serial", "asset_tag", "name", "site_id", "product_id")
    [row] = await find_rows(tx, EntityKind.ASSET, "id", [asset_id], columns=columns)
    by_ref = (await gather(tx, EntityKind.ASSET, [asset_id])).things[asset_id].by_ref
    said = by_ref.get(teller)
    if said is not None:
        stated = {
            column: value
            for name, statement in said.items()
            for column, value in zip(FIELDS[EntityKind.ASSET][name].columns, statement.values, strict=True)
        }
        row = {column: stated.get(column) for column in columns}
    by_source = (await macs_of(tx, [asset_id])).get(asset_id, {})
    told = by_source.values() if said is None else [by_source.get(source_id, frozenset[str]())]
    facts = DeviceFacts(
        serial=row["serial"],
        asset_tag=row["asset_tag"],
        macs=frozenset[str]().union(*told),
        hostname=host_key(row["name"]),
        site=row["site_id"],
        product=row["product_id"],
    )
    return facts, "device" if said is None else "record"


async def _compared(
    tx: Transaction, facts: DeviceFacts, devices: Sequence[KnownDevice], attempts: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    macs = await macs_of(tx, [device.id for device in devices])
    whole = [device.with_macs(frozenset[str]().union(*macs.get(device.id, {}).values())) for device in devices]
    return [
        {
            "asset_id": device.id,
            "name": described(device),
            "rules": [attempt["rule"] for attempt in attempts if device.id in attempt["found"]],
            "facts": told_comparison(facts, device),
        }
        for device in sorted(whole, key=lambda device: device.id)
    ]


def _by_reference(external_id: str, asset_id: int | None) -> dict[str, Any]:
    return {
        "rule": SOURCE_REFERENCE,
        "compared": {"reference": [external_id]},
        "found": [asset_id] if asset_id is not None else [],
        "left_out": [],
        "note": None if asset_id is not None else "no device is known by this reference",
    }
