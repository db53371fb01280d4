"""Writes on tickets, once per key.

Every change makes an audit of its own, which people cannot change; the key lies in its metadata, sent in the same
request. So each write is found again even when somebody has changed the ticket since.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

from connector.sdk import (
    AddNote,
    Invalid,
    InvalidRecord,
    Receipt,
    SetTicketFields,
    SetTicketState,
    UnexpectedResponse,
)
from connector.sdk.cursors import read_instant
from connector.sdk.ticket_fields import holds
from connector_zendesk.client import ZendeskClient
from connector_zendesk.config import STATES, WRITTEN, ZendeskConfig
from connector_zendesk.mapping import Beside, Ticket, read_ticket, state_of
from connector_zendesk.names import Names, is_id, read_fields, read_statuses
from connector_zendesk.refusals import refused
from connector_zendesk.values import value_of

Write: TypeAlias = AddNote | SetTicketState | SetTicketFields

KEY = "connector_key"
"""Name of the key in the metadata of an audit, of which Zendesk keeps a kilobyte."""
COLUMNS = {"subject", "priority", "type", "due_at", "external_id", "problem_id"}
"""Columns of tickets that can be written, beside custom fields, `assignee` and `group`."""
NOT_WRITTEN = "Take one of the ticket's own columns, or the title or id of a custom field."


class TicketWriter:
    """Writes for an adapter."""

    def __init__(self, config: ZendeskConfig, client: ZendeskClient) -> None:
        self._config = config
        self._client = client

    async def push(self, op: Write) -> Receipt:
        """Do it unless it is done. Raises Invalid, Conflict, NotFound, OutcomeUnknown."""
        match op:
            case AddNote():
                return await self._marked(op, "find note") or await self._add_note(op)
            case SetTicketState():
                return await self._set_state(op)
            case SetTicketFields():
                return await self._set_fields(op)

    async def find(self, op: Write) -> Receipt | None:
        """The receipt when the operation took effect, or what it asks for is so already."""
        if found := await self._marked(op, "find write"):
            return found
        match op:
            case AddNote():
                return None
            case SetTicketState():
                ticket = _read((await self._client.ticket(op.ticket, "find state"))["ticket"], "find state")
                names = await self._statuses("find state")
                return _receipt(op, ticket) if self._is_reached(op, ticket, names) else None
            case SetTicketFields():
                wanted = await self._wanted(op)
                ticket, left = await self._left(op, wanted, "find fields")
                return None if left else _receipt(op, ticket)

    async def _marked(self, op: Write, operation: str) -> Receipt | None:
        """What an earlier attempt made, told by the audits."""
        async for audit in self._client.audits(op.ticket, operation):
            if _key(audit) == op.key:
                return _of_audit(op, audit)
        return None

    async def _add_note(self, op: AddNote) -> Receipt:
        comment = {"body": op.body, "public": op.is_public}
        body = await self._change(op, {"comment": comment}, {"comment": "body"}, "add note")
        audit = body.get("audit")
        if not isinstance(audit, dict):
            raise UnexpectedResponse("the answer to add note has no audit", operation="add note", ref=op.ticket)
        return _of_audit(op, audit)

    async def _set_state(self, op: SetTicketState) -> Receipt:
        operation = "set state"
        ticket = _read((await self._client.ticket(op.ticket, operation))["ticket"], operation)
        names = await self._statuses(operation)
        if self._is_reached(op, ticket, names):
            return _receipt(op, ticket)
        if found := await self._marked(op, operation):
            return found
        change = {**self._status_for(op, names), **_stamp(ticket)}
        sent = {"status": "state", "custom_status_id": "state"}
        body = await self._change(op, change, sent, operation)
        return _receipt(op, _read(body["ticket"], operation))

    async def _set_fields(self, op: SetTicketFields) -> Receipt:
        operation = "set fields"
        wanted = await self._wanted(op)
        ticket, left = await self._left(op, wanted, operation)
        if not left:
            return _receipt(op, ticket)
        if found := await self._marked(op, operation):
            return found
        change: dict[str, object] = {**_stamp(ticket)}
        custom = [{"id": int(wanted[name][0]), "value": wanted[name][1]} for name in left if is_id(wanted[name][0])]
        change |= {wanted[name][0]: wanted[name][1] for name in left if not is_id(wanted[name][0])}
        if custom:
            change["custom_fields"] = custom
        await self._change(op, change, {wanted[name][0]: name for name in left}, operation)
        changed, left = await self._left(op, wanted, operation)
        if left:
            raise Invalid(
                f"{operation}: Zendesk took the request and left {', '.join(map(repr, left))} as it was",
                operation=operation,
                ref=op.ticket,
                fields=dict.fromkeys(left, "stays as it was"),
                hint="An assignee must be an agent of the ticket's group; a due date needs the type task.",
            )
        return _receipt(op, changed)

    async def _change(
        self, op: Write, change: Mapping[str, object], sent: Mapping[str, str], operation: str
    ) -> dict[str, Any]:
        """sent: field of Zendesk's -> what it is called in the operation."""
        try:
            return await self._client.update(op.ticket, {**change, "metadata": {KEY: op.key}}, operation)
        except Invalid as error:
            raise refused(error, sent) from error

    async def _statuses(self, operation: str) -> Names:
        rows = await self._client.custom_statuses(operation) if self._config.named_statuses() else []
        return Names(statuses=read_statuses(rows))

    def _status_for(self, op: SetTicketState, names: Names) -> dict[str, object]:
        name = (WRITTEN | self._config.statuses)[op.state]
        if name in STATES:
            return {"status": name}
        found = names.status(name)
        if found is None or not found.active:
            raise Invalid(
                f"Zendesk has no status {name!r} that is in use",
                operation="set state", ref=op.ticket, fields={"state": "no such status"},
                hint="Correct the setting `statuses` of this source.",
            )  # fmt: skip
        return {"custom_status_id": found.id}

    def _is_reached(self, op: SetTicketState, ticket: Ticket, names: Names) -> bool:
        """Whether the ticket is in the state, as far as it is written."""
        name = (WRITTEN | self._config.statuses)[op.state]
        if name not in STATES:
            found = names.status(name)
            return found is not None and found.id == ticket.custom_status_id
        try:
            return ticket.status == name or state_of(ticket, names, self._config) is op.state
        except InvalidRecord:
            return False

    async def _wanted(self, op: SetTicketFields) -> dict[str, tuple[str, object]]:
        """Name in the operation -> column or id of a custom field, and its value. Raises Invalid."""
        custom = [name for name in op.fields if name not in COLUMNS | {"assignee", "group"}]
        names = Names(read_fields(await self._client.ticket_fields("read fields") if custom else []))
        wanted: dict[str, tuple[str, object]] = {}
        for name, text in op.fields.items():
            if name in custom:
                field = names.writable(name, op.ticket)
                wanted[name] = (str(field.id), value_of(op, name, field))
            elif name == "assignee":
                column = "assignee_email" if "@" in text else "assignee_id"
                wanted[name] = (column, text.strip() if "@" in text else _number(op, name))
            elif name == "group":
                wanted[name] = ("group_id", await self._group(op, text.strip()))
            else:
                value = _number(op, name) if name == "problem_id" else text
                wanted[name] = (name, value if text.strip() else None)
        return wanted

    async def _group(self, op: SetTicketFields, name: str) -> int | None:
        if not name or is_id(name):
            return int(name) if name else None
        for group in await self._client.groups("read groups"):
            if str(group.get("name")).casefold() == name.casefold() and isinstance(group.get("id"), int):
                return int(group["id"])
        raise Invalid(
            f"Zendesk has no group {name!r}",
            operation="set fields", ref=op.ticket, fields={"group": "no such group"},
        )  # fmt: skip

    async def _left(
        self, op: SetTicketFields, wanted: Mapping[str, tuple[str, object]], operation: str
    ) -> tuple[Ticket, list[str]]:
        """The ticket as it is, and the names of what is not as wanted."""
        body = await self._client.ticket(op.ticket, operation)
        raw = body["ticket"]
        ticket = _read(raw, operation)
        now: dict[str, Any] = {str(each.id): each.value for each in ticket.custom_fields or ()}
        now |= {name: value for name, value in raw.items() if not is_id(name)}
        now["assignee_email"] = Beside.of(body).people.get(ticket.assignee_id or 0)
        return ticket, [name for name, (column, value) in wanted.items() if not _has(column, now.get(column), value)]


