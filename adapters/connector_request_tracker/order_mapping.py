"""Orders as tickets of Request Tracker: what a new one says, and what its state means. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from connector.sdk import (
    EntityKind,
    InvalidRecord,
    OrderParts,
    OrderRecord,
    Party,
    ProcurementState,
    RequestReplacement,
    SourceRef,
)
from connector.sdk.answers import unreadable
from connector.sdk.markup import mark_of
from connector_request_tracker.config import RequestTrackerConfig
from connector_request_tracker.cursor import write_time
from connector_request_tracker.mapping import NEVER, values_of

ORDER_FIELDS: Final = "Subject,Status,LastUpdated,Due,Queue,CustomFields"
"""What a search is asked to tell of each order."""
LONGEST_SUBJECT: Final = 200
"""Characters of a subject that Request Tracker keeps."""
_MARKED = re.compile(r"\[connector:([\w.:-]+)\]")
_PLACED = (ProcurementState.ORDERED, ProcurementState.CONFIRMED)


class _Queue(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str = Field(default="", alias="Name")


class _Order(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    id: int
    status: str = Field(alias="Status")
    subject: str = Field(default="", alias="Subject")
    last_updated: AwareDatetime = Field(alias="LastUpdated")
    due: AwareDatetime | None = Field(default=None, alias="Due")

    @field_validator("subject", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return value or ""


def order_ref(number: int | str) -> SourceRef:
    """Identity of an order."""
    return SourceRef(kind=EntityKind.PROCUREMENT, external_id=str(number))


def is_in(item: Any, queue: str | None) -> bool:
    """Whether a ticket as a search tells it is in a queue; in none when there is no such queue."""
    try:
        return queue is not None and _Queue.model_validate(item["Queue"]).name == queue
    except (KeyError, TypeError, ValidationError):
        return False


def order_record(item: Any, config: RequestTrackerConfig) -> OrderRecord:
    """An order as a search, or the ticket itself, tells it. Raises InvalidRecord with the path of what is wrong."""
    try:
        order = _Order.model_validate(item)
    except ValidationError as error:
        raise unreadable(error, "order") from None
    state = config.order_state_of(order.status)
    if state is None:
        raise InvalidRecord(
            f"order {order.id} has status {order.status!r}, which is none of the default lifecycle",
            path="/Status",
            hint="Say what it means in the setting `order_states` of this source, then replay the record.",
        )
    fields = {name.casefold(): values for name, values in values_of(item).items()}
    number = _first(fields, config.order_tracking_field)
    serials = fields.get(config.order_serials_field.casefold(), ())
    marked = _MARKED.search(order.subject)
    return OrderRecord(
        ref=order_ref(order.id),
        updated_at=order.last_updated,
        key=marked[1] if marked else None,
        order_number=str(order.id),
        state=ProcurementState.SHIPPED if number and state in _PLACED else state,
        expected_at=order.due if order.due and order.due > NEVER else None,
        carrier=_first(fields, config.order_carrier_field),
        tracking_number=number,
        serials=tuple(dict.fromkeys(serial for text in serials for serial in re.split(r"[\s,;]+", text) if serial)),
        reason=f"ticket {order.id} is {order.status}" if state is ProcurementState.REFUSED else None,
    )


def order_ticket(op: RequestReplacement | OrderParts, config: RequestTrackerConfig) -> dict[str, object]:
    """The ticket that is opened for an order. Its subject ends in the line by which it is found again."""
    is_replacement = isinstance(op, RequestReplacement)
    product = f"{op.product.manufacturer} {op.product.model}"
    mark = f" {mark_of(op.key)}"
    what = "Replacement in advance" if is_replacement else "Order"
    title = f"{what}: {op.quantity} x {product} for ticket {op.reference}"
    values = {
        "product": product,
        "part_number": op.product.part_number,
        "quantity": str(op.quantity),
        "ticket": op.reference,
        "serial": op.serial if isinstance(op, RequestReplacement) else None,
    }
    ticket: dict[str, object] = {
        "Queue": config.order_queue,
        "Subject": title[: LONGEST_SUBJECT - len(mark)] + mark,
        "Content": _text(op, product),
        "ContentType": "text/plain",
        "CustomFields": {config.order_fields[name]: text for name, text in values.items()
                         if text and name in config.order_fields},
    }  # fmt: skip
    if op.needed_by is not None:
        ticket["Due"] = write_time(op.needed_by)
    return ticket


def _text(op: RequestReplacement | OrderParts, product: str) -> str:
    lines = [f"Product: {product}"]
    if op.product.part_number:
        lines.append(f"Part number: {op.product.part_number}")
    if op.revision:
        lines.append(f"Revision: {op.revision}, no other")
    lines.append(f"Quantity: {op.quantity}")
    if isinstance(op, RequestReplacement):
        lines.append(f"Serial of the failed unit: {op.serial or 'not known'}")
        if op.warranty is not None and op.warranty.contract:
            lines.append(f"Contract: {op.warranty.contract}")
        if op.warranty is not None and op.warranty.ends_on:
            lines.append(f"Warranty ends: {op.warranty.ends_on:%Y-%m-%d}")
    lines += [
        f"Ticket: {op.reference}",
        f"Needed by: {_instant(op.needed_by)}",
        "",
        "Deliver to:",
        *_address(op.recipient),
    ]
    if isinstance(op, RequestReplacement):
        lines += ["", FAULT, op.fault]
    return "\n".join(lines)


FAULT: Final = "Fault:"
"""The line after which the text of an order says what is wrong, to its end."""


def _address(party: Party) -> list[str]:
    place = party.address
    city = " ".join(filter(None, (place.postal_code, place.city)))
    lines = (
        party.company, party.name, place.line1, place.line2, city, place.state, place.country, place.phone, place.email
    )  # fmt: skip
    return list(dict.fromkeys(line for line in lines if line))


def _instant(at: datetime | None) -> str:
    return "as soon as possible" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _first(fields: dict[str, tuple[str, ...]], name: str) -> str | None:
    values = fields.get(name.casefold(), ())
    return values[0] if values else None
