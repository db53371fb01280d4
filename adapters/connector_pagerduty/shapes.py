"""Objects of PagerDuty's REST API, as far as they are read. Any of their fields may be null."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, Field, ValidationError, field_validator

from connector.sdk import EntityKind, InvalidRecord, SourceRef
from connector.sdk.answers import COMPARE, Theirs, unreadable

MERGED = "merge_resolve_reason"


class Reference(Theirs):
    """Something named by id; summary: its name for people. A full object has the same two."""

    id: str | None = Field(default=None, max_length=255)
    summary: str | None = None


class Named(Theirs):
    """Something that has a name alone."""

    name: str | None = None


class Assignment(Theirs):
    """Whom an incident is assigned to."""

    assignee: Reference


class ResolveReason(Theirs):
    """Why an incident was resolved. incident: what it was merged into."""

    type: str | None = None
    incident: Reference | None = None


class Body(Theirs):
    """What the one who opened the incident told of it: a text, or an object."""

    details: Any = None


class FieldValue(Theirs):
    """A custom field of an incident."""

    id: str
    name: str
    display_name: str | None = None
    data_type: str | None = None
    field_type: str | None = None
    value: Any = None

    @property
    def is_multiple(self) -> bool:
        """Whether it takes several values."""
        return bool(self.field_type and self.field_type.startswith("multi"))


class Incident(Theirs):
    """An incident, from a list or by itself. body and custom_fields only where they were asked for."""

    id: str = Field(min_length=1, max_length=255)
    incident_number: int
    status: str
    title: str | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime | None = None
    last_status_change_at: AwareDatetime | None = None
    resolved_at: AwareDatetime | None = None
    service: Reference | None = None
    teams: tuple[Reference, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    priority: Reference | None = None
    urgency: str | None = None
    incident_type: Named | None = None
    resolve_reason: ResolveReason | None = None
    html_url: str | None = None
    body: Body | None = None
    custom_fields: tuple[FieldValue, ...] = ()

    @field_validator("teams", "assignments", "custom_fields", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return value or ()

    @property
    def changed_at(self) -> AwareDatetime:
        """When it was last modified."""
        return self.updated_at or self.last_status_change_at or self.created_at


class LogEntry(Theirs):
    """Something that happened to an incident."""

    id: str
    created_at: AwareDatetime
    incident: Reference


def incident_ref(incident_id: str) -> SourceRef:
    """Identity of an incident."""
    return SourceRef(kind=EntityKind.TICKET, external_id=incident_id)


def read_incident(item: Any) -> Incident:
    """An incident. Raises InvalidRecord with the path of what is wrong."""
    try:
        return Incident.model_validate(item)
    except ValidationError as error:
        raise unreadable(error, "incident") from None


def read_entry(item: Any) -> LogEntry:
    """A log entry that names its incident. Raises InvalidRecord."""
    try:
        entry = LogEntry.model_validate(item)
    except ValidationError as error:
        raise unreadable(error, "log entry") from None
    if not entry.incident.id:
        raise InvalidRecord(f"log entry {entry.id} names no incident", path="/incident/id", hint=COMPARE)
    return entry


def read_fields(items: Any) -> tuple[FieldValue, ...]:
    """Custom fields with their values. Raises InvalidRecord."""
    try:
        return tuple(FieldValue.model_validate(item) for item in items)
    except ValidationError as error:
        raise unreadable(error, "custom field") from None
