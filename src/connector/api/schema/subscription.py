"""Root fields that follow what happens."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Generic, TypeAlias, TypeVar

import strawberry
from strawberry.utils.str_converters import to_camel_case

from connector.api.context import Info
from connector.api.feed import Stretch
from connector.api.plan import Plan
from connector.api.schema.approvals import Approval
from connector.api.schema.enums import ChangeOperation
from connector.api.schema.groups import IncidentGroup
from connector.api.schema.nodes import key_of
from connector.api.schema.recoveries import Recovery
from connector.api.schema.replenishments import Replenishment
from connector.api.schema.rollouts import Rollout
from connector.api.schema.scalars import JSON, as_json
from connector.api.schema.shipping import Shipment
from connector.api.schema.work import Reservation, Task, Ticket
from connector.model.errors import InvalidInput
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
from connector.storage.database.changes import LoggedChange, parse_cursor
from connector.storage.database.engine import reading
from connector.storage.query import ENTITIES, Row, Selection, Sight, fetch_rows

EventT = TypeVar("EventT")


@strawberry.type(description="One field that changed.")
class FieldChange:
    """Before and after."""

    field: str = strawberry.field(description="The field's name as the change log has it, for example `state`.")
    before: JSON | None = strawberry.field(description="Its value before; null for something new.")
    after: JSON | None = strawberry.field(description="Its value after; null for something deleted.")


@strawberry.interface(description="Something that happened. Events come in the order in which they were committed.")
class Event:
    """An entry of the change log."""

    cursor: str = strawberry.field(description="Names this event: `after` it a new subscription goes on without gap.")
    at: datetime = strawberry.field(description="When it happened.")
    operation: ChangeOperation = strawberry.field(description="What happened.")
    actor: str = strawberry.field(description="Who or what did it.")
    changes: list[FieldChange] = strawberry.field(description="Every field that changed.")


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


@dataclass(frozen=True, slots=True)
class Topic(Generic[EventT]):
    """How changes of one kind become events. row: field of the event that holds the thing itself.

    state: its column that `before` and `after` show. news: fields whose change is worth an event, None for all.
    """

    kind: EntityKind
    row: str
    state: str
    states: type[StrEnum]
    event: Callable[..., EventT]
    news: frozenset[str] | None = None

    def is_news(self, change: LoggedChange) -> bool:
        """Whether the change is worth an event."""
        return self.news is None or change.operation != "updated" or not self.news.isdisjoint(change.fields)

    def event_of(self, change: LoggedChange, row: Row | None, sight: Sight) -> EventT:
        """The event that a change is. With a limited sight without keys and documents: they may lead out of it."""
        told = set(ENTITIES[self.row].names()) if sight.is_limited else change.fields.keys()
        now = row.values[self.state] if row else None
        before, after = change.fields.get(self.state, (now, now))
        return self.event(
            cursor=str(change.position),
            at=change.at,
            operation=ChangeOperation(change.operation),
            actor=change.actor,
            changes=[
                FieldChange(field=name, before=as_json(pair[0]), after=as_json(pair[1]))
                for name, pair in sorted(change.fields.items())
                if name in told
            ],
            before=None if before is None else self.states(before),
            after=None if after is None else self.states(after),
            **{self.row: row},
        )


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


async def _follow(
    info: Info, topic: Topic[EventT], after: str | None, only: Mapping[str, strawberry.ID | None]
) -> AsyncGenerator[EventT, None]:
    """Events of a topic. only: column -> id that the thing must have there."""
    context, stretch = info.context, info.context.stretch or Stretch()
    wanted = {name: _key(name, topic.row, text) for name, text in only.items() if text is not None}
    asked = Plan.of(info._raw_info).below(to_camel_case(topic.row)) or Selection(topic.row)
    selection = replace(asked, columns=asked.columns | {topic.state})
    start = parse_cursor(after) if stretch.start is None and after is not None else stretch.start
    now = await context.feed.now()
    if start is not None and start > now:
        raise InvalidInput(
            f"cursor {str(start)!r} lies ahead of everything that has happened",
            hint="Was the database replaced by an older one? Leave `after` out and read the present state again.",
        )
    stretch.position = stretch.begun_at = now if start is None else start
    pages = context.feed.pages(stretch.position, kind=topic.kind, only=wanted, until=stretch.until)
    async with aclosing(pages):
        async for page in pages:
            news = [change for change in page if topic.is_news(change)]
            async with reading(context.engine) as tx:
                rows = await fetch_rows(tx, selection, {change.entity_id for change in news}, context.reader.sight)
            for change in news:
                row = rows.get(change.entity_id)
                if row is None and context.reader.sight.is_limited:
                    continue  # gone, or never theirs
                stretch.position = change.position
                yield topic.event_of(change, row, context.reader.sight)


def _key(column: str, entity: str, text: str) -> int:
    return key_of(text, entity=entity if column == "id" else column.removesuffix("_id"))


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
OfShipment: TypeAlias = Annotated[strawberry.ID | None, strawberry.argument(description="Only this shipment.")]


async def _tickets(
    info: Info, after: After = None, ticket_id: OfTicket = None, site_id: OfSite = None
) -> AsyncGenerator[TicketEvent, None]:
    return _follow(info, TICKETS, after, {"id": ticket_id, "site_id": site_id})


async def _reservations(
    info: Info,
    after: After = None,
    reservation_id: OfReservation = None,
    ticket_id: OfTicket = None,
    hub_id: OfHub = None,
) -> AsyncGenerator[ReservationEvent, None]:
    return _follow(info, RESERVATIONS, after, {"id": reservation_id, "ticket_id": ticket_id, "hub_id": hub_id})


async def _shipment_status(
    info: Info,
    after: After = None,
    shipment_id: OfShipment = None,
    ticket_id: OfTicket = None,
    hub_id: OfHub = None,
    site_id: OfSite = None,
) -> AsyncGenerator[ShipmentStatusEvent, None]:
    only = {"id": shipment_id, "ticket_id": ticket_id, "hub_id": hub_id, "site_id": site_id}
    return _follow(info, SHIPMENTS, after, only)


async def _incident_groups(info: Info, after: After = None) -> AsyncGenerator[IncidentGroupEvent, None]:
    return _follow(info, GROUPS, after, {})


async def _recoveries(
    info: Info, after: After = None, ticket_id: OfTicket = None
) -> AsyncGenerator[RecoveryEvent, None]:
    return _follow(info, RECOVERIES, after, {"ticket_id": ticket_id})


async def _tasks(
    info: Info, after: After = None, ticket_id: OfTicket = None, hub_id: OfHub = None
) -> AsyncGenerator[TaskEvent, None]:
    return _follow(info, TASKS, after, {"ticket_id": ticket_id, "hub_id": hub_id})


async def _approvals(
    info: Info, after: After = None, ticket_id: OfTicket = None
) -> AsyncGenerator[ApprovalEvent, None]:
    return _follow(info, APPROVALS, after, {"ticket_id": ticket_id})


async def _replenishments(
    info: Info, after: After = None, hub_id: OfHub = None
) -> AsyncGenerator[ReplenishmentEvent, None]:
    return _follow(info, REPLENISHMENTS, after, {"hub_id": hub_id})


async def _rollout_progress(
    info: Info, after: After = None, rollout_id: OfRollout = None, ticket_id: OfTicket = None
) -> AsyncGenerator[RolloutEvent, None]:
    return _follow(info, ROLLOUTS, after, {"id": rollout_id, "ticket_id": ticket_id})


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
