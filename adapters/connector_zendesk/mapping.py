"""What Zendesk says of a ticket, in the hub's terms. Pure; knows no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, Field, ValidationError

from connector.sdk import (
    EntityKind,
    InvalidRecord,
    Priority,
    ProductKey,
    Rejected,
    SourceRef,
    TicketRecord,
    TicketState,
    TicketType,
    Tombstone,
    answers,
)
from connector.sdk.answers import Theirs, unreadable
from connector.sdk.cursors import read_instant
from connector.sdk.ticket_fields import as_text, product_named, units_wanted
from connector_zendesk.config import PRIORITIES, STATES, TYPES, ZendeskConfig
from connector_zendesk.names import Names
from connector_zendesk.values import label_of

LONGEST_DESCRIPTION = 65_536
MOST_RELATED = 1000
DELETED = "deleted"
"""Status of a ticket in the export alone."""
FOLLOW_UP = "follow_up"
ENDED = (TicketState.RESOLVED, TicketState.CLOSED, TicketState.CANCELLED)


def _read(value: Any) -> Any:
    return read_instant(value) if isinstance(value, str) else value


Instant = Annotated[AwareDatetime, BeforeValidator(_read)]


class CustomValue(Theirs):
    """The value of a custom field."""

    id: int
    value: Any = None


class _Origin(Theirs):
    ticket_id: int | None = None


class _Source(Theirs):
    origin: _Origin | None = Field(default=None, alias="from")
    rel: str | None = None


class Via(Theirs):
    """How a ticket came about; of a follow-up, from which ticket."""

    source: _Source | None = None
    followup_source_id: int | None = None


class Metric(Theirs):
    """A target of a service level. breach_at: None while it does not run."""

    metric: str
    breach_at: Instant | None = None


class Slas(Theirs):
    """The targets that count for a ticket."""

    policy_metrics: tuple[Metric, ...] = ()


class Dates(Theirs):
    """When things happened to a ticket."""

    solved_at: Instant | None = None


class Ticket(Theirs):
    """A ticket by ids."""

    id: int = Field(gt=0)
    subject: str | None = None
    description: str | None = None
    status: str
    custom_status_id: int | None = None
    priority: str | None = None
    type: str | None = None
    group_id: int | None = None
    assignee_id: int | None = None
    requester_id: int | None = None
    organization_id: int | None = None
    problem_id: int | None = None
    via_followup_source_id: int | None = None
    followup_ids: tuple[int, ...] | None = None
    via: Via | None = None
    custom_fields: tuple[CustomValue, ...] | None = None
    due_at: Instant | None = None
    slas: Slas | None = None
    dates: Dates | None = None
    created_at: Instant | None = None
    updated_at: Instant
    generated_timestamp: int | None = Field(default=None, ge=0, le=253_402_300_799)

    @property
    def ref(self) -> SourceRef:
        """What it is called in the hub."""
        return ticket_ref(self.id)

    @property
    def gone_at(self) -> datetime:
        """When it was deleted, which dates the export's row and need not date the ticket."""
        told = self.generated_timestamp
        return max(self.updated_at, datetime.fromtimestamp(told, UTC)) if told is not None else self.updated_at

    @property
    def source_id(self) -> int | None:
        """The closed ticket that it follows up."""
        via = self.via or Via()
        told = self.via_followup_source_id or via.followup_source_id
        if told is None and via.source is not None and via.source.rel == FOLLOW_UP and via.source.origin is not None:
            return via.source.origin.ticket_id
        return told


@dataclass(frozen=True, slots=True)
class Beside:
    """People, groups and organizations that came along with tickets, by id."""

    people: Mapping[int, str] = field(default_factory=dict)
    groups: Mapping[int, str] = field(default_factory=dict)
    organizations: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Beside:
        """Of an answer; what is not there is not known."""
        people = {each: str(row.get("email") or row.get("name") or "") for each, row in _by_id(body, "users").items()}
        names = [
            {each: str(row.get("name") or "") for each, row in _by_id(body, kind).items()}
            for kind in ("groups", "organizations")
        ]
        return cls(people, *names)


def _by_id(body: Mapping[str, Any], kind: str) -> dict[int, Mapping[str, Any]]:
    rows = body.get(kind)
    found = rows if isinstance(rows, list) else []
    return {row["id"]: row for row in found if isinstance(row, dict) and isinstance(row.get("id"), int)}


def read_ticket(body: Any) -> Ticket:
    """A ticket of an answer. Raises InvalidRecord with the path of what is wrong."""
    try:
        return Ticket.model_validate(body)
    except ValidationError as error:
        raise unreadable(error, "ticket") from None


def ticket_ref(ticket_id: int) -> SourceRef:
    """Identity of a ticket: its id, which is its number as well."""
    return SourceRef(kind=EntityKind.TICKET, external_id=str(ticket_id))


def rejected(body: Any, error: InvalidRecord) -> Rejected:
    """A ticket that cannot become a record, kept whole."""
    found: Any = body.get("id") if isinstance(body, dict) else None
    is_id = isinstance(found, int) and not isinstance(found, bool) and found > 0
    return answers.rejected(body, error, ticket_ref(found) if is_id else None)


