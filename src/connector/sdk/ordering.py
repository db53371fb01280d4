"""What the hub asks suppliers for: a unit ahead of the return of a failed one, parts, the end of an order.

As every operation, each carries the key that makes it happen once. What becomes of an order comes back as an
`OrderRecord`, from a pull or a webhook.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from connector.model.lifecycle import ProcurementState
from connector.model.records import ProductKey
from connector.model.refs import IdempotencyKey, SourceRef
from connector.sdk.operations import Party


@dataclass(frozen=True, slots=True)
class Warranty:
    """What is known of the cover of a failed unit. contract: its number. ends_on: the last day that it covers."""

    contract: str | None = None
    ends_on: date | None = None


@dataclass(frozen=True, slots=True)
class RequestReplacement:
    """Ask the maker for a replacement ahead of the return of the failed unit.

    serial: of the failed unit, None when nobody knows it. fault: what is wrong with it, plain text. recipient: where
    the replacement goes. reference: the number of the ticket, for people. warranty: None when nothing is known.
    revision: the one that the replacement must have, as its maker writes it; None when any will do.
    """

    key: IdempotencyKey
    product: ProductKey
    serial: str | None
    fault: str
    recipient: Party
    reference: str
    quantity: int = 1
    needed_by: datetime | None = None
    warranty: Warranty | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class OrderParts:
    """Order units of a product. recipient, reference, revision: as for a replacement."""

    key: IdempotencyKey
    product: ProductKey
    quantity: int
    recipient: Party
    reference: str
    needed_by: datetime | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Call an order off that has not been sent yet. Cancelling one that is cancelled already succeeds.

    reason: for people there, plain text.
    """

    key: IdempotencyKey
    order: SourceRef
    reason: str


@dataclass(frozen=True, slots=True)
class OrderReceipt:
    """An order that a supplier has. order: their own object. order_number: what people there call it.

    state: how it stands there. expected_at: when they say that the goods are delivered, None when they do not.
    """

    key: IdempotencyKey
    order: SourceRef
    order_number: str
    state: ProcurementState = ProcurementState.ORDERED
    expected_at: datetime | None = None
