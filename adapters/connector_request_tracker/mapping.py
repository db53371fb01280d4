"""What Request Tracker says, in the hub's terms. Pure; knows no network."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any, TypedDict

from pydantic import AwareDatetime, Field, ValidationError, field_validator

from connector.sdk import (
    EntityKind,
    InvalidRecord,
    Priority,
    Rejected,
    SourceRef,
    TicketRecord,
    TicketType,
    Tombstone,
    WebhookRequest,
    answers,
)
from connector.sdk.answers import Theirs, unreadable
from connector.sdk.ticket_fields import units_wanted
from connector_request_tracker.config import RequestTrackerConfig

FIELDS = "Subject,Status,Priority,Created,LastUpdated,Resolved,Due,Queue,Owner,Requestor,CustomFields,_hyperlinks"
"""What a search is asked to tell of each ticket."""
DELETED = "deleted"
RELATED = frozenset({"depends-on", "depended-on-by", "refers-to", "referred-to-by"})
"""Links to other tickets that are neither parent nor child."""
NOBODY = "Nobody"
CHANGES = frozenset(
    {"Create", "Status", "Set", "CustomField", "Take", "Untake", "Give", "Steal", "Force", "AddLink", "DeleteLink",
     "AddWatcher", "DelWatcher", "SetWatcher"}
)  # fmt: skip
"""Types of transaction after which a record of the ticket reads differently; a note, ours included, is none."""
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""How Request Tracker writes a time that is not set."""


class Reference(Theirs):
    """A queue, catalog or user."""

    id: str = Field(coerce_numbers_to_str=True)
    name: str | None = Field(default=None, alias="Name")


class CustomValues(Theirs):
    """A custom field with its values."""

    name: str
    values: tuple[Any, ...] = ()

    def texts(self) -> tuple[str, ...]:
        """The values that are texts and not empty; images and files are none."""
        return tuple(value.strip() for value in self.values if isinstance(value, str) and value.strip())


class Hyperlink(Theirs):
    """A link of a ticket or asset. Ours are those to other tickets; history, fields and web pages are links as well."""

    ref: str
    type: str | None = None
    id: str | None = Field(default=None, coerce_numbers_to_str=True)


