"""Counted stock: a spreadsheet's or an ERP's book of a shelf."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from connector.ingest.arrivals import Arrival
from connector.ingest.products import product_id, product_name, resolve_products, waits_for_product
from connector.ingest.work import Work, by_key
from connector.model.kinds import Tracking
from connector.model.records import StockRecord
from connector.model.refs import EntityKind, SourceRef
from connector.storage.aliases.lookup import names_of_places
from connector.storage.database.drafts import Draft, Values, load_drafts
from connector.storage.stock.book import Shelf, shelf_drafts, units_in_hubs

_LEVELS = ("reorder_point", "target", "safety_stock", "emergency_buffer")
"""What a shelf should hold and keep, as its source says it."""


@dataclass(frozen=True, slots=True)
class Counting:
    """A count with the shelf that it is of."""

    arrival: Arrival
    record: StockRecord
    shelf: Shelf


async def settle_stock(work: Work, arrivals: Sequence[Arrival]) -> None:
    """Enter counts into the books.

    A product whose units are not known by serial in any hub becomes a counted one with its first count, so that a
    team that only counts needs no serials. Where units are known by serial, those are the book: a count that
    differs is refused, one that agrees may set reorder point, target, safety
    stock and emergency buffer.
    """
    countings = await _refer(work, arrivals)
    products = await load_drafts(work.tx, EntityKind.PRODUCT, {counting.shelf.product_id for counting in countings})
    serialised = {i for i, draft in products.items() if draft.after["tracking"] is Tracking.SERIALISED}
    units = await units_in_hubs(work.tx, serialised)
    for entity_id in serialised - units.keys():
        products[entity_id].after["tracking"] = Tracking.COUNTED
    await work.write(EntityKind.PRODUCT, products.values())

    drafts = await shelf_drafts(work.tx, {counting.shelf for counting in countings})
    changes: list[tuple[Arrival, Draft, Values]] = []
    for counting in countings:
        shelf = counting.shelf
        draft = drafts.get(shelf)
        if draft is None:
            draft = Draft(EntityKind.STOCK, before=None, after={**shelf._asdict(), "on_hand": 0, "reserved": 0})
        if not _enter(work, counting, draft, units.get(shelf.product_id, 0)):
            continue
        drafts[shelf] = draft
        record = counting.record
        counted_at = record.counted_at or record.updated_at
        values = {**{name: getattr(record, name) for name in _LEVELS}, "counted_at": counted_at}
        changes.append((counting.arrival, draft, values))
        work.land(counting.arrival, draft, placement=_statement(record))
    await work.merge(changes)
    await work.write(EntityKind.STOCK, [draft for _, draft, _ in changes])


def _enter(work: Work, counting: Counting, draft: Draft, units: int) -> bool:
    """Put the count into the book; False when it was refused. A count that is only repeated is no new count."""
    record, known = counting.record, counting.arrival.known
    name = product_name(record.product)
    if units:
        on_hand = draft.after["on_hand"]
        if record.quantity == on_hand:
            draft.after["tracking"] = Tracking.SERIALISED
            return True
        work.refuse(
            counting.arrival,
            f"{name} is kept by serial: {on_hand} units are on this shelf, the count says {record.quantity}. "
            "Enter the missing serials in their source, or correct the count.",
            path="/quantity",
        )
        return False
    draft.after["tracking"] = Tracking.COUNTED
    if known is not None and known.placement == _statement(record):
        return True
    if record.quantity < draft.after["reserved"]:
        work.refuse(
            counting.arrival,
            f"{name}: {draft.after['reserved']} units of this shelf are promised to tickets, the count says "
            f"{record.quantity}. Release reservations or count again, then replay this record.",
            path="/quantity",
        )
        return False
    draft.after["on_hand"] = record.quantity
    return True


async def _refer(work: Work, arrivals: Sequence[Arrival]) -> list[Counting]:
    """The counts whose hub and product are known; the others wait for them."""
    records = [(arrival, arrival.record) for arrival in arrivals if isinstance(arrival.record, StockRecord)]
    products = await resolve_products(work, [record.product for _, record in records], make=True)
    hubs = await work.resolve([record.hub for _, record in records if isinstance(record.hub, SourceRef)])
    codes = {record.hub for _, record in records if isinstance(record.hub, str)}
    places = await names_of_places(work.tx, codes)
    countings: list[Counting] = []
    for arrival, record in records:
        hub_id = (
            by_key(hubs, record.hub) if isinstance(record.hub, SourceRef) else places.hub(work.source_id, record.hub)
        )
        found = product_id(products, record.product)
        if hub_id is None:
            waits_for = str(record.hub) if isinstance(record.hub, SourceRef) else f"hub:{record.hub}"
            work.refuse_unknown(arrival, f"hub {_text(record.hub)!r}", waits_for, path="/hub")
        elif found is None:
            name = product_name(record.product)
            work.refuse_unknown(arrival, name, waits_for_product(products, record.product), path="/product")
        else:
            countings.append(Counting(arrival, record, Shelf(hub_id, found, record.lane)))
    return countings


def _text(hub: SourceRef | str) -> str:
    return hub.external_id if isinstance(hub, SourceRef) else hub


def _statement(record: StockRecord) -> str:
    return f"{record.quantity} at {record.counted_at.isoformat() if record.counted_at else ''}"