def ticket_record(ticket: Ticket, beside: Beside, names: Names, config: ZendeskConfig) -> TicketRecord | Tombstone:
    """A ticket's record; a Tombstone when it was deleted, or is in none of the groups that are read.

    Raises InvalidRecord with the path of what nobody gave a meaning to.
    """
    if ticket.status == DELETED:
        return Tombstone(ref=ticket.ref, updated_at=ticket.gone_at)
    group = beside.groups.get(ticket.group_id or 0)
    if config.groups and group not in config.groups:
        return Tombstone(ref=ticket.ref, updated_at=ticket.updated_at)
    values = _Values(ticket, names)
    state = state_of(ticket, names, config)
    dates = ticket.dates or Dates()
    return TicketRecord(
        ref=ticket.ref,
        updated_at=ticket.updated_at,
        number=str(ticket.id),
        type=(TYPES | config.types).get(ticket.type or "", TicketType.INCIDENT),
        priority=_priority(ticket, config),
        state=state,
        title=ticket.subject or "",
        description=(ticket.description or "").strip()[:LONGEST_DESCRIPTION] or None,
        category=values.text(config.category_field) or group or None,
        asset_tag=values.text(config.asset_tag_field),
        serial=values.text(config.serial_field),
        hostname=values.text(config.hostname_field),
        site_name=values.text(config.site_field) or _site(ticket, beside, config),
        product=values.product(config),
        quantity=values.quantity(config.quantity_field),
        parent=ticket_ref(ticket.problem_id) if ticket.problem_id and ticket.problem_id != ticket.id else None,
        related=_related(ticket),
        requester=beside.people.get(ticket.requester_id or 0) or None,
        assignee=beside.people.get(ticket.assignee_id or 0) or None,
        opened_at=ticket.created_at,
        resolved_at=dates.solved_at if state in ENDED else None,
        sla_due_at=_due(ticket, config),
        url=f"{str(config.base_url).rstrip('/')}/agent/tickets/{ticket.id}",
    )


def state_of(ticket: Ticket, names: Names, config: ZendeskConfig) -> TicketState:
    """What the ticket's status means: its custom status where the settings name it, else the category.

    Raises InvalidRecord.
    """
    own = names.statuses.get(ticket.custom_status_id or 0)
    for name, state in config.states.items():
        if name == str(ticket.custom_status_id) or (own is not None and names.status(name) == own):
            return state
    found = (STATES | config.states).get(ticket.status)
    if found is None:
        raise InvalidRecord(
            f"ticket {ticket.id} is {ticket.status!r}, a status that nobody gave a meaning to",
            path="/status",
            hint="Say what it means in the setting `states` of this source, then replay the record.",
        )
    return found


class _Values:
    """The custom fields of a ticket by id or title."""

    def __init__(self, ticket: Ticket, names: Names) -> None:
        self._ticket = ticket
        self._names = names
        self._values = {each.id: each.value for each in ticket.custom_fields or ()}

    def text(self, name: str | None) -> str | None:
        """What a person would read there; of a choice its name, where the fields are known."""
        field_id = self._names.field_id(name) if name else None
        if name is None or field_id is None:
            return None
        known = next(iter(self._names.titled(name)), None)
        value = self._values.get(field_id)
        return as_text(label_of(known, value) if known is not None else value)

    def product(self, config: ZendeskConfig) -> ProductKey | None:
        """The product, where both maker and model are named; either alone says nothing certain."""
        maker, model = self.text(config.manufacturer_field), self.text(config.model_field)
        return product_named(maker, model, self.text(config.part_number_field))

    def quantity(self, name: str | None) -> int | None:
        """How many units are needed; None where nobody said so. Raises InvalidRecord."""
        return units_wanted(
            self.text(name), ticket=f"ticket {self._ticket.id}", field=name, path="/custom_fields",
            hint="name another field in `quantity_field`",
        )  # fmt: skip


def _priority(ticket: Ticket, config: ZendeskConfig) -> Priority | None:
    if ticket.priority is None:
        return None
    priority = (PRIORITIES | config.priorities).get(ticket.priority)
    if priority is None:
        raise InvalidRecord(
            f"ticket {ticket.id} has priority {ticket.priority!r}, which nobody gave a meaning to",
            path="/priority",
            hint="Say what it means in the setting `priorities` of this source, then replay the record.",
        )
    return priority


def _site(ticket: Ticket, beside: Beside, config: ZendeskConfig) -> str | None:
    organization = beside.organizations.get(ticket.organization_id or 0)
    sites = config.organization_sites
    named = sites.get(str(ticket.organization_id)) or sites.get(organization or "")
    return named or (organization if config.organization_is_site else None) or None


def _related(ticket: Ticket) -> tuple[SourceRef, ...] | None:
    others = {*(ticket.followup_ids or ()), ticket.source_id} - {None, ticket.id, ticket.problem_id}
    return tuple(ticket_ref(each) for each in sorted(each for each in others if each))[:MOST_RELATED] or None


def _due(ticket: Ticket, config: ZendeskConfig) -> datetime | None:
    running = {each.metric: each.breach_at for each in (ticket.slas or Slas()).policy_metrics if each.breach_at}
    return next((running[metric] for metric in config.sla_metrics if metric in running), ticket.due_at)
