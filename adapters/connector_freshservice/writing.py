"""Writes on tickets, once per key.

A note ends in its key, since conversations have no other place for one. A status or a field has none either: what the
ticket shows already is not written again, by whomever it was entered.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

from connector.sdk import AddNote, Invalid, InvalidRecord, Receipt, SetTicketFields, SetTicketState, UnexpectedResponse
from connector.sdk.cursors import read_instant
from connector.sdk.markup import mark_of, marked_html, text_of_html
from connector.sdk.rest import ListedRow
from connector.sdk.ticket_fields import holds
from connector_freshservice.client import FreshserviceClient, number_of
from connector_freshservice.config import WRITTEN_STATES, FreshserviceConfig
from connector_freshservice.names import AGENT, DEPARTMENT, GROUP, PRIORITY, STATUS, Form, FormField, is_id
from connector_freshservice.pulling import Reader, workspace_of
from connector_freshservice.tickets import Ticket, read_ticket

Write: TypeAlias = AddNote | SetTicketState | SetTicketFields

COLUMNS = frozenset({"subject", "category", "sub_category", "item_category"})
"""Columns of tickets that take a text."""
CHOSEN = {"priority": PRIORITY, "urgency": "urgency", "impact": "impact"}
REFERRED = {"group": ("group_id", GROUP), "department": ("department_id", DEPARTMENT)}
BASE = COLUMNS | CHOSEN.keys() | {"status", "due_by", "responder_id", *(column for column, _ in REFERRED.values())}
"""What is no custom field."""
LINKS = frozenset({"parent", "child", "child_of", "parent_id", "related", "related_tickets", "duplicate_of", "problem"})
"""What other desks call links between tickets. A custom field of such a name or label goes before them."""
BOOLEANS = {"true": True, "false": False}
KINDS = {
    "custom_checkbox": "true or false", "custom_number": "a whole number", "custom_decimal": "a number",
    "custom_date": "a date",
}  # fmt: skip
DROPDOWNS = ("custom_dropdown", "custom_multi_select_dropdown")


class TicketWriter:
    """Writes for an adapter."""

    def __init__(self, config: FreshserviceConfig, client: FreshserviceClient, reader: Reader) -> None:
        self._config = config
        self._client = client
        self._reader = reader

    async def push(self, op: Write) -> Receipt:
        """Do it unless it is done. Raises Invalid, NotFound, OutcomeUnknown."""
        match op:
            case AddNote():
                return await self._find_note(op) or await self._add_note(op)
            case SetTicketState():
                row = await self._ticket(op, "set state")
                wanted = await self._status(op, row, "set state")
                return await self._written(op, row, {"status": wanted}, {"status": "state"}, "set state")
            case SetTicketFields():
                row = await self._ticket(op, "set fields")
                values, names = await self._values(op, row)
                return await self._written(op, row, values, names, "set fields")

    async def find(self, op: Write) -> Receipt | None:
        """The receipt when the operation took effect, or what it asks for is so already."""
        match op:
            case AddNote():
                return await self._find_note(op)
            case SetTicketState():
                row = await self._ticket(op, "find state")
                return _receipt(op, row) if row.get("status") == await self._status(op, row, "find state") else None
            case SetTicketFields():
                row = await self._ticket(op, "find fields")
                values, _ = await self._values(op, row)
                return None if _left(row, values) else _receipt(op, row)

    async def _find_note(self, op: AddNote) -> Receipt | None:
        mark = mark_of(op.key)
        for row in await self._client.conversations(op.ticket, "find note"):
            told = row.get("body_text") or text_of_html(str(row.get("body") or ""))
            if mark in str(told):
                return _of_note(op, row)
        return None

    async def _add_note(self, op: AddNote) -> Receipt:
        """A reply, which is mailed to the requester, or a private note."""
        number, body = number_of(op.ticket, "add note"), marked_html(op.body, op.key)
        if op.is_public:
            path, sent = f"tickets/{number}/reply", dict[str, object](body=body)
        else:
            path, sent = f"tickets/{number}/notes", dict[str, object](body=body, private=True)
        return _of_note(op, await self._client.send("POST", path, sent, "conversation", "add note", op.ticket))

    async def _ticket(self, op: SetTicketState | SetTicketFields, operation: str) -> ListedRow:
        return await self._client.one("tickets", "ticket", op.ticket, operation)

    async def _written(
        self,
        op: SetTicketState | SetTicketFields,
        row: ListedRow,
        values: Mapping[str, object],
        names: Mapping[str, str],
        operation: str,
    ) -> Receipt:
        """Write what is not so yet, and look. names: column or custom field -> what it is called in the operation."""
        left = _left(row, values)
        if not left:
            return _receipt(op, row)
        change = {name: value for name, value in left.items() if name in BASE}
        if custom := {name: value for name, value in left.items() if name not in BASE}:
            change["custom_fields"] = custom
        path = f"tickets/{number_of(op.ticket, operation)}"
        try:
            await self._client.send("PUT", path, change, "ticket", operation, op.ticket)
        except Invalid as error:
            fields = {names.get(field, field): why for field, why in error.fields.items()}
            raise Invalid(
                error.message, fields=fields, operation=operation, ref=op.ticket, hint=error.hint, detail=error.detail
            ) from error
        row = await self._ticket(op, operation)
        left = _left(row, values)
        if left:
            told = ", ".join(repr(names[name]) for name in left)
            raise Invalid(
                f"{operation}: Freshservice took the request and left {told} as it was",
                operation=operation, ref=op.ticket, fields={names[name]: "stays as it was" for name in left},
                hint="Look at the business rules of the form, and at the workflows, that change it back.",
            )  # fmt: skip
        return _receipt(op, row)

    async def _status(self, op: SetTicketState, row: ListedRow, operation: str) -> int:
        """The number of the status that says a state; its name is looked up where the settings have one."""
        name = (WRITTEN_STATES | self._config.written_states)[op.state]
        if is_id(name):
            return int(name)
        form = await self._form(row, operation)
        number = form.number(STATUS, name)
        if number is None:
            raise Invalid(
                f"Freshservice has no status {name!r}", operation=operation, ref=op.ticket,
                fields={"state": "no such status"}, hint="Correct the setting `written_states` of this source.",
            )  # fmt: skip
        return number

    async def _form(self, row: ListedRow, operation: str) -> Form:
        return await self._reader.form(workspace_of(row, self._config), operation)

    async def _values(self, op: SetTicketFields, row: ListedRow) -> tuple[dict[str, object], dict[str, str]]:
        """Column or custom field -> value, and -> what it is called in the operation. Raises Invalid."""
        is_needed = any(name not in COLUMNS | {"due_by"} for name in op.fields)
        form = await self._form(row, "read fields") if is_needed else Form()
        values: dict[str, object] = {}
        names: dict[str, str] = {}
        column: str
        value: object
        for name, told in op.fields.items():
            text = told.strip()
            if name in COLUMNS:
                column, value = name, told or None
            elif name == "due_by":
                column, value = name, _instant(op, name)
            elif name in CHOSEN:
                column, value = name, _chosen(op, name, form, CHOSEN[name])
            elif name in REFERRED:
                column, field = REFERRED[name]
                value = _chosen(op, name, form, field) if text else None
            elif name == "assignee":
                column, value = "responder_id", await self._agent(op, text, form) if text else None
            elif name in LINKS and form.custom(name) is None:
                raise _no_link(op, name)
            else:
                found = form.writable(name, op.ticket)
                column, value = found.name, _custom(op, name, found)
            values[column], names[column] = value, name
        return values, names

    async def _agent(self, op: SetTicketFields, text: str, form: Form) -> int:
        """An agent by id, address or name."""
        if "@" not in text:
            return int(text) if is_id(text) else _chosen(op, "assignee", form, AGENT)
        page = await self._client.page("agents", "agents", {"email": text}, "read agents", number=1, size=30)
        for row in page.rows:
            if str(row.get("email")).casefold() == text.casefold() and isinstance(row.get("id"), int):
                return int(row["id"])
        raise _no_such(op, "assignee", text)


def _chosen(op: SetTicketFields, name: str, form: Form, field: str) -> int:
    text = op.fields[name].strip()
    number = form.number(field, text)
    if number is None:
        raise _no_such(op, name, text, form.choices(field))
    return number


def _no_such(op: SetTicketFields, name: str, text: str, choices: tuple[str, ...] = ()) -> Invalid:
    return Invalid(
        f"Freshservice has no {name} {text[:80]!r}", operation="set fields", ref=op.ticket,
        fields={name: f"no such {name}"}, hint=f"It has {', '.join(choices[:10])}." if choices else "",
    )  # fmt: skip


def _no_link(op: SetTicketFields, name: str) -> Invalid:
    return Invalid(
        f"{name!r} would be a link, and Freshservice's API links no ticket to one that exists: it makes a new "
        "child of one, and refers to problems and changes, which are no tickets here",
        operation="set fields", ref=op.ticket, fields={name: "links are not written"},
        hint="Associate them in Freshservice itself: the hub reads a parent. Or make a custom field of this name.",
    )  # fmt: skip


def _instant(op: SetTicketFields, name: str) -> str:
    text = op.fields[name].strip()
    try:
        return read_instant(text).isoformat().replace("+00:00", "Z")
    except ValueError:
        raise _wrong(op, name, "a time with its zone") from None


def _custom(op: SetTicketFields, name: str, field: FormField) -> object:
    """The value of a custom field in its type; an empty text empties it. Raises Invalid."""
    text = op.fields[name] if field.kind in ("custom_text", "custom_paragraph") else op.fields[name].strip()
    if not text:
        return False if field.kind == "custom_checkbox" else None
    try:
        return _typed(field, text)
    except (ValueError, KeyError, InvalidOperation):
        raise _wrong(
            op, name, KINDS.get(field.kind) or f"one of {', '.join(list(field.choices.values())[:10])}"
        ) from None


def _typed(field: FormField, text: str) -> object:
    match field.kind:
        case "custom_checkbox":
            return BOOLEANS[text.casefold()]
        case "custom_number":
            return int(text)
        case "custom_decimal":
            return float(Decimal(text))
        case "custom_date":
            return text if "T" in text and read_instant(text) else date.fromisoformat(text).isoformat()
        case kind if kind in DROPDOWNS and field.choices:
            value = (
                next(each for each in field.choices.values() if each == text)
                if text in field.choices.values()
                else None
            )
            if value is None:
                raise ValueError(text)
            return [value] if kind == DROPDOWNS[1] else value
        case _:
            return text


def _wrong(op: SetTicketFields, name: str, kind: str) -> Invalid:
    return Invalid(
        f"field {name!r} takes {kind}, {op.fields[name][:80]!r} is none", operation="set fields", ref=op.ticket,
        fields={name: f"takes {kind}"},
    )  # fmt: skip


def _left(row: ListedRow, values: Mapping[str, object]) -> dict[str, object]:
    """What is not as wanted."""
    custom = row.get("custom_fields")
    now: dict[str, Any] = {**(custom if isinstance(custom, dict) else {}), **row}
    return {name: value for name, value in values.items() if not _has(name, now.get(name), value)}


def _has(name: str, now: Any, wanted: object) -> bool:
    if name == "due_by" and isinstance(now, str):
        try:
            return read_instant(now) == read_instant(str(wanted))
        except ValueError:
            return False
    return holds(now, wanted)


def _ticket_of(op: SetTicketState | SetTicketFields, row: ListedRow) -> Ticket:
    try:
        return read_ticket(row)
    except InvalidRecord as error:
        raise UnexpectedResponse(str(error), operation="read ticket", ref=op.ticket) from error


def _receipt(op: SetTicketState | SetTicketFields, row: ListedRow) -> Receipt:
    """A change makes nothing of its own; the ticket stands for it."""
    return Receipt(key=op.key, external_id=op.ticket.external_id, at=_ticket_of(op, row).updated_at)


def _of_note(op: AddNote, row: ListedRow) -> Receipt:
    try:
        at = read_instant(str(row.get("created_at")))
    except ValueError:
        at = None
    return Receipt(key=op.key, external_id=str(row.get("id")), at=at)
