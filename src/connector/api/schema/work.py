"""Tickets and what is done about them: decisions, reservations, tasks."""

from datetime import datetime

import strawberry

from connector.api.schema.explaining import explanation_of
from connector.api.schema.explanation import Explanation
from connector.api.schema.fields import column, derived, related
from connector.api.schema.lazy import (
    AnyApproval,
    AnyAsset,
    AnyHub,
    AnyIncidentGroupTicket,
    AnyKit,
    AnyLoan,
    AnyProcurement,
    AnyProduct,
    AnyRecovery,
    AnyRedChannel,
    AnyReplenishment,
    AnyReservation,
    AnyRma,
    AnyRollout,
    AnyRolloutLine,
    AnyShipment,
    AnySite,
    AnySource,
    AnyTask,
    AnyTicket,
)
from connector.api.schema.nodes import Node
from connector.model.kinds import Lane, LinkKind, Priority, TaskKind, TicketType
from connector.model.lifecycle import ReservationState, TaskState, TicketState
from connector.rules.sourcing.told import told
from connector.storage.query import Row


def _explanation(root: Row) -> Explanation | None:
    content = root.values["explanation"]
    return None if content is None else explanation_of(told(content))


@strawberry.type(description="What the rules decided for a ticket.")
class Decision(Node):
    """A recorded decision."""

    ticket: AnyTicket = related("ticket", "For which ticket.")
    outcome: str = column("`reserve`, `procure` (from outside), `not_needed` or `review` (a person is asked).")
    reason: str = column("Why.")
    rule: str | None = column("The rule of the policy that matched.")
    policy_version: str = column("Version of the policy.")
    red_channel: AnyRedChannel | None = related("red_channel", "The red channel that the ticket went through.")
    explanation: Explanation | None = derived(
        _explanation,
        "Candidates, and why each lost; null for whoever is limited to regions, since it tells of hubs everywhere.",
        columns=("explanation",),
    )
    reservations: list[AnyReservation] = related("reservations", "What was claimed because of it.")
    decided_at: datetime = column("When.")
    looked_at: datetime = column("When the rules last came to the same, for the same reasons.")


@strawberry.type(description="What a ticket's system says of it and another ticket.")
class TicketLink(Node):
    """A link between tickets."""

    kind: LinkKind = column("Whether it is a duplicate of the other, a part of it, or related in another way.")
    ticket: AnyTicket = related("ticket", "The ticket that has the link.")
    other: AnyTicket | None = related("other", "The other ticket; null until the hub knows it.")
    external_id: str = column("What their system calls the other ticket.")
    created_at: datetime = column("When the hub heard of it.")


@strawberry.type(description="A ticket of an ITSM system.")
class Ticket(Node):
    """A ticket."""

    number: str = column("What people call it.")
    external_id: str = column("What its system calls it.")
    source: AnySource = related("source", "The system that it comes from.")
    type: TicketType = column("Its ITIL type.")
    priority: Priority | None = column("P1 is the most urgent.")
    state: TicketState = column("Where it stands.")
    title: str = column("Its subject.")
    description: str | None = column("What was written.")
    category: str | None = column("Its category there.")
    asset: AnyAsset | None = related("asset", "The device that is affected.")
    site: AnySite | None = related("site", "The place that is affected.")
    product: AnyProduct | None = related("product", "The product that is affected, when the device is not known.")
    asset_hint: str | None = column("What its system called the device, kept when nobody knows it.")
    site_hint: str | None = column("What its system called the place, kept when nobody knows it.")
    product_hint: str | None = column("What its system called the product, kept when nobody knows it.")
    quantity: int = column("How many units it needs.")
    requester: str | None = column("Who asked.")
    assignee: str | None = column("Who works on it.")
    decision: Decision | None = related("decision", "What the rules decided last.")
    decisions: list[Decision] = related("decisions", "What the rules decided, the oldest first.")
    reservations: list[AnyReservation] = related("reservations", "Stock that was claimed for it, the oldest first.")
    procurements: list[AnyProcurement] = related("procurements", "What is got from outside for it, the oldest first.")
    loan: AnyLoan | None = related("loan", "The unit that is, or was, lent to it until its replacement is there.")
    replenishment: AnyReplenishment | None = related(
        "replenishment", "The shelf that is filled up under it; null for tickets of other systems."
    )
    rmas: list[AnyRma] = related("rmas", "What comes back for it, or came back, after its replacement was delivered.")
    shipments: list[AnyShipment] = related("shipments", "Parcels that were sent for it, the oldest first.")
    tasks: list[AnyTask] = related("tasks", "Work for people because of it, the oldest first.")
    approvals: list[AnyApproval] = related("approvals", "What was to be approved for it, the oldest first.")
    rollouts: list[AnyRollout] = related("rollouts", "Rollouts that are done under it.")
    groups: list[AnyIncidentGroupTicket] = related("groups", "Events that it belongs to, or may belong to.")
    recoveries: list[AnyRecovery] = related("recoveries", "Parcels for it that were in trouble, and second units.")
    links: list[TicketLink] = related("links", "What its system says of it and other tickets.")
    linked_from: list[TicketLink] = related("linked_from", "Links of other tickets to it: duplicates, parts.")
    opened_at: datetime | None = column("When it was opened.")
    resolved_at: datetime | None = column("When it was resolved.")
    sla_due_at: datetime | None = column("When it must be resolved.")
    is_within_sla: bool | None = column(
        "Whether it was resolved when it had to be; null until it is resolved, and when it has no `slaDueAt`."
    )
    minutes_to_resolve: int | None = column("Whole minutes from opening to resolution; null until it is resolved.")
    region: str | None = column("Region of its site, or of its device's where it names none; null when nobody knows.")
    asset_class: str | None = column(
        "Class of its device, or of the product that it needs where no device is known; null when nobody knows."
    )
    url: str | None = column("Its page in its system.")
    created_at: datetime = column("When the hub first heard of it.")
    updated_at: datetime = column("When the hub last changed it.")
    retired_at: datetime | None = column("When its source deleted it; null while it exists.")


