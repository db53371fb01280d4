"""SANDBOX: the incidents, notes and log of an account."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connector.sdk import Clock

MOST_NOTES = 2000
STATUSES = ("triggered", "acknowledged", "resolved")
ENTRIES = {"triggered": "trigger", "acknowledged": "acknowledge", "resolved": "resolve"}
"""What a log entry of a change to this status is called."""


@dataclass
class FieldDefinition:
    """A custom field of incidents. choices: the only values that it takes; None means any."""

    id: str
    name: str
    display_name: str
    data_type: str = "string"
    field_type: str = "single_value"
    choices: tuple[str, ...] | None = None


FIELDS = (
    FieldDefinition("PFASSET", "asset_tag", "Asset Tag"),
    FieldDefinition("PFSERIAL", "serial_number", "Serial Number"),
    FieldDefinition("PFSITE", "site", "Site"),
    FieldDefinition("PFCOUNT", "quantity", "Quantity", "integer"),
    FieldDefinition("PFTRACK", "tracking_number", "Tracking Number"),
    FieldDefinition("PFENV", "environment", "Environment", field_type="single_value_fixed", choices=("lab", "live")),
    FieldDefinition("PFRACKS", "racks", "Racks", field_type="multi_value"),
    FieldDefinition("PFREMOTE", "is_remote", "Is Remote", "boolean"),
)


@dataclass
class SandboxIncident:
    """An incident. extra: columns of a later release. merged_into: id of the incident that it was merged into."""

    id: str
    number: int
    title: str
    created_at: datetime
    updated_at: datetime
    changed_status_at: datetime
    status: str = "triggered"
    service: tuple[str, str] = ("PIJ90N7", "Hamburg network")
    team: tuple[str, str] | None = ("PQ9K7I8", "Engineering")
    priority: tuple[str, str] | None = None
    urgency: str = "high"
    assignee: tuple[str, str] | None = ("PXPGF42", "Earline Greenholt")
    merged_into: str | None = None
    details: Any = None
    fields: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class LogEntry:
    """Something that happened. new: the status, or the field and what it became."""

    id: str
    type: str
    incident: str
    at: datetime
    new: str = ""


@dataclass
class Note:
    """A note on an incident."""

    id: str
    incident: str
    at: datetime
    content: str


class Refusal(Exception):  # noqa: N818 - an answer of the sandbox, not a failure
    """The sandbox refuses a request. status: of HTTP. code: PagerDuty's own."""

    def __init__(self, status: int, code: int, message: str, *errors: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors


class Account:
    """Incidents and what happened to them."""

    def __init__(self, clock: Clock, *, users: tuple[str, ...]) -> None:
        self._clock = clock
        self.users = users
        self.fields = {each.id: each for each in FIELDS}
        self.incidents: dict[str, SandboxIncident] = {}
        self.log: list[LogEntry] = []
        self.notes: list[Note] = []

    def open(self, at: datetime | None = None, **columns: Any) -> SandboxIncident:
        """Open an incident, as monitoring does."""
        when = self._when(at)
        number = len(self.incidents) + 1
        title = columns.pop("title", "Switch is dead")
        incident = SandboxIncident(f"Q{number:013d}", number, title, when, when, when, **columns)
        self.incidents[incident.id] = incident
        self._record("trigger", incident, when, "triggered")
        return incident

    def find(self, id_or_number: str) -> SandboxIncident:
        """The incident of this id or number. Raises Refusal."""
        found = self.incidents.get(id_or_number)
        if found is None and id_or_number.isdigit():
            found = next((each for each in self.incidents.values() if each.number == int(id_or_number)), None)
        if found is None:
            raise Refusal(404, 2100, "Not Found")
        return found

    def set_status(self, incident: SandboxIncident, status: str, at: datetime | None = None) -> None:
        """Acknowledge, resolve or reopen. Raises Refusal."""
        if status not in STATUSES:
            raise Refusal(400, 2001, "Invalid Input Provided", "Invalid Status Provided")
        if incident.merged_into:
            raise Refusal(400, 1019, "Incident Already Merged")
        if incident.status == status == "resolved":
            raise Refusal(400, 1001, "Incident Already Resolved")
        if incident.status != status:
            when = self._when(at)
            incident.status, incident.updated_at, incident.changed_status_at = status, when, when
            self._record(ENTRIES[status], incident, when, status)

    def merge(self, incident: SandboxIncident, into: SandboxIncident, at: datetime | None = None) -> None:
        """Make an incident part of another, by which it is resolved."""
        self.set_status(incident, "resolved", at)
        incident.merged_into = into.id

    def change(
        self, incident: SandboxIncident, at: datetime | None = None, *, is_logged: bool = True, **columns: Any
    ) -> None:
        """Change columns. is_logged: the account's log tells of it."""
        for name, value in columns.items():
            setattr(incident, name, value)
        incident.updated_at = self._when(at)
        if is_logged:
            self._record("field_value_change", incident, incident.updated_at)

    def set_fields(self, incident: SandboxIncident, values: list[dict[str, Any]]) -> None:
        """Change custom fields, by id or name. Raises Refusal."""
        chosen: list[tuple[FieldDefinition, Any]] = []
        for given in values:
            definition = self.fields.get(given.get("id", "")) or self._field(given.get("name"))
            _require_fitting(definition, given.get("value"))
            chosen.append((definition, given.get("value")))
        for definition, value in chosen:
            incident.fields[definition.id] = value
            incident.updated_at = self._when(None)
            self._record("custom_field_value_change", incident, incident.updated_at, f"{definition.id}={value}")

    def write(self, incident: SandboxIncident, content: str) -> Note:
        """Write a note. Raises Refusal when there are too many."""
        if sum(note.incident == incident.id for note in self.notes) >= MOST_NOTES:
            raise Refusal(400, 2001, "Invalid Input Provided", f"Incident cannot have more than {MOST_NOTES} notes")
        note = Note(f"PN{len(self.notes) + 1:06d}", incident.id, self._when(None), content)
        self.notes.append(note)
        self._record("annotate", incident, note.at)
        return note

    def require_user(self, address: str | None) -> None:
        """Refuse a change by nobody. Raises Refusal."""
        if address not in self.users:
            raise Refusal(400, 1008, "Requester User Not Found")

    def _field(self, name: Any) -> FieldDefinition:
        found = next((each for each in self.fields.values() if each.name == name), None)
        if found is None:
            raise Refusal(400, 2001, "Invalid Input Provided", f"Custom field {name!r} does not exist")
        return found

    def _record(self, kind: str, incident: SandboxIncident, at: datetime, new: str = "") -> None:
        self.log.append(LogEntry(f"R{len(self.log) + 1:025d}", f"{kind}_log_entry", incident.id, at, new))

    def _when(self, at: datetime | None) -> datetime:
        return (at or self._clock.now()).astimezone(UTC).replace(microsecond=0)


def _require_fitting(definition: FieldDefinition, value: Any) -> None:
    kinds = {"string": str, "integer": int, "float": float, "boolean": bool}
    is_multiple = definition.field_type.startswith("multi")
    if is_multiple is not isinstance(value, list):
        raise Refusal(400, 2001, "Invalid Input Provided", f"{definition.name} has the wrong number of values")
    for each in value if is_multiple else [value]:
        if not isinstance(each, kinds[definition.data_type]) or (isinstance(each, str) and len(each) > 200):
            raise Refusal(400, 2001, "Invalid Input Provided", f"{definition.name} is no {definition.data_type}")
        if definition.choices is not None and each not in definition.choices:
            raise Refusal(400, 2001, "Invalid Input Provided", f"{definition.name} has no option {each!r}")
