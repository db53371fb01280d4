"""What couriers report of parcels. Reports come late, twice and in any order."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from connector.ingest.arrivals import Arrival
from connector.ingest.work import Work
from connector.model.lifecycle import SHIPMENT_MOVES, ShipmentStatus
from connector.model.records import ShipmentRecord, TrackingEvent
from connector.model.refs import EntityKind
from connector.storage.database.drafts import Draft, load_drafts
from connector.storage.shipments.tracking import Parcel, Scan, find_parcels, record_scans, recorded_scans
from connector.storage.sources.refs import RefKey

PROGRESS = {status: number for number, status in enumerate(ShipmentStatus)}
"""Which of two scans of the same moment comes first."""


async def settle_shipments(work: Work, arrivals: Sequence[Arrival]) -> None:
    """Add scans to the parcels that they are of, and move each parcel to where its scans have brought it.

    A report that is older than the last one still adds its scans, and nothing else.
    """
    records = {a.key: a.record for a in arrivals if isinstance(a.record, ShipmentRecord)}
    matched = await _match(work, arrivals, records)
    drafts = await load_drafts(work.tx, EntityKind.SHIPMENT, set(matched.values()))
    scans = await recorded_scans(work.tx, drafts.keys())
    added: list[tuple[int, Scan]] = []
    for arrival in arrivals:
        if arrival.key not in matched:
            continue
        record = records[arrival.key]
        draft = drafts[matched[arrival.key]]
        seen = scans.setdefault(draft.id, [])
        new = {scan.fingerprint: scan for scan in map(scan_of, record.events)}
        for fingerprint in new.keys() & {scan.fingerprint for scan in seen}:
            del new[fingerprint]
        if new:
            before = draft.notes.get("events", (len(seen), 0))[0]
            draft.notes["events"] = (before, len(seen) + len(new))
        seen.extend(new.values())
        added.extend((draft.id, scan) for scan in new.values())
        _move(draft, record, seen, is_stale=arrival.is_stale)
        if not arrival.is_stale:
            work.land(arrival, draft)
    await record_scans(work.tx, added, at=work.at)
    await work.write(EntityKind.SHIPMENT, drafts.values())


def scan_of(event: TrackingEvent) -> Scan:
    """The scan that an event reports; its fingerprint is made of what the courier itself says.

    Where it has its own word for the scan, our status does not count: Karrio reads the same word as something else
    once a later scan is known.
    """
    word = event.vendor_code or event.status.value
    parts = (word, event.description, event.location, event.occurred_at.isoformat())
    fingerprint = hashlib.sha256("\x1f".join(part or "" for part in parts).encode()).hexdigest()
    return Scan(event.status, event.vendor_code, event.description, event.location, event.occurred_at, fingerprint)


def status_after(scans: Iterable[Scan]) -> ShipmentStatus:
    """Where its scans, in the order of their happening, have brought a parcel; illegal moves are passed over."""
    status = ShipmentStatus.LABEL_CREATED
    for scan in sorted(scans, key=lambda scan: (scan.occurred_at, PROGRESS[scan.status])):
        if scan.status in SHIPMENT_MOVES[status]:
            status = scan.status
    return status


def _move(draft: Draft, record: ShipmentRecord, scans: Sequence[Scan], *, is_stale: bool) -> None:
    target = status_after(scans)
    if not is_stale and record.status in SHIPMENT_MOVES[target]:
        target = record.status
    if target in SHIPMENT_MOVES[draft.after["status"]]:
        draft.after["status"] = target
    delivered = [scan.occurred_at for scan in scans if scan.status is ShipmentStatus.DELIVERED]
    if delivered:
        draft.after["delivered_at"] = min(delivered)
    elif draft.after["status"] is ShipmentStatus.DELIVERED and draft.after["delivered_at"] is None:
        draft.after["delivered_at"] = record.updated_at
    if is_stale:
        return
    if record.estimated_delivery_at is not None:
        draft.after["estimated_delivery_at"] = record.estimated_delivery_at
    for column in ("carrier", "tracking_number"):
        if draft.after[column] is None:
            draft.after[column] = getattr(record, column)


async def _match(
    work: Work, arrivals: Sequence[Arrival], records: Mapping[RefKey, ShipmentRecord]
) -> dict[RefKey, int]:
    found = {a.key: a.known.entity_id for a in arrivals if a.known and a.known.entity_id is not None}
    rest = [a for a in arrivals if a.key not in found]
    if not rest:
        return found
    parcels = await find_parcels(
        work.tx,
        work.source_id,
        external_ids={a.key[1] for a in rest},
        tracking_numbers={records[a.key].tracking_number for a in rest},
    )
    by_number: dict[str | None, list[Parcel]] = defaultdict(list)
    for parcel in parcels:
        by_number[parcel.tracking_number].append(parcel)
    by_external = {p.external_id: p for p in parcels if p.external_id is not None and p.source_id == work.source_id}
    for arrival in rest:
        number = records[arrival.key].tracking_number
        candidates = by_number.get(number, [])
        if arrival.key[1] in by_external:
            found[arrival.key] = by_external[arrival.key[1]].id
        elif len(candidates) == 1:
            found[arrival.key] = candidates[0].id
        elif candidates:
            ids = " and ".join(str(parcel.id) for parcel in candidates)
            work.refuse(
                arrival,
                f"tracking number {number!r} is on several shipments: {ids}. Correct it in all but one.",
                path="/tracking_number",
            )
        else:
            name = f"the shipment of tracking number {number!r}"
            work.refuse_unknown(arrival, name, f"shipment:{number}", path="/tracking_number")
    return found
