"""Writes on incidents so that each operation takes effect once, and finds out whether it did.

A note carries its key in a last line of its own. A state and fields need none: they hold, or they do not.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeAlias

from connector.sdk import (
    AddNote,
    ConfigError,
    Conflict,
    Invalid,
    InvalidRecord,
    Receipt,
    SetTicketFields,
    SetTicketState,
    SourceRef,
    UnexpectedResponse,
)
from connector.sdk.markup import mark_of
from connector_pagerduty.client import PagerDutyClient
from connector_pagerduty.config import PagerDutyConfig
from connector_pagerduty.refusals import ALREADY_ACKNOWLEDGED, ALREADY_RESOLVED, error_code
from connector_pagerduty.shapes import FieldValue, Incident, read_fields, read_incident

Write: TypeAlias = AddNote | SetTicketState | SetTicketFields

RESOLVED = "resolved"
LINKS = frozenset({"parent", "related", "related_incidents", "duplicate_of", "merge", "merged_into"})
"""What other desks call links between tickets. A custom field of such a name goes before them."""


class IncidentWriter:
    """Notes, states and custom fields of incidents."""

    def __init__(self, config: PagerDutyConfig, client: PagerDutyClient) -> None:
        self._config = config
        self._client = client

    async def push(self, op: Write) -> Receipt:
        """Do it once per key. Raises ConfigError without a user to write as, Invalid naming what PagerDuty refuses."""
        sender = self._config.from_email
        if sender is None:
            raise ConfigError(
                "the source has no from_email, and PagerDuty takes no change without the user who makes it",
                operation="write",
                ref=op.ticket,
                hint="Set from_email to the address of a user of the account that stands for the hub.",
            )
        match op:
            case AddNote():
                return await self._find_note(op) or await self._add_note(op, sender)
            case SetTicketState():
                return await self._set_state(op, sender)
            case SetTicketFields():
                return await self._set_fields(op, sender)

    async def find(self, op: Write) -> Receipt | None:
        """The receipt when the operation's effect is there."""
        match op:
            case AddNote():
                return await self._find_note(op)
            case SetTicketState():
                incident = await self._incident(op.ticket, "find state")
                return _of_state(op, incident) if incident.status == self._config.status_for(op.state) else None
            case SetTicketFields():
                fields = await self._fields(op, "find fields")
                is_there = all(_is_set(fields[name], value) for name, value in op.fields.items())
                return Receipt(key=op.key, external_id=op.ticket.external_id) if is_there else None

    async def _find_note(self, op: AddNote) -> Receipt | None:
        wanted = mark_of(op.key)
        for note in await self._client.notes(op.ticket):
            if isinstance(note, dict) and wanted in str(note.get("content") or "").splitlines():
                return _of_note(op, note)
        return None

    async def _add_note(self, op: AddNote, sender: str) -> Receipt:
        return _of_note(op, await self._client.add_note(op.ticket, f"{op.body}\n\n{mark_of(op.key)}", sender))

    async def _set_state(self, op: SetTicketState, sender: str) -> Receipt:
        wanted = self._config.status_for(op.state)
        incident = await self._incident(op.ticket, "set state")
        if incident.status == wanted:
            return _of_state(op, incident)
        if incident.status == RESOLVED:
            raise Conflict(
                f"incident {incident.incident_number} is resolved, and {wanted!r} would open it again",
                operation="set state",
                ref=op.ticket,
                hint="Have a person reopen it in PagerDuty if that is what is wanted.",
            )
        try:
            incident = _read(await self._client.set_status(op.ticket, wanted, sender), "set state")
        except Invalid as error:
            if error_code(error) not in (ALREADY_RESOLVED, ALREADY_ACKNOWLEDGED):
                raise
            incident = await self._incident(op.ticket, "set state")  # somebody was faster
        if incident.status != wanted:
            raise Invalid(
                f"incident {incident.incident_number} stays {incident.status!r}, {wanted!r} did not take",
                operation="set state",
                ref=op.ticket,
                fields={"status": f"stays {incident.status}"},
                hint="Check the setting `statuses` of this source.",
            )
        return _of_state(op, incident)

    async def _set_fields(self, op: SetTicketFields, sender: str) -> Receipt:
        fields = await self._fields(op, "set fields")
        values = [
            {"id": fields[name].id, "value": _typed(op, name, value, fields[name])}
            for name, value in op.fields.items()
            if not _is_set(fields[name], value)
        ]
        if values:
            try:
                await self._client.set_field_values(op.ticket, values, sender)
            except Invalid as error:
                raise _naming(error, op, fields) from error
        return Receipt(key=op.key, external_id=op.ticket.external_id)

    async def _incident(self, ref: SourceRef, operation: str) -> Incident:
        return _read(await self._client.incident(ref, operation), operation)

    async def _fields(self, op: SetTicketFields, operation: str) -> dict[str, FieldValue]:
        """The incident's fields by the operation's names for them. Raises Invalid for one that is not there."""
        try:
            there = read_fields(await self._client.field_values(op.ticket, operation))
        except InvalidRecord as error:
            raise UnexpectedResponse(str(error), operation=operation, ref=op.ticket) from error
        known = {name: field for field in there for name in (field.display_name, field.name) if name}
        missing = [name for name in op.fields if name not in known]
        if links := [name for name in missing if name in LINKS]:
            raise Invalid(
                f"{', '.join(map(repr, links))} would be a link, and PagerDuty links no incidents: related ones are "
                "what it finds out by itself, and a merge resolves an incident and moves its alerts",
                operation=operation,
                ref=op.ticket,
                fields=dict.fromkeys(links, "links are not written"),
                hint="Merge incidents in PagerDuty, which the hub then reads as duplicates; or add a custom field of "
                "this name.",
            )
        if missing:
            raise Invalid(
                f"there is no custom field {', '.join(map(repr, missing))}, only {', '.join(known) or 'none'}",
                operation=operation,
                ref=op.ticket,
                fields=dict.fromkeys(missing, "no such custom field"),
                hint="Add the field to the incident type in PagerDuty, or correct its name.",
            )
        return {name: known[name] for name in op.fields}


