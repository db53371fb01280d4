"""What Freshservice says of a ticket, in the hub's terms. Pure: what things are called is handed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import AliasChoices, AwareDatetime, BeforeValidator, Field, ValidationError

from connector.sdk import (
    EntityKind,
    InvalidRecord,
    Priority,
    SourceRef,
    TicketRecord,
    TicketState,
    TicketType,
    Tombstone,
)
from connector.sdk.answers import Theirs, unreadable
from connector.sdk.cursors import read_instant
from connector.sdk.markup import text_of_html
from connector.sdk.rest import ListedRow, valid
from connector.sdk.ticket_fields import as_text, product_named, units_wanted
from connector_freshservice.assets import AssetTypes, asset_ref
from connector_freshservice.config import OPEN, PRIORITIES, TICKET_STATES, TYPES, FreshserviceConfig
from connector_freshservice.names import AGENT, DEPARTMENT, GROUP, PRIORITY, STATUS, Form

Meant = TypeVar("Meant")

LONGEST_TEXT = 65_536
ENDED = (TicketState.RESOLVED, TicketState.CLOSED, TicketState.CANCELLED)


def _read(value: Any) -> Any:
    return read_instant(value) if isinstance(value, str) else value


Instant = Annotated[AwareDatetime, BeforeValidator(_read)]


class _Person(Theirs):
    name: str | None = None
    email: str | None = None


class _Stats(Theirs):
    resolved_at: Instant | None = None
    closed_at: Instant | None = None


class _Item(Theirs):
    """An asset of a ticket, which Freshservice shows without serial and tag."""

    display_id: int | None = Field(default=None, gt=0)
    name: str | None = None
    type_id: int | None = Field(default=None, validation_alias=AliasChoices("ci_type_id", "asset_type_id"))


class Ticket(Theirs):
    """A ticket by ids."""

    id: int = Field(gt=0)
    subject: str | None = None
    description_text: str | None = None
    description: str | None = None
    type: str | None = None
    status: int
    priority: int | None = None
    group_id: int | None = None
    responder_id: int | None = None
    department_id: int | None = None
    workspace_id: int | None = None
    category: str | None = None
    sub_category: str | None = None
    item_category: str | None = None
    custom_fields: dict[str, Any] | None = None
    due_by: Instant | None = None
    created_at: Instant | None = None
    updated_at: Instant
    deleted: bool | None = None
    spam: bool | None = None
    requester: _Person | None = None
    stats: _Stats | None = None
    assets: tuple[_Item, ...] | None = None
    related_tickets: Any = None

    @property
    def ref(self) -> SourceRef:
        """What it is called in the hub."""
        return ticket_ref(self.id)

    @property
    def parent(self) -> SourceRef | None:
        """Of a child its parent; the children of a parent are passed over, since each says itself whose it is."""
        told = self.related_tickets.get("parent_id") if isinstance(self.related_tickets, dict) else None
        return ticket_ref(told) if isinstance(told, int) and told not in (0, self.id) else None


def read_ticket(row: ListedRow) -> Ticket:
    """A ticket of an answer. Raises InvalidRecord with the path of what is wrong."""
    try:
        return Ticket.model_validate(row)
    except ValidationError as error:
        raise unreadable(error, "ticket") from None


def ticket_ref(number: int) -> SourceRef:
    """A ticket by its id, which is its number, too."""
    return SourceRef(kind=EntityKind.TICKET, external_id=str(number))


@dataclass(frozen=True, slots=True)
class Desk:
    """What else is known where tickets are mapped. types: None where assets are not read of this Freshservice."""

    form: Form
    config: FreshserviceConfig
    types: AssetTypes | None = None

    def is_read(self, ticket: Ticket) -> bool:
        """Whether a ticket is one that the settings ask for."""
        if ticket.deleted or ticket.spam:
            return False
        config = self.config
        if config.workspaces and ticket.workspace_id is not None and ticket.workspace_id not in config.workspaces:
            return False
        named = {str(ticket.group_id), self.form.called(GROUP, ticket.group_id)}
        return not config.groups or bool(named & set(config.groups))

    def state_of(self, ticket: Ticket) -> TicketState:
        """What the ticket's status means. Raises InvalidRecord."""
        name = self.form.called(STATUS, ticket.status)
        state = _meaning(self.config.ticket_states, TICKET_STATES, ticket.status, name)
        if state is None:
            raise InvalidRecord(
                f"ticket {ticket.id} has status {name or ticket.status!r}, which nobody gave a meaning to",
                path="/status",
                hint="Say what it means in the setting `ticket_states` of this source, then replay the record.",
            )
        is_open = ticket.status == int(OPEN) and state is TicketState.NEW
        return TicketState.IN_PROGRESS if is_open and ticket.responder_id is not None else state

    def record(self, row: ListedRow) -> TicketRecord | Tombstone:
        """A ticket; a Tombstone for one in the trash or spam, or that is none of those that are read.

        Raises InvalidRecord with the path of what nobody gave a meaning to.
        """
        ticket = read_ticket(row)
        if not self.is_read(ticket):
            return Tombstone(ref=ticket.ref, updated_at=ticket.updated_at)
        state = self.state_of(ticket)
        config, stats = self.config, ticket.stats or _Stats()
        asset, name = self._item(ticket)
        return valid(
            lambda: TicketRecord(
                ref=ticket.ref,
                updated_at=ticket.updated_at,
                number=str(ticket.id),
                type=_type(ticket, config),
                priority=self._priority(ticket),
                state=state,
                title=ticket.subject or "",
                description=_description(ticket),
                category=" > ".join(filter(None, (ticket.category, ticket.sub_category, ticket.item_category))) or None,
                asset=asset,
                asset_tag=self._text(ticket, config.asset_tag_field),
                serial=self._text(ticket, config.serial_field),
                hostname=self._text(ticket, config.hostname_field) or name,
                site_name=self._text(ticket, config.site_field) or self._site(ticket),
                product=product_named(
                    self._text(ticket, config.manufacturer_field),
                    self._text(ticket, config.model_field),
                    self._text(ticket, config.part_number_field),
                ),
                quantity=units_wanted(
                    self._text(ticket, config.quantity_field), ticket=f"ticket {ticket.id}",
                    field=config.quantity_field, path="/custom_fields", hint="name another field in `quantity_field`",
                ),
                parent=ticket.parent,
                requester=(ticket.requester.email or ticket.requester.name) if ticket.requester else None,
                assignee=self.form.called(AGENT, ticket.responder_id),
                opened_at=ticket.created_at,
                resolved_at=(stats.resolved_at or stats.closed_at) if state in ENDED else None,
                sla_due_at=ticket.due_by,
                url=config.page_of("a/tickets", ticket.id),
            )
        )  # fmt: skip

    def _item(self, ticket: Ticket) -> tuple[SourceRef | None, str | None]:
        """The device that a ticket is about, and its name: the first of its assets that is of a type which is read."""
        for item in ticket.assets or ():
            if item.display_id is None:
                continue
            if self.types is None:
                return None, item.name
            if item.type_id is None or self.types.is_read(item.type_id):
                return asset_ref(item.display_id), item.name
        return None, None

    def _priority(self, ticket: Ticket) -> Priority | None:
        if ticket.priority is None:
            return None
        name = self.form.called(PRIORITY, ticket.priority)
        priority = _meaning(self.config.priorities, PRIORITIES, ticket.priority, name)
        if priority is None:
            raise InvalidRecord(
                f"ticket {ticket.id} has priority {name or ticket.priority!r}, which nobody gave a meaning to",
                path="/priority",
                hint="Say what it means in the setting `priorities` of this source, then replay the record.",
            )
        return priority

    def _site(self, ticket: Ticket) -> str | None:
        sites = self.config.department_sites
        name = self.form.called(DEPARTMENT, ticket.department_id)
        return sites.get(str(ticket.department_id)) or (sites.get(name) if name else None)

    def _text(self, ticket: Ticket, name: str | None) -> str | None:
        """What a person would read in a custom field."""
        if name is None:
            return None
        values = ticket.custom_fields or {}
        field = None if name in values else self.form.custom(name)
        return as_text(values.get(field.name if field is not None else name))


def _meaning(own: Mapping[str, Meant], default: Mapping[str, Meant], number: int, name: str | None) -> Meant | None:
    """What the settings say of a number or its name, else what it means as it comes."""
    told = {theirs.strip().casefold(): meant for theirs, meant in own.items()}
    return told.get(str(number)) or told.get((name or "").casefold()) or default.get(str(number))


def _type(ticket: Ticket, config: FreshserviceConfig) -> TicketType:
    own = {theirs.casefold(): meant for theirs, meant in config.types.items()}
    return (TYPES | own).get((ticket.type or "").casefold(), TicketType.INCIDENT)


def _description(ticket: Ticket) -> str | None:
    text = ticket.description_text or text_of_html(ticket.description or "")
    return text.strip()[:LONGEST_TEXT] or None
