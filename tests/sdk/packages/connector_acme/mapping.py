"""From Acme's JSON to records; pure."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from pydantic import BaseModel, Field, ValidationError

from connector.sdk import (
    AssetRecord,
    AssetState,
    EntityKind,
    InvalidRecord,
    OrderRecord,
    Point,
    Priority,
    ProcurementState,
    Record,
    Rejected,
    SiteRecord,
    SourceRef,
    TicketRecord,
    TicketState,
    Tombstone,
)

STATES = {
    "open": TicketState.NEW, "working": TicketState.IN_PROGRESS, "waiting": TicketState.ON_HOLD,
    "done": TicketState.RESOLVED, "closed": TicketState.CLOSED,
}  # fmt: skip
STATUSES = {state: status for status, state in STATES.items()}


class AcmeTicket(BaseModel):
    """A ticket as Acme writes it."""

    id: str = Field(min_length=1, max_length=255)
    subject: str
    status: str
    urgency: int | None = None
    serial: str | None = None
    updated: datetime
    deleted: bool = False


class AcmeOrder(BaseModel):
    """An order as Acme writes it."""

    id: str = Field(min_length=1, max_length=255)
    key: str | None = None
    state: str
    carrier: str | None = None
    parcel: str | None = None
    updated: datetime


class AcmeAsset(BaseModel):
    """An asset as Acme writes it."""

    id: str = Field(min_length=1, max_length=255)
    serial: str | None = None
    tag: str | None = None
    model: str
    site: str
    state: AssetState


class AcmeSite(BaseModel):
    """A site as Acme writes it."""

    id: str = Field(min_length=1, max_length=255)
    name: str
    lat: float | None = None
    lon: float | None = None


ORDER_STATES = {
    "taken": ProcurementState.ORDERED, "sent": ProcurementState.SHIPPED, "cancelled": ProcurementState.CANCELLED,
}  # fmt: skip


def order_of(item: object) -> OrderRecord:
    """One order. Raises InvalidRecord."""
    with _reading("order"):
        order = AcmeOrder.model_validate(item)
        if order.state not in ORDER_STATES:
            raise InvalidRecord(f"order {order.id} has state {order.state!r}", path="/state", hint="Extend the table.")
        return OrderRecord(
            ref=SourceRef(kind=EntityKind.PROCUREMENT, external_id=order.id), updated_at=order.updated, key=order.key,
            order_number=order.id, state=ORDER_STATES[order.state], carrier=order.carrier,
            tracking_number=order.parcel,
        )  # fmt: skip


def asset_of(item: object) -> AssetRecord:
    """One asset. Raises InvalidRecord."""
    with _reading("asset"):
        asset = AcmeAsset.model_validate(item)
        return AssetRecord(
            ref=SourceRef(kind=EntityKind.ASSET, external_id=asset.id), serial=asset.serial, asset_tag=asset.tag,
            product=SourceRef(kind=EntityKind.PRODUCT, external_id=asset.model),
            place=SourceRef(kind=EntityKind.SITE, external_id=asset.site), state=asset.state,
        )  # fmt: skip


def ticket_of(item: object) -> Record:
    """One ticket. Raises InvalidRecord."""
    with _reading("ticket"):
        ticket = AcmeTicket.model_validate(item)
        ref = SourceRef(kind=EntityKind.TICKET, external_id=ticket.id)
        if ticket.deleted:
            return Tombstone(ref=ref, updated_at=ticket.updated)
        if ticket.status not in STATES:
            known = ", ".join(STATES)
            raise InvalidRecord(f"ticket {ticket.id!r} has status {ticket.status!r}, known are {known}", path="/status")
        return TicketRecord(
            ref=ref,
            number=ticket.id,
            title=ticket.subject,
            state=STATES[ticket.status],
            priority=Priority(f"P{ticket.urgency}") if ticket.urgency in range(1, 6) else None,
            serial=ticket.serial,
            updated_at=ticket.updated,
        )


def site_of(item: object) -> Record:
    """One site. Raises InvalidRecord."""
    with _reading("site"):
        site = AcmeSite.model_validate(item)
        try:
            point = Point(site.lat, site.lon) if site.lat is not None and site.lon is not None else None
        except ValueError as error:
            raise InvalidRecord(f"site {site.id!r}: {error}", path="/lat") from error
        return SiteRecord(ref=SourceRef(kind=EntityKind.SITE, external_id=site.id), name=site.name, point=point)


def records_of(name: str, payload: bytes) -> Sequence[Record]:
    """All records of a recorded page."""
    read = site_of if name.startswith("sites") else ticket_of
    return [read(item) for item in json.loads(payload)["items"]]


def rejected(item: object, kind: EntityKind, error: InvalidRecord) -> Rejected:
    """An object that could not be read, kept whole."""
    key = item.get("id") if isinstance(item, dict) else None
    ref = SourceRef(kind=kind, external_id=key) if isinstance(key, str) and key else None
    return Rejected(ref=ref, raw=json.dumps(item).encode(), reason=str(error), path=error.path)


@contextmanager
def _reading(what: str) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        problem = error.errors()[0]
        path = "/" + "/".join(map(str, problem["loc"]))
        raise InvalidRecord(f"a {what} cannot be read at {path}: {problem['msg']}", path=path) from error
