"""Incident groups: tickets that are, or may be, about one cause."""

from datetime import datetime

import strawberry

from connector.api.context import Info
from connector.api.schema.asking import refusing, request_of
from connector.api.schema.fields import column, derived, related
from connector.api.schema.inputs import KEY
from connector.api.schema.lazy import AnyTicket
from connector.api.schema.nodes import Node, key_of
from connector.api.schema.payloads import Payload, target
from connector.api.schema.scalars import JSON, as_json
from connector.fulfilment.groups import Groups
from connector.model.kinds import GroupKind
from connector.model.lifecycle import GroupState
from connector.storage.query import Row


def _statistics(root: Row) -> JSON:
    return as_json(root.values["statistics"])


@strawberry.type(description="Tickets that are, or may be, about one cause. The rules propose it, a person answers.")
class IncidentGroup(Node):
    """An incident group."""

    kind: GroupKind = column("What kind of event it is.")
    scope: str = column("What it is about: `site:`, `product:` and a number, or `region:` and a name.")
    title: str = column("What was seen, for people.")
    state: GroupState = column("Where it stands.")
    statistics: JSON = derived(_statistics, "What made it suspicious.", columns=("statistics",))
    policy_version: str = column("Version of the policy that proposed it.")
    serves: bool = column("Whether its tickets get units once it is confirmed.")
    limit_units: int | None = column("How many of them at most; null: all.")
    cause: str | None = column("The cause, or why it was dismissed, as whoever answered states it.")
    decided_by: str | None = column("Who answered; `time-out` when nobody did.")
    decided_at: datetime | None = column("When.")
    closed_by: str | None = column("Who said that it is over; `time-out` when nothing came any more.")
    close_reason: str | None = column("Why, as that person states it.")
    closed_at: datetime | None = column("When.")
    expires_at: datetime = column("When the policy answers unless somebody has.")
    members: list["IncidentGroupTicket"] = related("members", "Its tickets, in the order in which they joined.")
    created_at: datetime = column("When it was proposed.")
    updated_at: datetime = column("When it last changed.")


@strawberry.type(description="A ticket that belongs to an incident group.")
class IncidentGroupTicket(Node):
    """A member of a group."""

    group: IncidentGroup | None = related("group", "The group; null where it lies outside of one's regions.")
    ticket: AnyTicket = related("ticket", "The ticket.")
    joined_at: datetime = column("When it joined.")


@strawberry.input(description="Say that a group of tickets is one event.")
class ConfirmIncidentGroupInput:
    """Input of `confirmIncidentGroup`."""

    incident_group_id: strawberry.ID = strawberry.field(description="Which group.")
    cause: str = strawberry.field(description="What the cause is; told to everybody whose ticket waits.")
    serves: bool | None = strawberry.field(
        default=None, description="Whether its tickets get units; left out, as the policy has it."
    )
    limit_units: int | None = strawberry.field(default=None, description="How many of them at most; left out, all.")
    idempotency_key: str = KEY


@strawberry.input(description="Say that a group of tickets is no event.")
class DismissIncidentGroupInput:
    """Input of `dismissIncidentGroup`."""

    incident_group_id: strawberry.ID = strawberry.field(description="Which group.")
    reason: str = strawberry.field(description="Why; kept with it.")
    idempotency_key: str = KEY


@strawberry.input(description="Say that a confirmed event is over.")
class CloseIncidentGroupInput:
    """Input of `closeIncidentGroup`."""

    incident_group_id: strawberry.ID = strawberry.field(description="Which group.")
    reason: str = strawberry.field(description="Why; kept with it.")
    idempotency_key: str = KEY


@strawberry.type(description="Answer of `confirmIncidentGroup`, `dismissIncidentGroup` and `closeIncidentGroup`.")
class IncidentGroupPayload(Payload):
    """Payload of all three."""

    group: IncidentGroup | None = target("group")


def _groups(info: Info) -> Groups:
    context = info.context
    return Groups(context.engine, context.clock, context.policy)


async def confirm(info: Info, input: ConfirmIncidentGroupInput) -> IncidentGroupPayload:
    """Confirm a group."""
    async with refusing(info) as refusals:
        key, by = key_of(input.incident_group_id, entity="incident_group"), request_of(info, input.idempotency_key)
        await _groups(info).confirm(
            key, cause=input.cause, key=by.key, actor=by.actor, serves=input.serves, limit=input.limit_units
        )
        return IncidentGroupPayload(key=key)
    return IncidentGroupPayload(errors=refusals)


async def dismiss(info: Info, input: DismissIncidentGroupInput) -> IncidentGroupPayload:
    """Dismiss a group."""
    async with refusing(info) as refusals:
        key, by = key_of(input.incident_group_id, entity="incident_group"), request_of(info, input.idempotency_key)
        await _groups(info).dismiss(key, reason=input.reason, key=by.key, actor=by.actor)
        return IncidentGroupPayload(key=key)
    return IncidentGroupPayload(errors=refusals)


async def close(info: Info, input: CloseIncidentGroupInput) -> IncidentGroupPayload:
    """Close a group."""
    async with refusing(info) as refusals:
        key, by = key_of(input.incident_group_id, entity="incident_group"), request_of(info, input.idempotency_key)
        await _groups(info).close(key, reason=input.reason, key=by.key, actor=by.actor)
        return IncidentGroupPayload(key=key)
    return IncidentGroupPayload(errors=refusals)