@strawberry.type(description="A claim of stock for one line of a ticket.")
class Reservation(Node):
    """A reservation."""

    ticket: Ticket | None = related("ticket", "For which ticket; null where it lies outside of one's regions.")
    line: int = column("Which line of the ticket; 0 for the unit that is lent to it.")
    loan: AnyLoan | None = related("loan", "The loan that it is the claim of; null for what is given for good.")
    state: ReservationState = column("Where it stands.")
    quantity: int = column("How many units.")
    hub: AnyHub | None = related("hub", "Where they are; null where it lies outside of one's regions.")
    product: AnyProduct = related("product", "What they are.")
    requested_product: AnyProduct = related(
        "requested_product", "What was needed; differs from `product` for a substitute."
    )
    asset: AnyAsset | None = related("asset", "The unit itself, for serialised products.")
    site: AnySite | None = related("site", "Where it goes; null when that is the ticket's site.")
    to_hub: AnyHub | None = related("to_hub", "The hub whose shelf it fills up; null for what goes to a site.")
    rollout_line: AnyRolloutLine | None = related(
        "rollout_line", "The line of a rollout that it is for; null for the ticket's own need."
    )
    lane: Lane = column("From which lane.")
    reason: str | None = column("Why it was released or let expire.")
    decision: Decision | None = related(
        "decision",
        "The decision behind it, also where a person has moved or split it since (see `replaces`); null when a person "
        "claimed it.",
    )
    replaces: AnyReservation | None = related(
        "replaces",
        "The claim that ended for this one: moved or split, or another ticket's that lost its units.",
    )
    replaced_by: list[AnyReservation] = related(
        "replaced_by", "The claims that this one ended for; one of another ticket took its units away."
    )
    kit: AnyKit | None = related("kit", "The kit that goes along, or that it is a component of; null without one.")
    ships_with: AnyReservation | None = related(
        "ships_with", "Of a component of a kit, the claim of the device, whose fate it shares; null for all others."
    )
    kit_lines: list[AnyReservation] = related("kit_lines", "The claims of the components that go along.")
    shipments: list[AnyShipment] = related("shipments", "Parcels that deliver it.")
    tasks: list[AnyTask] = related("tasks", "Work for people because of it.")
    estimated_arrival_at: datetime | None = column("When it should arrive.")
    expires_at: datetime | None = column("When a held claim ends by itself.")
    approval_name: str | None = column("The approval that it must have before it is sent; null when it needs none.")
    revision: str | None = column("The revision that its unit must have; null when any will do.")
    created_at: datetime = column("When it was claimed.")
    updated_at: datetime = column("When it last changed.")


@strawberry.type(description="One line of a packing list.")
class PackingLine:
    """What goes into the parcel."""

    product: str = strawberry.field(description="Maker and model.")
    part_number: str | None = strawberry.field(description="The maker's part number.")
    quantity: int = strawberry.field(description="How many.")
    serial: str | None = strawberry.field(description="Serial of the unit to be picked.")
    asset_tag: str | None = strawberry.field(description="Inventory number of the unit to be picked.")
    is_device: bool = strawberry.field(description="Whether it is the device itself, not what its kit brings along.")
    destination: str | None = strawberry.field(
        default=None, description="The site that it goes to, where the lines of one list go to several."
    )


def _packing_list(root: Row) -> list[PackingLine]:
    return [
        PackingLine(
            product=line["product"],
            part_number=line["part_number"],
            quantity=line["quantity"],
            serial=line["serial"],
            asset_tag=line["asset_tag"],
            is_device=line["is_device"],
            destination=line.get("destination"),
        )
        for line in root.values["packing_list"] or ()
    ]


@strawberry.type(description="A piece of work for a person.")
class Task(Node):
    """A task."""

    kind: TaskKind = column("What sort of work.")
    state: TaskState = column("Where it stands.")
    title: str = column("What is to be done.")
    instructions: str | None = column("How.")
    packing_list: list[PackingLine] = derived(
        _packing_list, "What goes into the parcel, line by line.", columns=("packing_list",)
    )
    ticket: Ticket | None = related("ticket", "The ticket behind it.")
    reservation: Reservation | None = related("reservation", "The claim that it is about.")
    shipment: AnyShipment | None = related("shipment", "The parcel that it is about.")
    hub: AnyHub | None = related("hub", "Where it is to be done.")
    approval: AnyApproval | None = related("approval", "The request that it asks to answer.")
    rollout: AnyRollout | None = related("rollout", "The rollout that it is for.")
    wave: int | None = column("Which wave of the rollout.")
    assignee: str | None = column("Who does it: a person, or the role that is asked.")
    due_at: datetime | None = column("Until when.")
    completed_at: datetime | None = column("When it was done.")
    created_at: datetime = column("When it was given.")
    updated_at: datetime = column("When it last changed.")