class _Ticket(Theirs):
    id: int
    status: str = Field(alias="Status")
    queue: Reference = Field(alias="Queue")
    subject: str = Field(default="", alias="Subject")
    priority: str | None = Field(default=None, alias="Priority", coerce_numbers_to_str=True)
    created: AwareDatetime = Field(alias="Created")
    last_updated: AwareDatetime = Field(alias="LastUpdated")
    resolved: AwareDatetime | None = Field(default=None, alias="Resolved")
    due: AwareDatetime | None = Field(default=None, alias="Due")
    owner: Reference | None = Field(default=None, alias="Owner")
    requestors: tuple[Reference, ...] = Field(default=(), alias="Requestor")
    custom_fields: tuple[CustomValues, ...] = Field(default=(), alias="CustomFields")
    hyperlinks: tuple[Hyperlink, ...] = Field(default=(), alias="_hyperlinks")

    @field_validator("custom_fields", "requestors", "hyperlinks", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return value or ()


class _Linked(TypedDict):
    parent: SourceRef | None
    related: tuple[SourceRef, ...] | None


class _Hint(Theirs):
    ticket: int = Field(gt=0)
    type: str


def ticket_ref(number: int | str) -> SourceRef:
    """Identity of a ticket."""
    return SourceRef(kind=EntityKind.TICKET, external_id=str(number))


def ticket_record(item: Any, config: RequestTrackerConfig) -> TicketRecord | Tombstone:
    """A ticket as a search tells it. Raises InvalidRecord with the path of what is wrong."""
    try:
        return _record(_Ticket.model_validate(item), config)
    except ValidationError as error:
        raise unreadable(error, "ticket") from None


def rejected(item: Any, error: InvalidRecord, ref_of: Callable[[str | int], SourceRef] = ticket_ref) -> Rejected:
    """An object that cannot become a record, kept whole. ref_of: how its number becomes a reference."""
    raw_id = item.get("id") if isinstance(item, dict) else None
    ref = ref_of(raw_id) if isinstance(raw_id, str | int) and str(raw_id).isdigit() else None
    return answers.rejected(item, error, ref)


def hinted_ticket(request: WebhookRequest) -> SourceRef | None:
    """The ticket that a webhook says has changed; None when it tells of nothing that we read. Raises InvalidRecord."""
    try:
        hint = _Hint.model_validate_json(request.body)
        return ticket_ref(hint.ticket) if hint.type in CHANGES else None
    except ValidationError as error:
        raise unreadable(error, "webhook") from None


def values_of(ticket: Any) -> dict[str, tuple[str, ...]]:
    """Custom field -> its values, empty ones left out, of a ticket as it is read by its number."""
    fields = ticket.get("CustomFields") if isinstance(ticket, dict) else None
    try:
        parsed = [CustomValues.model_validate(field) for field in fields or ()]
    except ValidationError as error:
        raise unreadable(error, "ticket") from None
    return {field.name: field.texts() for field in parsed}


def _record(ticket: _Ticket, config: RequestTrackerConfig) -> TicketRecord | Tombstone:
    ref = ticket_ref(ticket.id)
    if ticket.status.casefold() == DELETED:
        return Tombstone(ref=ref, updated_at=ticket.last_updated)
    state = config.state_of(ticket.status)
    if state is None:
        raise InvalidRecord(
            f"ticket {ticket.id} has status {ticket.status!r}, which is none of the default lifecycle",
            path="/Status",
            hint="Say what it means in the setting `states` of this source, then replay the record.",
        )
    fields = {field.name.casefold(): field.texts() for field in ticket.custom_fields}
    queue = ticket.queue.name or ticket.queue.id
    return TicketRecord(
        ref=ref,
        updated_at=ticket.last_updated,
        number=str(ticket.id),
        type=config.types.get(queue, TicketType.INCIDENT),
        priority=_priority(ticket, fields, config),
        state=state,
        title=ticket.subject,
        category=field_of(fields, config.category_field) or queue,
        asset_tag=field_of(fields, config.asset_tag_field),
        asset=_asset(ticket) if config.catalogs else None,
        serial=field_of(fields, config.serial_field),
        hostname=field_of(fields, config.hostname_field),
        site_name=field_of(fields, config.site_field),
        duplicate_of=_duplicate_of(fields, config),
        quantity=_quantity(ticket, fields, config),
        **_links(ticket),
        requester=ticket.requestors[0].id if ticket.requestors else None,
        assignee=ticket.owner.id if ticket.owner and ticket.owner.id != NOBODY else None,
        opened_at=_set(ticket.created),
        resolved_at=_set(ticket.resolved),
        sla_due_at=_set(ticket.due),
        url=f"{str(config.base_url).rstrip('/')}/Ticket/Display.html?id={ticket.id}",
    )


def _links(ticket: _Ticket) -> _Linked:
    """The tickets that it is linked to; of several parents the first one made counts, the rest are related."""

    def linked(refs: Collection[str]) -> list[int]:
        numbers = {
            int(link.id)
            for link in ticket.hyperlinks
            if link.ref in refs and link.type == "ticket" and link.id is not None and link.id.isdigit()
        }
        return sorted(numbers - {ticket.id})

    parents = linked(("parent",))
    related = [number for number in linked(RELATED) + parents[1:] if number not in parents[:1]]
    return {
        "parent": ticket_ref(parents[0]) if parents else None,
        "related": tuple(ticket_ref(number) for number in sorted(set(related))) or None,
    }


def _asset(ticket: _Ticket) -> SourceRef | None:
    """The asset that it is linked to; of several the one with the lowest number."""
    told = [link.id for link in ticket.hyperlinks if link.ref in RELATED and link.type == "asset" and link.id]
    numbers = sorted(int(each) for each in told if each.isdigit())
    return SourceRef(kind=EntityKind.ASSET, external_id=str(numbers[0])) if numbers else None


def _duplicate_of(fields: dict[str, tuple[str, ...]], config: RequestTrackerConfig) -> SourceRef | None:
    """What the field for it says, when that is a ticket's number; anything else is a remark for people."""
    told = (field_of(fields, config.duplicate_field) or "").removeprefix("#")
    return ticket_ref(int(told)) if told.isascii() and told.isdigit() and int(told) > 0 else None


def _quantity(ticket: _Ticket, fields: dict[str, tuple[str, ...]], config: RequestTrackerConfig) -> int | None:
    """How many units are needed; None where nobody said so."""
    field = config.quantity_field
    return units_wanted(
        field_of(fields, field), ticket=f"ticket {ticket.id}", field=field, path="/CustomFields",
        hint="name another field in `quantity_field`",
    )  # fmt: skip


def field_of(fields: dict[str, tuple[str, ...]], name: str | None) -> str | None:
    """The first value of a custom field. fields: by name, folded."""
    values = fields.get(name.casefold(), ()) if name else ()
    return values[0] if values else None


def _priority(ticket: _Ticket, fields: dict[str, tuple[str, ...]], config: RequestTrackerConfig) -> Priority | None:
    """The priority field's, else that of the number; 0, which every new ticket has, says nothing."""
    told = field_of(fields, config.priority_field)
    if told:
        known = {name.casefold(): priority for name, priority in config.priorities.items()}
        if told.casefold() not in known:
            raise InvalidRecord(
                f"ticket {ticket.id} has {config.priority_field} {told!r}; known are {', '.join(config.priorities)}",
                path="/CustomFields",
                hint="Say what it means in the setting `priorities` of this source, then replay the record.",
            )
        return known[told.casefold()]
    if ticket.priority is None or not ticket.priority.lstrip("-").isdigit():
        return None
    number = int(ticket.priority)
    reached = [(floor, priority) for priority, floor in config.priority_floors.items() if number >= floor]
    return max(reached)[1] if reached else None


def _set(at: datetime | None) -> datetime | None:
    return at if at and at > NEVER else None
