"""Root fields that follow what happens."""

from collections.abc import AsyncGenerator
from typing import Annotated, TypeAlias

import strawberry

from connector.api.context import Info
from connector.api.following import follow
from connector.api.schema.approvals import Approval
from connector.api.schema.groups import IncidentGroup
from connector.api.schema.recoveries import Recovery
from connector.api.schema.replenishments import Replenishment
from connector.api.schema.rollouts import Rollout
from connector.api.schema.shipping import Shipment
from connector.api.schema.topic import Event, Topic
from connector.api.schema.work import Reservation, Task, Ticket
from connector.model.lifecycle import (
    ApprovalState,
    GroupState,
    RecoveryState,
    ReplenishmentState,
    ReservationState,
    RolloutState,
    ShipmentStatus,
    TaskState,
    TicketState,
)
from connector.model.refs import EntityKind


@strawberry.type(description="A ticket came or changed.")
class TicketEvent(Event):
    """News of a ticket."""

    before: TicketState | None = strawberry.field(description="Its state before.")
    after: TicketState | None = strawberry.field(description="Its state after.")
    ticket: Ticket | None = strawberry.field(description="As it is when the event is sent; null when it is gone.")


@strawberry.type(description="Stock was claimed, or a claim changed.")
class ReservationEvent(Event):
    """News of a reservation."""

    before: ReservationState | None = strawberry.field(description="Its state before.")
    after: ReservationState | None = strawberry.field(description="Its state after.")
    reservation: Reservation | None = strawberry.field(description="As it is when the event is sent.")


@strawberry.type(description="The status of a parcel changed, or it was scanned.")
class ShipmentStatusEvent(Event):
    """News of a shipment."""

    before: ShipmentStatus | None = strawberry.field(description="Its status before.")
    after: ShipmentStatus | None = strawberry.field(description="Its status after; the same for a mere scan.")
    shipment: Shipment | None = strawberry.field(description="As it is when the event is sent.")


@strawberry.type(description="Work was given to people, or changed.")
class TaskEvent(Event):
    """News of a task."""

    before: TaskState | None = strawberry.field(description="Its state before.")
    after: TaskState | None = strawberry.field(description="Its state after.")
    task: Task | None = strawberry.field(description="As it is when the event is sent.")


@strawberry.type(description="An approval was asked for, answered or settled.")
class ApprovalEvent(Event):
    """News of a request for approval."""

    before: ApprovalState | None = strawberry.field(description="Its state before.")
    after: ApprovalState | None = strawberry.field(description="Its state after; the same for one answer of several.")
    approval: Approval | None = strawberry.field(description="As it is when the event is sent.")


@strawberry.type(description="A parcel in trouble was noticed, or what was done about it changed.")
class RecoveryEvent(Event):
    """News of a recovery."""

    before: RecoveryState | None = strawberry.field(description="Its state before.")
    after: RecoveryState | None = strawberry.field(description="Its state after.")
    recovery: Recovery | None = strawberry.field(description="As it is when the event is sent.")


@strawberry.type(description="A shelf was found low, or what is done about it changed.")
class ReplenishmentEvent(Event):
    """News of a replenishment."""

    before: ReplenishmentState | None = strawberry.field(description="Its state before.")
    after: ReplenishmentState | None = strawberry.field(description="Its state after.")
    replenishment: Replenishment | None = strawberry.field(description="As it is when the event is sent.")


@strawberry.type(description="A rollout was made, moved, or got on; its counts say how far it is.")
class RolloutEvent(Event):
    """News of a rollout."""

    before: RolloutState | None = strawberry.field(description="Its state before.")
    after: RolloutState | None = strawberry.field(description="Its state after.")
    rollout: Rollout | None = strawberry.field(description="As it is when the event is sent.")


@strawberry.type(description="A major incident was proposed, answered or closed.")
class IncidentGroupEvent(Event):
    """News of an incident group."""

    before: GroupState | None = strawberry.field(description="Its state before.")
    after: GroupState | None = strawberry.field(description="Its state after.")
    incident_group: IncidentGroup | None = strawberry.field(description="As it is when the event is sent.")


TICKETS = Topic(EntityKind.TICKET, "ticket", "state", TicketState, TicketEvent)
RESERVATIONS = Topic(EntityKind.RESERVATION, "reservation", "state", ReservationState, ReservationEvent)
SHIPMENTS = Topic(
    EntityKind.SHIPMENT, "shipment", "status", ShipmentStatus, ShipmentStatusEvent, frozenset({"status", "events"})
)
APPROVALS = Topic(EntityKind.APPROVAL, "approval", "state", ApprovalState, ApprovalEvent)
GROUPS = Topic(EntityKind.INCIDENT_GROUP, "incident_group", "state", GroupState, IncidentGroupEvent)
RECOVERIES = Topic(EntityKind.RECOVERY, "recovery", "state", RecoveryState, RecoveryEvent)
TASKS = Topic(EntityKind.TASK, "task", "state", TaskState, TaskEvent)
REPLENISHMENTS = Topic(EntityKind.REPLENISHMENT, "replenishment", "state", ReplenishmentState, ReplenishmentEvent)
ROLLOUTS = Topic(EntityKind.ROLLOUT, "rollout", "state", RolloutState, RolloutEvent)


TOPICS = (
    TICKETS, RESERVATIONS, SHIPMENTS, APPROVALS, GROUPS, RECOVERIES, TASKS, REPLENISHMENTS, ROLLOUTS,
)  # fmt: skip
"""All of them."""

