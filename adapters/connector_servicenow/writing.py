"""Writes on tickets so that each operation takes effect once, and finds out whether it did.

A note ends in a line with its key, since notes have no field of their own for it. A state and columns need none: they
hold, or they do not. Columns that do not exist are passed over by ServiceNow, values are cut or not taken: so what a
ticket shows is looked at before and after.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from connector.sdk import (
    AddNote,
    Conflict,
    Invalid,
    NotFound,
    Receipt,
    SetTicketFields,
    SetTicketState,
    SourceRef,
    TicketState,
)
from connector.sdk.markup import mark_of
from connector.sdk.rest import Row, SentRow
from connector_servicenow.client import ServiceNowClient
from connector_servicenow.config import ServiceNowConfig
from connector_servicenow.query import instant, is_sys_id
from connector_servicenow.words import TicketTable

Write: TypeAlias = AddNote | SetTicketState | SetTicketFields
OVER = frozenset({TicketState.RESOLVED, TicketState.CLOSED, TicketState.CANCELLED})
FINAL = frozenset({TicketState.CLOSED, TicketState.CANCELLED})


class TicketWriter:
    """Notes, states and columns of tickets."""

    def __init__(self, config: ServiceNowConfig, client: ServiceNowClient) -> None:
        self._config = config
        self._client = client

    async def push(self, op: Write) -> Receipt:
        """Do it once per key. Raises Invalid naming the column, Conflict when the ticket is over."""
        match op:
            case AddNote():
                return await self._add_note(op)
            case SetTicketState():
                return await self._set_state(op)
            case SetTicketFields():
                return await self._set_fields(op)

    async def find(self, op: Write) -> Receipt | None:
        """The receipt when the operation's effect is there."""
        match op:
            case AddNote():
                _, row = await self._row(op.ticket, [_journal(op)], "find note")
                return _receipt(op, row) if _is_noted(row, op) else None
            case SetTicketState():
                table, row = await self._row(op.ticket, ["state"], "find state")
                is_so = _value(row, "state") == self._config.written_for(table, op.state)["state"]
                return _receipt(op, row) if is_so else None
            case SetTicketFields():
                _, row = await self._row(op.ticket, list(op.fields), "find fields")
                return _receipt(op, row) if all(_shows(row, *item) for item in op.fields.items()) else None

    async def _add_note(self, op: AddNote) -> Receipt:
        table, row = await self._row(op.ticket, [_journal(op)], "add note")
        if not _is_noted(row, op):
            text = f"{op.body}\n\n{mark_of(op.key)}"
            row = await self._client.write(
                table, op.ticket, {_journal(op): text}, ["sys_updated_on"], "add note", display=True
            )  # fmt: skip
            if not _is_noted(row, op):  # the answer may have been made before the journal was
                _, row = await self._row(op.ticket, [_journal(op)], "find note")
            if not _is_noted(row, op):
                raise _not_taken(op, "add note", {_journal(op): "the note is not there, or not whole"})
        return _receipt(op, row)

    async def _set_state(self, op: SetTicketState) -> Receipt:
        operation = "set state"
        table, row = await self._row(op.ticket, ["number", "state"], operation)
        values = self._config.written_for(table, op.state)
        here = _value(row, "state")
        if here == values["state"]:
            return _receipt(op, row)
        now = self._config.state_of(table, here)
        if now in OVER and (op.state not in OVER or now in FINAL):
            raise Conflict(
                f"{_value(row, 'number')} is {now.value if now else here} already, and is not set to {op.state.value}",
                operation=operation,
                ref=op.ticket,
                hint="Have a person reopen it in ServiceNow if that is what is wanted.",
            )
        row = await self._client.write(table, op.ticket, values, ["sys_updated_on"], operation)
        if _value(row, "state") != values["state"]:
            raise _not_taken(op, operation, {"state": f"stays {_value(row, 'state')!r}"})
        return _receipt(op, row)

    async def _set_fields(self, op: SetTicketFields) -> Receipt:
        operation = "set fields"
        table, row = await self._row(op.ticket, list(op.fields), operation)
        missing = {name: "the ticket has no such column, or the user may not read it" for name in op.fields
                   if name not in row}  # fmt: skip
        if missing:
            raise _not_taken(op, operation, missing)
        changes = {name: text for name, text in op.fields.items() if not _shows(row, name, text)}
        if changes:
            row = await self._client.write(
                table, op.ticket, changes, ["sys_updated_on"], operation, display=True
            )  # fmt: skip
            kept = {
                name: f"ServiceNow keeps {_shown(row, name)[:80]!r}"
                for name, text in changes.items()
                if not _shows(row, name, text)
            }
            if kept:
                raise _not_taken(op, operation, kept)
        return _receipt(op, row)

    async def _row(self, ref: SourceRef, fields: Sequence[str], operation: str) -> tuple[TicketTable, SentRow]:
        """A ticket with what people see, and its table. Raises NotFound."""
        asked = ["sys_id", "sys_updated_on", *fields]
        for table in self._config.ticket_tables if is_sys_id(ref.external_id) else ():
            found = await self._client.find(table, "sys_id", ref.external_id, asked, operation, display=True)
            if found:
                return table, found[0]
        raise NotFound(
            f"there is no ticket {ref.external_id!r} in {', '.join(self._config.ticket_tables)}, or it is hidden",
            operation=operation,
            ref=ref,
        )


def _journal(op: AddNote) -> str:
    return "comments" if op.is_public else "work_notes"


def _is_noted(row: Row, op: AddNote) -> bool:
    """Whether a journal, which shows all its entries as one text, has the note."""
    lines = map(str.strip, _shown(row, _journal(op)).splitlines())
    return mark_of(op.key) in lines


def _shows(row: Row, column: str, wanted: str) -> bool:
    """Whether a column has this value, or people see it there."""
    return wanted.strip() in (_value(row, column).strip(), _shown(row, column).strip())


def _value(row: Row, column: str) -> str:
    return _either(row.get(column), "value")


def _shown(row: Row, column: str) -> str:
    return _either(row.get(column), "display_value")


def _either(told: object, name: str) -> str:
    if isinstance(told, dict):
        told = told.get(name)
    return "" if told is None else str(told)


def _receipt(op: Write, row: SentRow) -> Receipt:
    """Nothing of its own is made; the ticket stands for it."""
    try:
        at = instant(row.get("last_updated"))
    except ValueError:
        at = None
    return Receipt(key=op.key, external_id=op.ticket.external_id, at=at)


def _not_taken(op: Write, operation: str, fields: dict[str, str]) -> Invalid:
    said = "; ".join(f"{column!r}: {reason}" for column, reason in fields.items())
    return Invalid(
        f"{operation}: ServiceNow does not take it: {said}",
        fields=fields,
        operation=operation,
        ref=op.ticket,
        hint="Use the names of columns, and check that the hub's user may write them.",
    )