def _has(column: str, now: Any, wanted: object) -> bool:
    if column == "due_at" and isinstance(now, str) and isinstance(wanted, str):
        try:
            return read_instant(now) == read_instant(wanted)
        except ValueError:
            return False
    if column == "assignee_email":
        return str(now).casefold() == str(wanted).casefold()
    return holds(now, wanted)


def _number(op: SetTicketFields, name: str) -> int | None:
    text = op.fields[name].strip()
    if not text or is_id(text):
        return int(text) if text else None
    raise Invalid(
        f"{name!r} takes an id{' or an address' if name == 'assignee' else ''}, {text[:80]!r} is none",
        operation="set fields", ref=op.ticket, fields={name: "takes an id"}, hint=NOT_WRITTEN,
    )  # fmt: skip


def _stamp(ticket: Ticket) -> dict[str, object]:
    """Has Zendesk refuse the change when somebody else was quicker."""
    at = ticket.updated_at.isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"updated_stamp": at, "safe_update": True}


def _read(body: Any, operation: str) -> Ticket:
    try:
        return read_ticket(body)
    except InvalidRecord as error:
        raise UnexpectedResponse(str(error), operation=operation) from error


def _key(audit: Mapping[str, Any]) -> object:
    metadata = audit.get("metadata")
    custom = metadata.get("custom") if isinstance(metadata, dict) else None
    return custom.get(KEY) if isinstance(custom, dict) else None


def _of_audit(op: Write, audit: Mapping[str, Any]) -> Receipt:
    """A note's id is that of its comment; a change makes nothing of its own, the ticket stands for it."""
    events = audit.get("events")
    comments = [each for each in events if isinstance(each, dict)] if isinstance(events, list) else []
    made = next((each.get("id") for each in comments if each.get("type") == "Comment"), audit.get("id"))
    external_id = str(made) if isinstance(op, AddNote) else op.ticket.external_id
    return Receipt(key=op.key, external_id=external_id, at=_time(audit.get("created_at")))


def _receipt(op: Write, ticket: Ticket) -> Receipt:
    return Receipt(key=op.key, external_id=op.ticket.external_id, at=ticket.updated_at)


def _time(told: object) -> datetime | None:
    try:
        return read_instant(str(told))
    except ValueError:
        return None