After: TypeAlias = Annotated[
    str | None,
    strawberry.argument(
        description="Cursor of the last event that was received, or `feedCursor` of a query: go on behind it. "
        "Left out, begin now."
    ),
]
OfTicket: TypeAlias = Annotated[strawberry.ID | None, strawberry.argument(description="Only of this ticket.")]
OfHub: TypeAlias = Annotated[strawberry.ID | None, strawberry.argument(description="Only of this hub.")]
OfSite: TypeAlias = Annotated[strawberry.ID | None, strawberry.argument(description="Only of this site.")]
OfRollout: TypeAlias = Annotated[strawberry.ID | None, strawberry.argument(description="Only this rollout.")]
OfReservation: TypeAlias = Annotated[strawberry.ID | None, strawberry.argument(description="Only this reservation.")]
ToStatus: TypeAlias = Annotated[
    ShipmentStatus | None,
    strawberry.argument(description="Only parcels that come to this status; mere scans are left out."),
]
OfShipment: TypeAlias = Annotated[strawberry.ID | None, strawberry.argument(description="Only this shipment.")]


async def _tickets(
    info: Info, after: After = None, ticket_id: OfTicket = None, site_id: OfSite = None
) -> AsyncGenerator[TicketEvent, None]:
    return follow(info, TICKETS, after, {"id": ticket_id, "site_id": site_id})


async def _reservations(
    info: Info,
    after: After = None,
    reservation_id: OfReservation = None,
    ticket_id: OfTicket = None,
    hub_id: OfHub = None,
) -> AsyncGenerator[ReservationEvent, None]:
    return follow(info, RESERVATIONS, after, {"id": reservation_id, "ticket_id": ticket_id, "hub_id": hub_id})


async def _shipment_status(
    info: Info,
    after: After = None,
    shipment_id: OfShipment = None,
    ticket_id: OfTicket = None,
    hub_id: OfHub = None,
    site_id: OfSite = None,
    status: ToStatus = None,
) -> AsyncGenerator[ShipmentStatusEvent, None]:
    only = {"id": shipment_id, "ticket_id": ticket_id, "hub_id": hub_id, "site_id": site_id}
    return follow(info, SHIPMENTS, after, only, to=status)


async def _incident_groups(info: Info, after: After = None) -> AsyncGenerator[IncidentGroupEvent, None]:
    return follow(info, GROUPS, after, {})


async def _recoveries(
    info: Info, after: After = None, ticket_id: OfTicket = None
) -> AsyncGenerator[RecoveryEvent, None]:
    return follow(info, RECOVERIES, after, {"ticket_id": ticket_id})


async def _tasks(
    info: Info, after: After = None, ticket_id: OfTicket = None, hub_id: OfHub = None
) -> AsyncGenerator[TaskEvent, None]:
    return follow(info, TASKS, after, {"ticket_id": ticket_id, "hub_id": hub_id})


async def _approvals(
    info: Info, after: After = None, ticket_id: OfTicket = None
) -> AsyncGenerator[ApprovalEvent, None]:
    return follow(info, APPROVALS, after, {"ticket_id": ticket_id})


async def _replenishments(
    info: Info, after: After = None, hub_id: OfHub = None
) -> AsyncGenerator[ReplenishmentEvent, None]:
    return follow(info, REPLENISHMENTS, after, {"hub_id": hub_id})


async def _rollout_progress(
    info: Info, after: After = None, rollout_id: OfRollout = None, ticket_id: OfTicket = None
) -> AsyncGenerator[RolloutEvent, None]:
    return follow(info, ROLLOUTS, after, {"id": rollout_id, "ticket_id": ticket_id})


@strawberry.type(description="What can be followed, over the graphql-transport-ws protocol or as server-sent events.")
class Subscription:
    """Each event carries a cursor to resume from."""

    tickets: AsyncGenerator[TicketEvent, None] = strawberry.subscription(
        resolver=_tickets, description="Tickets that come or change."
    )
    reservations: AsyncGenerator[ReservationEvent, None] = strawberry.subscription(
        resolver=_reservations, description="Stock that is claimed, and claims that change."
    )
    shipment_status: AsyncGenerator[ShipmentStatusEvent, None] = strawberry.subscription(
        resolver=_shipment_status, description="Parcels whose status changes, or that are scanned."
    )
    incident_groups: AsyncGenerator[IncidentGroupEvent, None] = strawberry.subscription(
        resolver=_incident_groups, description="Major incidents that are proposed, and what becomes of them."
    )
    recoveries: AsyncGenerator[RecoveryEvent, None] = strawberry.subscription(
        resolver=_recoveries, description="Parcels in trouble, and what is done about them."
    )
    tasks: AsyncGenerator[TaskEvent, None] = strawberry.subscription(
        resolver=_tasks, description="Work that is given to people, and its progress."
    )
    approvals: AsyncGenerator[ApprovalEvent, None] = strawberry.subscription(
        resolver=_approvals, description="Requests for approval that are made, answered and settled."
    )
    replenishments: AsyncGenerator[ReplenishmentEvent, None] = strawberry.subscription(
        resolver=_replenishments, description="Shelves that are found low, and what is done about them."
    )
    rollout_progress: AsyncGenerator[RolloutEvent, None] = strawberry.subscription(
        resolver=_rollout_progress, description="Rollouts that are made, moved, or get on, with their counts."
    )
