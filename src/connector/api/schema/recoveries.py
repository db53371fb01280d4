"""Parcels in trouble, and what was done about them."""

from datetime import datetime

import strawberry

from connector.api.schema.fields import column, related
from connector.api.schema.lazy import AnyDecision, AnyReservation, AnyShipment, AnyTicket
from connector.api.schema.nodes import Node
from connector.model.kinds import Trouble
from connector.model.lifecycle import RecoveryState


@strawberry.type(description="A parcel in trouble, and what was done about it: at most one second unit is sent.")
class Recovery(Node):
    """A recovery."""

    ticket: AnyTicket = related("ticket", "The ticket that the parcel is for.")
    line: int = column("Which line of the ticket.")
    shipment: AnyShipment | None = related(
        "shipment", "The parcel that is, or was, in trouble; null where it lies outside of one's regions."
    )
    reservation: AnyReservation | None = related("reservation", "The second unit; null where none was sent.")
    decision: AnyDecision | None = related("decision", "Why a second unit was sent, or why none was.")
    trouble: Trouble = column("What was wrong, as it was found last.")
    state: RecoveryState = column("What became of it.")
    reason: str = column("What was found, and what was tried, for people.")
    predicted_at: datetime | None = column("When the first parcel was expected then; null: not at all.")
    created_at: datetime = column("When it was noticed.")
    updated_at: datetime = column("When it last changed.")
