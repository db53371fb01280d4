"""Records with valid defaults; a test states only what matters to it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tests.factories import NOW

from connector.sdk import (
    Address,
    AssetRecord,
    AssetState,
    Batch,
    Deferred,
    EntityKind,
    HubRecord,
    HubTier,
    Point,
    Priority,
    ProductKey,
    ProductRecord,
    Record,
    Rejected,
    ShipmentRecord,
    ShipmentStatus,
    SiteRecord,
    SourceRef,
    StockRecord,
    TicketRecord,
    TicketState,
    Tombstone,
    TrackingEvent,
)

SWITCH = ProductKey(manufacturer="Cisco", model="C9300-48P")


def version(number: int) -> datetime:
    """The moment of a source's `number`th change."""
    return NOW - timedelta(days=1) + timedelta(minutes=number)


def ref(kind: str, external_id: str) -> SourceRef:
    return SourceRef(kind=EntityKind(kind), external_id=external_id)


def deferred(record: Record, *, make: Callable[[], Record] | None = None) -> Deferred:
    """The record, to be made only when something in it is new."""
    content = record.model_dump_json(exclude={"updated_at"}).encode()
    return Deferred(
        ref=record.ref,
        updated_at=record.updated_at,
        digest=hashlib.blake2b(b"deferred" + content, digest_size=16).digest(),
        raw=content,
        make=make or (lambda: record),
    )


def site(external_id: str = "s1", *, v: int | None = 1, **values: Any) -> SiteRecord:
    defaults = {
        "name": f"Site {external_id}", "point": Point(52.5, 13.4), "time_zone": "Europe/Berlin", "region": "EU",
        "address": Address(line1="1 Road", city="Berlin", country="DE"),
    }  # fmt: skip
    return SiteRecord(**{"ref": ref("site", external_id), "updated_at": _at(v), **defaults, **values})


def hub(external_id: str = "h1", *, v: int | None = 1, **values: Any) -> HubRecord:
    defaults = {"name": f"Hub {external_id}", "code": external_id.upper(), "tier": HubTier.REGIONAL}
    return HubRecord(**{"ref": ref("hub", external_id), "updated_at": _at(v), **defaults, **values})


def product(external_id: str = "p1", *, v: int | None = 1, key: ProductKey = SWITCH, **values: Any) -> ProductRecord:
    defaults = {"key": key, "asset_class": "switch"}
    return ProductRecord(**{"ref": ref("product", external_id), "updated_at": _at(v), **defaults, **values})


def asset(external_id: str = "a1", *, v: int | None = 1, **values: Any) -> AssetRecord:
    defaults = {
        "name": f"sw-{external_id}", "serial": f"SN-{external_id.upper()}", "asset_tag": f"TAG-{external_id.upper()}",
        "product": SWITCH, "place": ref("site", "s1"), "state": AssetState.DEPLOYED,
    }  # fmt: skip
    return AssetRecord(**{"ref": ref("asset", external_id), "updated_at": _at(v), **defaults, **values})


def ticket(external_id: str = "1", *, v: int | None = 1, **values: Any) -> TicketRecord:
    defaults = {
        "number": f"INC-{external_id}", "priority": Priority.P1, "state": TicketState.NEW, "title": "Switch is dead",
        "opened_at": NOW,
    }  # fmt: skip
    return TicketRecord(**{"ref": ref("ticket", external_id), "updated_at": _at(v), **defaults, **values})


def count(external_id: str = "c1", *, v: int | None = 1, quantity: int = 5, **values: Any) -> StockRecord:
    defaults = {"hub": "H1", "product": SWITCH}
    given = {"ref": ref("stock", external_id), "updated_at": _at(v), "quantity": quantity}
    return StockRecord(**{**given, **defaults, **values})


def parcel(number: str = "T1", *, v: int | None = 1, events: tuple[TrackingEvent, ...] = (), **values: Any) -> Record:
    status = events[-1].status if events else ShipmentStatus.IN_TRANSIT
    defaults = {"ref": ref("shipment", f"trk-{number}"), "tracking_number": number, "status": status, "events": events}
    return ShipmentRecord(**{"updated_at": _at(v), **defaults, **values})


def scan(status: ShipmentStatus, number: int, **values: Any) -> TrackingEvent:
    return TrackingEvent(status=status, occurred_at=version(number), **values)


def gone(kind: str, external_id: str, *, v: int | None = 9) -> Tombstone:
    return Tombstone(ref=ref(kind, external_id), updated_at=_at(v))


def batch(*records: Record, **values: Any) -> Batch:
    return Batch(records=records, **values)


def rejected(raw: bytes, reason: str = "the serial is a number", of: SourceRef | None = None) -> Rejected:
    return Rejected(ref=of, raw=raw, reason=reason, path="/serial")


def _at(number: int | None) -> datetime | None:
    return None if number is None else version(number)
