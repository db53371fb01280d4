"""Writes on tickets, once per key.

Every change of the REST services carries a comment, which iTop's history keeps as who made it. The operation's key is
in it, so whether a note was written is asked of the history, and nothing is added to its text. A status or an attribute
that is so already is not written again, by whomever it was entered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, TypeAlias

from connector.sdk import (
    AddNote,
    Invalid,
    NotFound,
    Receipt,
    SetTicketFields,
    SetTicketState,
    SourceRef,
    UnexpectedResponse,
)
from connector.sdk.facts import Spelling
from connector.sdk.rest import ListedRow
from connector_itop.client import LONGEST_COMMENT, Rest
from connector_itop.config import ItopConfig
from connector_itop.mapping import number_of
from connector_itop.pulling import Reader
from connector_itop.refusals import NoSuchAttribute
from connector_itop.rows import changed_at, read_entry
from connector_itop.values import instant, one_of, quoted
from connector_itop.words import PRESETS, SYSTEM, TICKET_ROOT, StimulusField, TicketClass

Write: TypeAlias = AddNote | SetTicketState | SetTicketFields
KEPT = frozenset({"id", "status", "finalclass", "friendlyname", "ref", "private_log", "public_log", "last_update"})
"""Attributes that are no fields to be set here."""


def comment_of(key: str) -> str:
    """What the history says of a change with this key."""
    told = f"connector {key}"
    return told if len(told) <= LONGEST_COMMENT else f"connector {sha256(key.encode()).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Seen:
    """A ticket as it is now."""

    kind: TicketClass
    row: ListedRow

    @property
    def status(self) -> str:
        """Its code."""
        return str(self.row.get("status") or "")


class TicketWriter:
    """Writes for an adapter, for the length of one call."""

    def __init__(self, config: ItopConfig, rest: Rest, reader: Reader) -> None:
        self._config = config
        self._rest = rest
        self._reader = reader

    async def push(self, op: Write) -> Receipt:
        """Do it unless it is done. Raises Invalid, NotFound, Conflict, OutcomeUnknown."""
        found = await self.find(op)
        if found is not None:
            return found
        match op:
            case AddNote():
                return await self._add_note(op)
            case SetTicketState():
                return await self._move(op)
            case SetTicketFields():
                return await self._set_fields(op)

    async def find(self, op: Write) -> Receipt | None:
        """The receipt when the operation took effect, or what it asks for is so already."""
        match op:
            case AddNote():
                return await self._find_note(op)
            case SetTicketState():
                seen = await self._ticket(op.ticket, "find state")
                is_so = seen.status == self._config.written_for(op.state) or (
                    self._config.state_of(seen.status) is op.state
                )
                return self._receipt(op, seen.row) if is_so else None
            case SetTicketFields():
                seen = await self._ticket(op.ticket, "find fields")
                row = await self._attributes(op, seen)
                return None if _different(op, row) else self._receipt(op, seen.row)

    # Notes

    async def _add_note(self, op: AddNote) -> Receipt:
        seen = await self._ticket(op.ticket, "add note")
        log = "public_log" if op.is_public else "private_log"
        entry = {"add_item": {"message": op.body, "format": "text"}}
        key = f"SELECT {seen.kind} WHERE id = {seen.row['id']}"
        await self._rest.update(seen.kind, key, {log: entry}, comment_of(op.key), "add note", op.ticket)
        found = await self._find_note(op)
        return found or Receipt(key=op.key, external_id=op.ticket.external_id)

    async def _find_note(self, op: AddNote) -> Receipt | None:
        number = _number(op.ticket, "find note")
        classes = (*self._config.ticket_classes, TICKET_ROOT)
        where = (
            f"{one_of('objclass', classes)} AND objkey = {number} AND userinfo = {quoted(comment_of(op.key))} "
            f"AND {one_of('attcode', ('private_log', 'public_log'))}"
        )
        found = await self._rest.find(
            "CMDBChangeOpSetAttribute", where, ("objclass", "objkey", "date"), "find note", limit=1
        )
        if not found.rows:
            await self._ticket(op.ticket, "find note")
            return None
        change = read_entry(found.rows[0], self._config)
        return Receipt(key=op.key, external_id=str(change.id), at=changed_at(change, self._config))

    # States

    async def _move(self, op: SetTicketState) -> Receipt:
        """Apply stimuli until the ticket has the status; each only to a ticket that still has the status before."""
        seen = await self._ticket(op.ticket, "set state")
        for stimulus, status in self._way(op, seen.status):
            values = await self._filled_in(op, seen, stimulus)
            key = f"SELECT {seen.kind} WHERE id = {seen.row['id']} AND status = {quoted(seen.status)}"
            comment = comment_of(op.key)
            await self._rest.apply(seen.kind, key, stimulus, values, comment, "set state", op.ticket)
            seen = await self._ticket(op.ticket, "set state")
            if seen.status != status:
                raise Invalid(
                    f"set state: {stimulus} leads ticket {seen.row.get('ref')} to {seen.status!r}, not {status!r}",
                    operation="set state", ref=op.ticket, fields={"status": f"is {seen.status!r} now"},
                    hint="Say in transitions what the stimuli of this iTop lead to.",
                )  # fmt: skip
        return self._receipt(op, seen.row)

    def _way(self, op: SetTicketState, status: str) -> list[tuple[str, str]]:
        """The fewest stimuli that lead from a status to the one that is wanted. Raises Invalid where none do."""
        wanted, ways = self._config.written_for(op.state), self._config.ways()
        waiting: deque[tuple[str, list[tuple[str, str]]]] = deque([(status, [])])
        known = {status}
        while waiting:
            here, way = waiting.popleft()
            if here == wanted:
                return way
            for stimulus, there in ways.get(here, {}).items():
                if there not in known:
                    known.add(there)
                    waiting.append((there, [*way, (stimulus, there)]))
        raise Invalid(
            f"set state: no stimulus leads a ticket from {status!r} to {wanted!r}", operation="set state",
            ref=op.ticket, fields={"status": f"stays {status!r}"},
            hint="Say in transitions which stimuli the hub may apply, or in written_states which status is meant.",
        )  # fmt: skip

    async def _filled_in(self, op: SetTicketState, seen: Seen, stimulus: str) -> dict[str, StimulusField]:
        """What the settings say for a stimulus, and the ticket has not yet."""
        values = self._config.fields_for(stimulus)
        if not values:
            return {}
        row = await self._read(seen, list(values), "set state", op.ticket)
        return {name: value for name, value in values.items() if _shown(row, name) in ("", "0", PRESETS.get(name))}

    # Fields

    async def _set_fields(self, op: SetTicketFields) -> Receipt:
        seen = await self._ticket(op.ticket, "set fields")
        values = {name: op.fields[name] for name in _different(op, await self._attributes(op, seen))}
        key = f"SELECT {seen.kind} WHERE id = {seen.row['id']}"
        row = await self._rest.update(seen.kind, key, values, comment_of(op.key), "set fields", op.ticket)
        left = {name: f"stays {_shown(row, name)!r}"[:500] for name in _different(op, row) if name in values}
        if left:
            raise Invalid(
                f"set fields: {SYSTEM} took the request and left {', '.join(map(repr, left))} as it was",
                operation="set fields", ref=op.ticket, fields=left,
                hint="Attributes may be read-only in the ticket's status, or be computed.",
            )  # fmt: skip
        return self._receipt(op, (await self._ticket(op.ticket, "set fields")).row)

    async def _attributes(self, op: SetTicketFields, seen: Seen) -> ListedRow:
        """The attributes that are to be set, as they are. Raises Invalid for those that cannot be."""
        kept = [name for name in op.fields if name in KEPT or not name.isidentifier() or not name.isascii()]
        if kept:
            raise _no_field(op, kept)
        try:
            row = await self._read(seen, list(op.fields), "set fields", op.ticket)
        except NoSuchAttribute as error:
            raise _no_field(op, [error.name]) from None
        wrong = [name for name in op.fields if isinstance(row.get(name), dict | list)]
        if wrong:
            raise _no_field(op, wrong)
        return row

    async def _read(self, seen: Seen, names: list[str], operation: str, ref: SourceRef) -> ListedRow:
        number = seen.row["id"]
        found = await self._rest.find(seen.kind, f"id = {number}", names, operation, limit=1, ref=ref)
        if not found.rows:
            raise NotFound(f"{ref} is not in {SYSTEM} any more", operation=operation, ref=ref)
        return found.rows[0]

    async def _ticket(self, ref: SourceRef, operation: str) -> Seen:
        found = await self._reader.ticket_row(_number(ref, operation), operation)
        if found is None:
            raise NotFound(f"there is no {ref} in {SYSTEM}", operation=operation, ref=ref)
        return Seen(*found)

    def _receipt(self, op: SetTicketState | SetTicketFields, row: ListedRow) -> Receipt:
        """A change makes nothing of its own; the ticket stands for it."""
        return Receipt(key=op.key, external_id=op.ticket.external_id, at=self._at(row))

    def _at(self, row: ListedRow) -> datetime | None:
        told = str(row.get("last_update") or "")
        try:
            form, zone = self._config.datetime_format, self._config.time_zone
            return instant(told, zone, form, Spelling.read_change) if told else None
        except ValueError:
            raise UnexpectedResponse(
                f"last_update is {told!r:.40}, which datetime_format does not read", operation="read ticket",
                hint="Set datetime_format to what date_and_time_format of iTop's configuration is.",
            ) from None  # fmt: skip


def _number(ref: SourceRef, operation: str) -> int:
    number = number_of(ref)
    if number is None:
        raise NotFound(f"{ref} is no id of a ticket", operation=operation, ref=ref)
    return number


def _no_field(op: SetTicketFields, names: list[str]) -> Invalid:
    return Invalid(
        f"set fields: tickets have no attribute {', '.join(map(repr, names))} that can be set here",
        operation="set fields", ref=op.ticket, fields=dict.fromkeys(names, "no such attribute"),
        hint="Take the code of an attribute from the data model, for example team_id or pending_reason.",
    )  # fmt: skip


def _different(op: SetTicketFields, row: Mapping[str, Any]) -> list[str]:
    return [name for name, value in op.fields.items() if name in row and _shown(row, name).strip() != value.strip()]


def _shown(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value)
