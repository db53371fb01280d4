"""Writes on tickets as the document says, once per key."""

from __future__ import annotations

import json
import re
from typing import Any, Literal, TypeAlias

from connector.sdk import (
    AddNote,
    ConfigError,
    Invalid,
    InvalidRecord,
    Receipt,
    SetTicketFields,
    SetTicketState,
    UnexpectedResponse,
)
from connector.sdk.facts import Expression
from connector_rest.client import ListFacts, RestClient
from connector_rest.definition import Definition, Find, Write
from connector_rest.templates import Value, filled, filled_body, filled_path

Operation: TypeAlias = AddNote | SetTicketState | SetTicketFields
Named = Literal["add_note", "set_state", "set_fields"]
NAMES: dict[type[object], Named] = {
    AddNote: "add_note", SetTicketState: "set_state", SetTicketFields: "set_fields"
}  # fmt: skip


class TicketWriter:
    """Notes, states and fields of tickets, as far as the document says how."""

    def __init__(self, definition: Definition, client: RestClient) -> None:
        self._definition = definition
        self._client = client

    def facts(self, kind: type[object]) -> Write | None:
        """How an operation of this class is done; None where nobody said."""
        name = NAMES.get(kind)
        found: Write | None = getattr(self._definition.writes, name) if name else None
        return found

    async def push(self, op: Operation) -> Receipt:
        """Do it once per key. Raises Invalid naming the field, ConfigError where the document says nothing of it.

        Conflict, where the system is told which state of the ticket is meant, if somebody has changed it since.
        """
        write, name = self._required(op)
        values = _values(op, write)
        tag = await self._tag(op, write, values)
        if write.find is not None and (found := await self._found(op, write.find, values)):
            return found
        headers = {"If-Match": tag} if tag else {}
        if write.idempotency_header:
            headers[write.idempotency_header] = op.key
        params = [(key, filled(text, values)) for key, text in write.params.items()]
        body = filled_body(write.body, values)
        try:
            answer = await self._client.write(
                write.method, filled_path(write.path, values), params, body, name, ref=op.ticket, headers=headers
            )
        except Invalid as error:
            raise self._named(error, write) from None
        return Receipt(key=op.key, external_id=_id(write.id, answer) or op.ticket.external_id)

    async def find(self, op: Operation) -> Receipt | None:
        """Whether an earlier attempt took effect. Where only a header carries the key, the system knows: None."""
        write, _ = self._required(op)
        return None if write.find is None else await self._found(op, write.find, _values(op, write))

    def _required(self, op: Operation) -> tuple[Write, str]:
        write, name = self.facts(type(op)), NAMES[type(op)]
        if write is None:
            raise ConfigError(
                f"the document does not say how to do {name}", operation=name, ref=op.ticket,
                hint=f"Describe it under `writes.{name}`.",
            )  # fmt: skip
        return write, name.replace("_", " ")

    async def _tag(self, op: Operation, write: Write, values: dict[str, Value]) -> str | None:
        """The state of the ticket before it is looked at any further; None where the document does not want it told."""
        facts = write.if_match
        if facts is None:
            return None
        params = [(key, filled(text, values)) for key, text in facts.params.items()]
        return await self._client.tag(
            filled_path(facts.path, values), params, facts.value, NAMES[type(op)].replace("_", " "), op.ticket
        )

    async def _found(self, op: Operation, find: Find, values: dict[str, Value]) -> Receipt | None:
        operation = f"find {NAMES[type(op)].removeprefix('add_').removeprefix('set_')}"
        path = filled_path(find.path, values)
        params = [(key, filled(text, values)) for key, text in find.params.items()]
        if find.value is not None:
            body = await self._client.get(path, params, operation, op.ticket)
            there = _search(find.value, body, operation)
            return Receipt(key=op.key, external_id=op.ticket.external_id) if _holds(op, there, values) else None
        if find.rows is None or find.key is None:
            return None
        key = re.compile(rf"(?<![\w\-.:]){re.escape(op.key)}(?![\w\-.:])")
        facts = ListFacts(path, params, find.rows, find.pages, find.id, operation)
        token: dict[str, Any] | None = None
        for _ in range(self._definition.max_pages):
            page = await self._client.page(facts, token)
            if page.has_moved:
                token = None
                continue
            for row in page.rows:
                held = _search(find.key, row, operation)
                if isinstance(held, str) and key.search(held):
                    return Receipt(key=op.key, external_id=_id(find.id, row) or op.ticket.external_id)
            token = page.next
            if token is None:
                return None
        raise UnexpectedResponse(f"{operation}: the list does not end", operation=operation, ref=op.ticket)

    def _named(self, error: Invalid, write: Write) -> Invalid:
        """The refusal with the fields that the system names."""
        try:
            told = write.refusal.search(json.loads(error.detail))
        except (ValueError, RecursionError, InvalidRecord):
            return error
        if not isinstance(told, dict) or not told:
            return error
        fields = {str(name)[:100]: _reason(why) for name, why in told.items()}
        said = "; ".join(f"{name}: {why}" for name, why in fields.items())[:600]
        return Invalid(
            f"{error.operation}: {self._definition.system} refuses {said}", fields=fields, operation=error.operation,
            ref=error.ref, detail=error.detail,
        )  # fmt: skip


def _values(op: Operation, write: Write) -> dict[str, Value]:
    """What fills the gaps. Raises Invalid for a value that the document does not translate."""
    values: dict[str, Value] = {"ticket": op.ticket.external_id, "key": op.key}
    match op:
        case AddNote():
            values |= {"body": op.body, "is_public": op.is_public}
        case SetTicketState():
            values["state"] = op.state.value
        case SetTicketFields():
            values["fields"] = dict(op.fields)
    for name, words in write.values.items():
        given = values[name]
        ours = ("true" if given else "false") if isinstance(given, bool) else str(given)
        theirs = words.get(ours)
        if theirs is None:
            raise Invalid(
                f"the document does not say what {name} {ours!r} is called over there", operation=NAMES[type(op)],
                ref=op.ticket, fields={name: f"{ours} is not under `values`"},
                hint=f"Add it to `writes.{NAMES[type(op)]}.values.{name}`.",
            )  # fmt: skip
        values[name] = theirs
    return values


def _holds(op: Operation, there: object, values: dict[str, Value]) -> bool:
    """Whether what the ticket has is what was to be written."""
    wanted = values.get("state") if isinstance(op, SetTicketState) else values.get("fields")
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(str(there.get(name, "")) == text for name, text in wanted.items())
    return not isinstance(there, bool) and isinstance(there, str | int) and str(there) == wanted


def _search(at: Expression, body: object, operation: str) -> object:
    try:
        return at.search(body)
    except InvalidRecord as error:
        raise UnexpectedResponse(f"{operation}: {error}", operation=operation) from None


def _id(at: Expression | None, answer: object) -> str | None:
    try:
        found = at.search(answer) if at and answer is not None else None
    except InvalidRecord:
        return None
    return str(found)[:255] if isinstance(found, str | int) and not isinstance(found, bool) and str(found) else None


def _reason(why: object) -> str:
    return (" ".join(map(str, why)) if isinstance(why, list) else str(why))[:300]
