"""What is got from outside for tickets."""

from datetime import datetime

import strawberry

from connector.api.schema.fields import column, related
from connector.api.schema.lazy import AnyDecision, AnyHub, AnyProduct, AnyShipment, AnySite, AnyTicket
from connector.api.schema.money import Money, money
from connector.api.schema.nodes import Node
from connector.model.kinds import Lane, ProcurementKind
from connector.model.lifecycle import ProcurementState


@strawberry.type(description="Units that are got for a ticket because no hub has them, or its place in the queue.")
class Procurement(Node):
    """A procurement."""

    kind: ProcurementKind = column("How they are got.")
    state: ProcurementState = column("Where it stands; a backorder is requested until stock comes.")
    ticket: AnyTicket | None = related(
        "ticket", "The ticket that it is for; null where it lies outside of one's regions."
    )
    decision: AnyDecision | None = related("decision", "The decision that wants it.")
    product: AnyProduct = related("product", "What is got.")
    quantity: int = column("How many units.")
    revision: str | None = column("The revision that they must have; null when any will do.")
    supplier: str = column("Who sends them, by name in the policy; empty for a backorder.")
    contact: str | None = column("How a person orders there.")
    via: str | None = column("The source that takes the order to the supplier; null when a person places it.")
    external_id: str | None = column("What that source calls the order, once it was placed.")
    order_number: str | None = column("The supplier's number, once the order is placed.")
    hub: AnyHub | None = related(
        "hub", "The hub that they go to, to be sent on or to fill up its shelf; null when they go to the site."
    )
    lane: Lane = column("Of the shelf that they are put on at the hub.")
    site: AnySite | None = related("site", "The site that they go to directly; null when they go to a hub.")
    cost_cents: int | None = column("What it costs, in hundredths of the currency; expected until it is recorded.")
    currency: str | None = column("ISO 4217.")
    cost: Money | None = money("cost_cents", "What it costs; expected until it is recorded, null when nobody said.")
    expected_at: datetime | None = column("When they are expected there.")
    ordered_at: datetime | None = column("When the order was placed.")
    carrier: str | None = column("The courier that the supplier sent them with.")
    tracking_number: str | None = column("The number of that parcel.")
    shipment: AnyShipment | None = related("shipment", "That parcel, where the hub follows it.")
    delivered_at: datetime | None = column("When they were delivered, as the supplier or the courier says.")
    received_at: datetime | None = column("When they came; of a backorder, when the ticket was served.")
    is_wanted: bool = column("False once the ticket does not need them any more.")
    approval_name: str | None = column("The approval that it needs before it is ordered.")
    reason: str | None = column("Why it is as it is.")
    created_at: datetime = column("When it was wanted first.")
    updated_at: datetime = column("When it last changed.")
