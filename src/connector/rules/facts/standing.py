"""What was done for a ticket before, and what it belongs to: other tickets, events, channels, parcels, orders."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from connector.model.frozen import frozen
from connector.model.kinds import (
    GroupKind,
    ProcurementKind,
    Trouble,
)
from connector.model.lifecycle import (
    LOAN_OUT,
    PROCUREMENT_OPEN,
    PROCUREMENT_UNPLACED,
    GroupState,
    LoanState,
    ProcurementState,
    ReservationState,
    TicketState,
)


@frozen
class Relief:
    """What is on its way to the affected device for another ticket already. hub: what people call where it is from."""

    ticket_number: str
    reservation_id: int
    state: ReservationState
    hub: str


@frozen
class LinkedTicket:
    """A ticket that is linked to the one that is decided about, or that one itself.

    duplicate_of: id of the ticket that it is a duplicate of. relief: a unit that it has, or that was sent for it after
    the other one had been opened.
    """

    id: int
    number: str
    state: TicketState
    is_deleted: bool = False
    duplicate_of: int | None = None
    relief: Relief | None = None


@frozen
class Links:
    """What the ticket system says of the ticket and others.

    family: all that are duplicates of each other, however far, the ticket itself included; empty when there are none.
    """

    family: tuple[LinkedTicket, ...] = ()
    parent: LinkedTicket | None = None


NO_LINKS = Links()
"""Of a ticket that is linked to none."""


@frozen
class Recovery:
    """What a second unit is to recover from.

    shipment: what people call the first parcel. predicted_at: when that will arrive; None when it will not. gain: how
    much sooner the second one must be. text: why the first is in trouble. quantity: units of the second.
    """

    shipment_id: int
    shipment: str
    trouble: Trouble
    predicted_at: datetime | None
    gain: timedelta
    text: str
    quantity: int = 1

    def helps(self, arrives_at: datetime) -> bool:
        """Whether a unit that arrives then is worth sending."""
        return self.predicted_at is None or arrives_at <= self.predicted_at - self.gain

    def explained(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "shipment_id": self.shipment_id,
            "shipment": self.shipment,
            "trouble": self.trouble.value,
            "predicted_at": f"{self.predicted_at.isoformat()[:19]}Z" if self.predicted_at else None,
            "text": self.text,
        }


class Standing(StrEnum):
    """What belonging to an event means for a ticket. nothing: none of its tickets needs a unit."""

    SERVED = "served"
    HELD = "held"
    NOTHING = "nothing"


@frozen
class GroupFacts:
    """The event that a ticket belongs to. cause: as whoever confirmed it states it.

    serves, limit_units: whether its tickets get units once it is confirmed, how many at most.
    """

    id: int
    kind: GroupKind
    title: str
    state: GroupState
    serves: bool = True
    limit_units: int | None = None
    cause: str | None = None
    standing: Standing = Standing.SERVED

    @property
    def text(self) -> str:
        """Why its ticket waits, or gets nothing, for people."""
        if self.standing is Standing.NOTHING:
            cause = f": {self.cause}" if self.cause else ""
            return (
                f"Incident group {self.id} ({self.title}) is confirmed{cause}. Its tickets need no unit of their own."
            )
        what = "may be one event" if self.state is GroupState.PROPOSED else "has all the units that it may have"
        return f"Incident group {self.id} ({self.title}) {what}: a person decides, and this ticket waits for that."

    def explained(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "id": self.id,
            "kind": self.kind.value,
            "title": self.title,
            "state": self.state.value,
            "standing": self.standing.value,
        }


@frozen
class ChannelScope:
    """What a red channel is narrowed to; empty: not narrowed in that respect. products, sites: ids."""

    products: frozenset[int] = frozenset()
    asset_classes: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    sites: frozenset[int] = frozenset()


@frozen
class ChannelFacts:
    """A red channel that nobody has closed. name: its kind, under `red_channels` in the policy."""

    id: int
    name: str
    reason: str
    scope: ChannelScope
    opened_at: datetime
    ends_at: datetime


@frozen
class ProcurementFacts:
    """What was ordered outside for the ticket, or waits for stock. expected_at: where it is delivered to.

    via: the source that takes the order to its supplier; None where a person does.
    """

    id: int
    product_id: int
    kind: ProcurementKind
    supplier: str
    state: ProcurementState
    quantity: int = 1
    expected_at: datetime | None = None
    via: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether something is still to come."""
        return self.state in PROCUREMENT_OPEN

    @property
    def may_be_placed(self) -> bool:
        """Whether somebody outside may know of it, so that it may come although it is called off."""
        is_under_way = self.state is ProcurementState.APPROVED and self.via is not None
        is_order = self.is_open and self.kind is not ProcurementKind.BACKORDER
        return is_order and (is_under_way or self.state not in PROCUREMENT_UNPLACED)

    @property
    def is_refused(self) -> bool:
        """Whether the supplier, or who had to approve it, has said no."""
        return self.state is ProcurementState.REFUSED


@frozen
class LoanFacts:
    """The unit that was lent to the ticket, or is about to be. due_back_at: at the latest."""

    id: int
    reservation_id: int
    state: LoanState
    due_back_at: datetime

    @property
    def is_at_hub(self) -> bool:
        """Whether its unit has not left, so that it can simply be given back."""
        return self.state is LoanState.RESERVED

    @property
    def is_out(self) -> bool:
        """Whether its unit is at the site, or on its way there or back."""
        return self.state in LOAN_OUT
