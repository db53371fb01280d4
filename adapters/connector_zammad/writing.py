"""Writes on tickets, once per key.

An article has its key as subject. A change of the ticket leaves its key in the ticket's preferences, in the same
request, so that it is known of even when somebody has changed the ticket again since. Links, which come first, are
known of as long as they are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

from connector.sdk import (
    AddNote,
    Clock,
    Conflict,
    Invalid,
    InvalidRecord,
    NotFound,
    Receipt,
    SetTicketFields,
    SetTicketState,
    UnexpectedResponse,
)
from connector.sdk.cursors import read_instant
from connector.sdk.markup import mark_of
from connector_zammad.client import ZammadClient
from connector_zammad.config import ZammadConfig
from connector_zammad.linking import LINKS, add_links, missing_links
from connector_zammad.mapping import NOBODY, Ticket, read_ticket
from connector_zammad.refusals import refused
from connector_zammad.values import holds, value_of

Write: TypeAlias = AddNote | SetTicketState | SetTicketFields
Change: TypeAlias = SetTicketState | SetTicketFields

WAITING = ("pending reminder", "pending action")
"""Types of states that end at a time, which has to be given."""
GONE = ("merged", "removed")
PEOPLE = ("owner", "customer")


def subject(op: AddNote) -> str:
    """By which an article is found again."""
    return mark_of(op.key)


class TicketWriter:
    """Writes for an adapter."""

    def __init__(self, config: ZammadConfig, client: ZammadClient, clock: Clock) -> None:
        self._config = config
        self._client = client
        self._clock = clock

    async def push(self, op: Write) -> Receipt:
        """Do it unless it is done. Raises Invalid, Conflict, NotFound, OutcomeUnknown."""
        match op:
            case AddNote():
                return await self._find_note(op) or await self._add_note(op)
            case SetTicketState():
                return await self._set_state(op)
            case SetTicketFields():
                return await self._set_fields(op)

    async def find(self, op: Write) -> Receipt | None:
        """The receipt when the operation took effect, or what it asks for is so already."""
        match op:
            case AddNote():
                return await self._find_note(op)
            case SetTicketState():
                body = await self._client.ticket(op.ticket, "find state")
                state = _read(body, "find state").state
                if not _is_marked(body, op):
                    types = await self._client.state_types("find state")
                    if not self._config.is_reached(op.state, state, types.get(state)):
                        return None
                return _receipt(op, body)
            case SetTicketFields():
                body = await self._client.ticket(op.ticket, "find fields")
                if _is_marked(body, op):
                    return _receipt(op, body)
                is_so = not await self._different(op, body, "find fields")
                is_so = is_so and not await missing_links(op, _links(op, body), self._client)
                return _receipt(op, body) if is_so else None

    async def _find_note(self, op: AddNote) -> Receipt | None:
        for article in await self._client.articles(op.ticket, "find note"):
            if article.get("subject") == subject(op):
                return _of_article(op, article)
        return None

    async def _add_note(self, op: AddNote) -> Receipt:
        article = {
            "ticket_id": int(op.ticket.external_id), "subject": subject(op), "body": op.body,
            "content_type": "text/plain", "type": "note", "internal": not op.is_public,
        }  # fmt: skip
        try:
            return _of_article(op, await self._client.add_article(op.ticket, article, "add note"))
        except Invalid as error:
            raise refused(error, ["body"]) from error

    async def _set_state(self, op: SetTicketState) -> Receipt:
        operation = "set state"
        types = await self._client.state_types(operation)
        wanted = self._config.status_for(op.state)
        if wanted not in types:
            raise Invalid(
                f"Zammad has no state {wanted!r} that is in use, only {', '.join(types)}",
                operation=operation,
                ref=op.ticket,
                fields={"state": "no such state"},
                hint="Correct the setting `statuses` of this source.",
            )
        body = await self._client.ticket(op.ticket, operation)
        ticket = _read(body, operation)
        if _is_marked(body, op) or self._config.is_reached(op.state, ticket.state, types.get(ticket.state)):
            return _receipt(op, body)
        if types.get(ticket.state) in GONE:
            raise Conflict(
                f"ticket {ticket.number} is {ticket.state}, it is not worked on any more",
                operation=operation,
                ref=op.ticket,
                hint="The ticket that it was merged into is its parent in Zammad.",
            )
        change: dict[str, object] = {"state": wanted}
        if types[wanted] in WAITING:
            until = self._clock.now() + self._config.pending_for
            change["pending_time"] = until.isoformat(timespec="seconds").replace("+00:00", "Z")
        return _receipt(op, await self._change(op, change, operation))

    async def _set_fields(self, op: SetTicketFields) -> Receipt:
        operation = "set fields"
        body = await self._client.ticket(op.ticket, operation)
        if _is_marked(body, op):
            return _receipt(op, body)
        wanted = await self._different(op, body, operation)
        if missing := await missing_links(op, _links(op, body), self._client):
            await add_links(op, missing, self._client)
            body = await self._client.ticket(op.ticket, operation)
        if not wanted:
            return _receipt(op, body)
        changed = await self._change(op, {name: value_of(op, name, body[name]) for name in wanted}, operation)
        left = await self._different(op, changed, operation)
        if left:
            raise Invalid(
                f"{operation}: Zammad took the request and left {', '.join(map(repr, left))} as it was",
                operation=operation,
                ref=op.ticket,
                fields={name: f"stays {changed[name]!r}"[:500] for name in left},
                hint="An owner must be an agent of the ticket's group; an option must be one of the attribute's.",
            )
        return _receipt(op, changed)

    async def _change(self, op: Change, change: Mapping[str, object], operation: str) -> dict[str, Any]:
        marked = {**change, "preferences": {_mark(op): op.key}}
        try:
            return await self._client.update(op.ticket, marked, operation)
        except Invalid as error:
            raise refused(error, change) from error

    async def _different(self, op: SetTicketFields, body: Mapping[str, Any], operation: str) -> list[str]:
        """The attributes that have not the value that is wanted. Raises Invalid for one that the ticket has not.

        Zammad leaves out what it does not know, and says nothing.
        """
        links = _links(op, body)
        missing = [name for name in op.fields if name not in body and name not in links]
        if missing:
            raise Invalid(
                f"tickets have no attribute {', '.join(map(repr, missing))}",
                operation=operation,
                ref=op.ticket,
                fields=dict.fromkeys(missing, "no such attribute"),
                hint="Take the name from the column Name under Objects in Zammad; it is none of those that people see.",
            )
        attributes = {name: value for name, value in op.fields.items() if name not in links}
        return [name for name, value in attributes.items() if not await self._has(name, value, body, operation)]

    async def _has(self, name: str, value: str, body: Mapping[str, Any], operation: str) -> bool:
        if name not in PEOPLE or holds(body[name], value):
            return holds(body[name], value)
        if not value.strip():
            return bool(body[name] in (None, NOBODY))
        user_id = body.get(f"{name}_id")
        if "@" not in value or not isinstance(user_id, int) or body[name] == NOBODY:
            return False
        try:
            person = await self._client.user(user_id, operation)
        except NotFound:
            return False
        return str(person.get("email", "")).casefold() == value.strip().casefold()


def _links(op: SetTicketFields, body: Mapping[str, Any]) -> set[str]:
    """Fields that are links; an attribute of such a name goes before them."""
    return {name for name in op.fields if name in LINKS and name not in body}


def _read(body: Mapping[str, Any], operation: str) -> Ticket:
    try:
        return read_ticket(body)
    except InvalidRecord as error:
        raise UnexpectedResponse(str(error), operation=operation) from error


def _mark(op: Change) -> str:
    """Where the key stands; one place for each kind of change, so that tickets do not gather keys for ever."""
    return "connector_state" if isinstance(op, SetTicketState) else "connector_fields"


def _is_marked(body: Mapping[str, Any], op: Change) -> bool:
    preferences = body.get("preferences")
    return isinstance(preferences, dict) and preferences.get(_mark(op)) == op.key


def _receipt(op: Change, body: Mapping[str, Any]) -> Receipt:
    """A change makes nothing of its own; the ticket stands for it."""
    return Receipt(key=op.key, external_id=op.ticket.external_id, at=_time(body.get("updated_at")))


def _of_article(op: AddNote, article: Mapping[str, Any]) -> Receipt:
    article_id = article.get("id")
    if not isinstance(article_id, int):
        raise UnexpectedResponse("an article has no id", operation="add note", ref=op.ticket)
    return Receipt(key=op.key, external_id=str(article_id), at=_time(article.get("created_at")))


def _time(told: object) -> datetime | None:
    try:
        return read_instant(str(told))
    except ValueError:
        return None
