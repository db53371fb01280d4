"""What suppliers say of orders. Orders that the hub has not placed there are passed over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from connector.ingest.arrivals import Arrival
from connector.ingest.work import Work
from connector.model.lifecycle import PROCUREMENT_MOVES, PROCUREMENT_OPEN, PROCUREMENT_UNPLACED, ProcurementState
from connector.model.records import OrderRecord
from connector.model.refs import EntityKind
from connector.storage.database.drafts import Draft, load_drafts
from connector.storage.database.locks import lock_tickets
from connector.storage.sources.refs import RefKey
from connector.storage.tickets.supplier_orders import Meant, orders_meant

WITHDRAWN = "its supplier has it no more"
"""Why an order ends that was deleted there."""


async def settle_orders(work: Work, arrivals: Sequence[Arrival]) -> None:
    """Bring our orders to where their suppliers say they are.

    That goods were delivered is only noted: taking them in is the fulfilment's business, and begins with that note.
    """
    records = {a.key: a.record for a in arrivals if isinstance(a.record, OrderRecord)}
    matched = await _match(work, arrivals, records)
    await lock_tickets(work.tx, sorted({meant.ticket_id for meant in matched.values()}))
    drafts = await load_drafts(work.tx, EntityKind.PROCUREMENT, {meant.id for meant in matched.values()})
    for arrival in arrivals:
        if arrival.key not in matched:
            continue
        draft = drafts[matched[arrival.key].id]
        if draft.after["external_id"] not in (None, arrival.key[1]):
            continue  # somebody has copied the order over there: ours is the one that we know
        if draft.after["via"] is None:
            if draft.after["state"] is not ProcurementState.APPROVED:
                continue  # a person has placed another one
            draft.after["via"] = matched[arrival.key].source  # it was placed there, although nobody was told
        if not arrival.is_stale:
            _settle(work, draft, records[arrival.key])
            work.land(arrival, draft)
    await work.write(EntityKind.PROCUREMENT, drafts.values())


def withdraw(draft: Draft) -> None:
    """The supplier has deleted the order: nothing comes of it."""
    is_wanted = draft.after["is_wanted"]
    target = ProcurementState.REFUSED if is_wanted else ProcurementState.CANCELLED
    if target in PROCUREMENT_MOVES[draft.after["state"]]:
        draft.after |= {"state": target, "reason": WITHDRAWN if is_wanted else draft.after["reason"]}


def _settle(work: Work, draft: Draft, record: OrderRecord) -> None:
    after = draft.after
    if after["state"] not in PROCUREMENT_OPEN:
        return
    was_unplaced = after["state"] in PROCUREMENT_UNPLACED
    after["external_id"] = record.ref.external_id
    after["order_number"] = after["order_number"] or record.order_number
    for name in ("expected_at", "carrier", "tracking_number"):
        if getattr(record, name) is not None:
            after[name] = getattr(record, name)
    target = record.state
    if target is ProcurementState.REFUSED and not after["is_wanted"]:
        target = ProcurementState.CANCELLED
    if target is ProcurementState.RECEIVED:
        if after["delivered_at"] is None:
            after["delivered_at"] = record.updated_at or work.at
            draft.notes["serials"] = (None, list(record.serials))
        target = ProcurementState.SHIPPED
    if target in PROCUREMENT_MOVES[after["state"]]:
        after["state"] = target
        if target not in PROCUREMENT_OPEN and record.reason:
            after["reason"] = record.reason
    if was_unplaced and after["state"] in PROCUREMENT_OPEN:
        after["ordered_at"] = work.at


async def _match(work: Work, arrivals: Sequence[Arrival], records: Mapping[RefKey, OrderRecord]) -> dict[RefKey, Meant]:
    """Ours by the key, which only this hub can have given; else by the supplier's own name of the order."""
    meant = await orders_meant(
        work.tx,
        work.source_id,
        keys={record.key for record in records.values() if record.key is not None},
        external_ids={external_id for _, external_id in records},
    )
    by_key = {item.key: item for item in meant.values()}
    by_name = {item.external_id: item for item in meant.values() if item.external_id is not None}
    found: dict[RefKey, Meant] = {}
    for arrival in arrivals:
        record = records[arrival.key]
        ours = by_name.get(arrival.key[1]) or by_key.get(record.key or "")
        if ours is not None:
            found[arrival.key] = ours
    return found