def _read(body: dict[str, Any], operation: str) -> Incident:
    try:
        return read_incident(body)
    except InvalidRecord as error:
        raise UnexpectedResponse(str(error), operation=operation) from error


def _of_state(op: SetTicketState, incident: Incident) -> Receipt:
    return Receipt(key=op.key, external_id=incident.id, at=incident.last_status_change_at)


def _of_note(op: AddNote, note: dict[str, Any]) -> Receipt:
    note_id = note.get("id")
    if not isinstance(note_id, str):
        raise UnexpectedResponse("a note has no id", operation="add note", ref=op.ticket)
    return Receipt(key=op.key, external_id=note_id, at=_time(note.get("created_at")))


def _time(told: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(told))
    except ValueError:
        return None
    return at if at.tzinfo else None


def _typed(op: SetTicketFields, name: str, value: str, field: FieldValue) -> object:
    """The text as the field's type wants it. Raises Invalid."""
    try:
        typed: object = value
        if field.data_type == "integer":
            typed = int(value)
        elif field.data_type == "float":
            typed = float(value)
        elif field.data_type == "boolean":
            typed = {"true": True, "false": False}[value.strip().casefold()]
    except (ValueError, KeyError):
        raise Invalid(
            f"custom field {name!r} takes {field.data_type}, {value!r} is none",
            operation="set fields",
            ref=op.ticket,
            fields={name: f"takes {field.data_type}"},
        ) from None
    return [typed] if field.is_multiple else typed


def _is_set(field: FieldValue, wanted: str) -> bool:
    """Whether the field has this value and no other."""
    value = field.value
    if isinstance(value, list):
        if len(value) != 1:
            return False
        value = value[0]
    if isinstance(value, bool):
        return wanted.strip().casefold() == str(value).casefold()
    if isinstance(value, int | float):
        try:
            return float(wanted) == value
        except ValueError:
            return False
    return bool(value == wanted)


def _naming(error: Invalid, op: SetTicketFields, fields: dict[str, FieldValue]) -> Invalid:
    """The refusal with the fields that PagerDuty names, with all that were sent where it names none."""
    said = str(error)
    named = [name for name in op.fields if name in said or fields[name].id in said or fields[name].name in said]
    return Invalid(
        said, fields=dict.fromkeys(named or op.fields, said[:500]), operation=error.operation, ref=op.ticket,
        detail=error.detail, hint=error.hint,
    )  # fmt: skip
