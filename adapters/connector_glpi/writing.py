"""Writes on tickets, once per key.

A followup ends in its key. A status or a column has no place for one: what the ticket shows already is not written
again, by whomever it was entered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from connector.sdk import (
    AddNote,
    Invalid,
    InvalidRecord,
    NotFound,
    Receipt,
    SetTicketFields,
    SetTicketState,
    SourceRef,
    UnexpectedResponse,
)
from connector.sdk.markup import mark_of, marked_html
from connector.sdk.rest import ListedRow
from connector_glpi.api import Api
from connector_glpi.config import GlpiConfig
from connector_glpi.joining import JOINED, Joining, refused
from connector_glpi.rows import Ticket, read_row
from connector_glpi.values import decoded, read_markup

Write: TypeAlias = AddNote | SetTicketState | SetTicketFields
KEPT = frozenset(
    {"id", "date_mod", "date_creation", "is_deleted", "links", "_keys_names", "status", "content", "team", "entity"}
)
"""Columns that are no fields to be set here."""


class TicketWriter:
    """Writes for an adapter."""

    def __init__(self, config: GlpiConfig, api: Api) -> None:
        self._config = config
        self._api = api
        self._joining = Joining(api)

    async def push(self, op: Write) -> Receipt:
        """Do it unless it is done. Raises Invalid, NotFound, OutcomeUnknown."""
        found = await self.find(op)
        if found is not None:
            return found
        match op:
            case AddNote():
                made = await self._api.add_followup(
                    op.ticket, marked_html(op.body, op.key), "add note", is_private=not op.is_public
                )
                return Receipt(key=op.key, external_id=str(made))
            case SetTicketState():
                return await self._change(op, {"status": self._config.written_for(op.state)}, "set state")
            case SetTicketFields():
                return await self._set_fields(op)

    async def find(self, op: Write) -> Receipt | None:
        """The receipt when the operation took effect, or what it asks for is so already."""
        match op:
            case AddNote():
                return await self._find_note(op)
            case SetTicketState():
                row = await self._ticket(op.ticket, "find state")
                ticket = self._read(row, op.ticket, "find state")
                is_so = ticket.status == self._config.written_for(op.state) or (
                    self._config.state_of(ticket.status) is op.state
                )
                return self._receipt(op, row) if is_so else None
            case SetTicketFields():
                row = await self._ticket(op.ticket, "find fields")
                is_so = not _different(op, row) and not await self._joining.missing(op, row)
                return self._receipt(op, row) if is_so else None

    async def _set_fields(self, op: SetTicketFields) -> Receipt:
        """Columns first, then people and links, which are rows of their own."""
        row = await self._ticket(op.ticket, "set fields")
        missing = await self._joining.missing(op, row)
        if values := _values(op, row):
            await self._change(op, values, "set fields")
        for each in missing:
            await self._joining.add(op, each)
        row = await self._ticket(op.ticket, "set fields")
        if left := await self._joining.missing(op, row):
            raise refused(op.ticket, left[0].name, "GLPI took the request and added nothing")
        return self._receipt(op, row)

    async def _find_note(self, op: AddNote) -> Receipt | None:
        number = _number(op.ticket, "find note")
        ref = SourceRef(kind=op.ticket.kind, external_id=str(number))
        for row in await self._api.followups(ref, "find note"):
            if read_markup(str(row.get("content") or "")).endswith(mark_of(op.key)):
                return Receipt(key=op.key, external_id=str(row.get("id")))
        return None

    async def _change(
        self, op: SetTicketState | SetTicketFields, values: Mapping[str, object], operation: str
    ) -> Receipt:
        """Write, and look: GLPI passes over what a user's profile does not allow, and says nothing."""
        await self._api.change("Ticket", _number(op.ticket, operation), values, op.ticket, operation)
        row = await self._ticket(op.ticket, operation)
        left = {
            name: f"stays {_shown(row, name)!r}"[:500] for name, value in values.items() if not _holds(row, name, value)
        }
        if left:
            raise Invalid(
                f"{operation}: GLPI took the request and left {', '.join(map(repr, left))} as it was",
                operation=operation, ref=op.ticket, fields=left,
                hint="Let the profile of the hub's user make this change (Life cycles, Assistance), and look at the "
                "business rules for tickets.",
            )  # fmt: skip
        return self._receipt(op, row)

    async def _ticket(self, ref: SourceRef, operation: str) -> ListedRow:
        return await self._api.one("Ticket", _number(ref, operation), ref, operation)

    def _read(self, row: ListedRow, ref: SourceRef, operation: str) -> Ticket:
        try:
            return read_row(Ticket, row, "ticket", self._config.time_zone)
        except InvalidRecord as error:
            raise UnexpectedResponse(str(error), operation=operation, ref=ref) from error

    def _receipt(self, op: SetTicketState | SetTicketFields, row: ListedRow) -> Receipt:
        """A change makes nothing of its own; the ticket stands for it."""
        ticket = self._read(row, op.ticket, "read ticket")
        return Receipt(key=op.key, external_id=op.ticket.external_id, at=ticket.date_mod)


def _number(ref: SourceRef, operation: str) -> int:
    """The id in a reference. Raises NotFound for one that is none of GLPI's."""
    if ref.external_id.isascii() and ref.external_id.isdecimal() and len(ref.external_id) < 19:
        return int(ref.external_id)
    raise NotFound(f"{ref} is no id of a ticket", operation=operation, ref=ref)


def _values(op: SetTicketFields, row: ListedRow) -> dict[str, object]:
    """What differs, in the form that the ticket has it in. Raises Invalid for a column that is none."""
    return {name: _typed(op, name, row[name]) for name in _different(op, row)}


def _typed(op: SetTicketFields, name: str, now: Any) -> object:
    text = op.fields[name]
    if not isinstance(now, int | dict):
        return text
    if not text.strip().isdecimal():
        raise Invalid(
            f"column {name!r} takes a whole number, {text[:80]!r} is none", operation="set fields", ref=op.ticket,
            fields={name: "takes a whole number"},
        )  # fmt: skip
    return int(text)


def _different(op: SetTicketFields, row: ListedRow) -> list[str]:
    """The columns that have not the value that is wanted. Raises Invalid for one that tickets do not have.

    GLPI leaves out what it does not know, and says nothing.
    """
    columns = {name: value for name, value in op.fields.items() if name not in JOINED}
    missing = [name for name in columns if name not in row or name in KEPT]
    if missing:
        raise Invalid(
            f"tickets have no column {', '.join(map(repr, missing))} that can be set", operation="set fields",
            ref=op.ticket, fields=dict.fromkeys(missing, "no such column"),
            hint="Take the name from the answer of GLPI's API for a ticket, for example externalid.",
        )  # fmt: skip
    return [name for name, value in columns.items() if not _holds(row, name, value)]


def _shown(row: ListedRow, name: str) -> str:
    value = row.get(name)
    if isinstance(value, dict):  # what v2 refers to
        value = value.get("id")
    return "" if value is None else decoded(str(value))


def _holds(row: ListedRow, name: str, wanted: object) -> bool:
    return _shown(row, name).strip() == str(wanted).strip()
