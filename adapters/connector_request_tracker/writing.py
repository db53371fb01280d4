"""Writes on tickets so that each operation takes effect once, and finds out whether it did.

A note carries its key in a last line of its own. A state, fields and links need none: they hold, or they do not.
Request Tracker answers 200 to a change that it refuses, hence every change is read back and compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from connector.sdk import AddNote, Invalid, Receipt, SetTicketFields, SetTicketState, SourceRef, UnexpectedResponse
from connector.sdk.cursors import read_instant
from connector.sdk.markup import mark_of
from connector_request_tracker.client import Found, RequestTrackerClient
from connector_request_tracker.config import RequestTrackerConfig
from connector_request_tracker.mapping import NOBODY, values_of

LINKS = {
    "MemberOf": "parent", "Members": "child", "DependsOn": "depends-on", "DependedOnBy": "depended-on-by",
    "RefersTo": "refers-to", "ReferredToBy": "referred-to-by",
}  # fmt: skip
"""Links by what a hyperlink of a ticket calls them. They are added; those that are there stay."""
OWNER = "Owner"

Write: TypeAlias = AddNote | SetTicketState | SetTicketFields


class TicketWriter:
    """Notes, states and custom fields of tickets."""

    def __init__(self, config: RequestTrackerConfig, client: RequestTrackerClient) -> None:
        self._config = config
        self._client = client

    async def push(self, op: Write) -> Receipt:
        """Do it once per key. Raises Invalid naming the field that Request Tracker refuses."""
        match op:
            case AddNote():
                return await self.find(op) or await self._add_note(op)
            case SetTicketState():
                return await self._set_state(op)
            case SetTicketFields():
                return await self._set_fields(op)

    async def find(self, op: Write) -> Receipt | None:
        """The receipt when the operation's effect is there."""
        match op:
            case AddNote():
                return await self._find_note(op)
            case SetTicketState():
                ticket = await self._client.ticket(op.ticket, "find state")
                return _receipt(op, ticket) if _status(ticket) == self._config.status_for(op.state) else None
            case SetTicketFields():
                ticket = await self._client.ticket(op.ticket, "find fields")
                return _receipt(op, ticket) if not _different(op, ticket) else None

    async def _find_note(self, op: AddNote) -> Receipt | None:
        """Oldest first: what Request Tracker mails of a note is kept on the ticket too, behind the note itself."""
        wanted = mark_of(op.key)
        number = 1
        while True:
            page = await self._client.texts(op.ticket, number)
            for item in page.items:
                if wanted in str(item.get("Content") or "").splitlines():
                    told = item.get("Created")
                    at = read_instant(told) if isinstance(told, str) else None
                    return Receipt(key=op.key, external_id=str(item.get("TransactionId")), at=at)
            if not page.has_more:
                return None
            number += 1

    async def _add_note(self, op: AddNote) -> Receipt:
        text = f"{op.body}\n\n{mark_of(op.key)}"
        try:
            transaction = await self._client.add_message(op.ticket, "correspond" if op.is_public else "comment", text)
        except Invalid:
            # A ticket that is not there, and one that may not be written to, are answered alike.
            await self._client.ticket(op.ticket, "add note")
            raise
        return Receipt(key=op.key, external_id=transaction)

    async def _set_state(self, op: SetTicketState) -> Receipt:
        wanted = self._config.status_for(op.state)
        ticket = await self._client.ticket(op.ticket, "set state")
        if _status(ticket) == wanted:
            return _receipt(op, ticket)
        said = await self._client.update(op.ticket, {"Status": wanted}, ticket.etag, "set state")
        ticket = await self._client.ticket(op.ticket, "set state")
        if _status(ticket) != wanted:
            raise Invalid(
                f"Request Tracker refuses status {wanted!r} for ticket {op.ticket.external_id}, "
                f"it stays {_status(ticket)!r}: {' '.join(said) or 'no reason given'}",
                operation="set state",
                ref=op.ticket,
                fields={"Status": " ".join(said)},
                hint="Check the queue's lifecycle, the setting `statuses`, and the right ModifyTicket.",
            )
        return _receipt(op, ticket)

    async def _set_fields(self, op: SetTicketFields) -> Receipt:
        ticket = await self._client.ticket(op.ticket, "set fields")
        custom = set(values_of(ticket.body))
        unknown = sorted(set(op.fields) - custom - {OWNER, *LINKS})
        if unknown:
            raise _refused(op.ticket, {name: "the ticket has no such custom field" for name in unknown})
        if wrong := {name: "it is no number of a ticket" for name in _no_tickets(op, custom)}:
            raise _refused(op.ticket, wrong)
        changes = {name: op.fields[name].strip() for name in _different(op, ticket)}
        if not changes:
            return _receipt(op, ticket)
        body: dict[str, object] = {f"Add{n}": _numbers(v) for n, v in changes.items() if n in LINKS and n not in custom}
        if OWNER in changes and OWNER not in custom:
            body[OWNER] = changes[OWNER] or NOBODY
        if any(name in custom for name in changes):
            body["CustomFields"] = {n: v or [] for n, v in changes.items() if n in custom}
        said = await self._client.update(op.ticket, body, ticket.etag, "set fields")
        ticket = await self._client.ticket(op.ticket, "set fields")
        if failed := _different(op, ticket):
            raise _refused(op.ticket, {name: " ".join(said) or "no reason given" for name in failed})
        return _receipt(op, ticket)


def _different(op: SetTicketFields, ticket: Found) -> list[str]:
    """Custom fields that do not hold exactly the wanted value, another owner, and links that are not there."""
    there = values_of(ticket.body)
    return sorted(name for name, value in op.fields.items() if not _holds(name, value.strip(), ticket, there))


def _holds(name: str, value: str, ticket: Found, there: Mapping[str, tuple[str, ...]]) -> bool:
    if name in there or name not in (OWNER, *LINKS):
        return there.get(name, ()) == tuple(filter(None, [value]))
    if name == OWNER:
        owner: Any = ticket.body.get("Owner")
        told = str(owner.get("id")) if isinstance(owner, dict) else ""
        return told.casefold() == (value or NOBODY).casefold()
    links: Any = ticket.body.get("_hyperlinks") or ()
    linked = {str(each.get("id")) for each in links if isinstance(each, dict) and each.get("ref") == LINKS[name]}
    return set(_numbers(value)) <= linked


def _no_tickets(op: SetTicketFields, custom: set[str]) -> list[str]:
    """Links that name something else than tickets by their numbers."""
    named = {name: _numbers(op.fields[name]) for name in LINKS if name in op.fields and name not in custom}
    return [name for name, numbers in named.items() if not numbers or not all(map(_is_number, numbers))]


def _numbers(value: str) -> list[str]:
    """Numbers of tickets, one or several."""
    return [each.removeprefix("#") for each in value.replace(",", " ").split()]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _refused(ticket: SourceRef, fields: dict[str, str]) -> Invalid:
    reasons = "; ".join(f"{name!r}: {reason}" for name, reason in fields.items())
    return Invalid(
        f"Request Tracker refuses fields of ticket {ticket.external_id}: {reasons}",
        operation="set fields",
        ref=ticket,
        fields=fields,
        hint="Check the fields of the ticket's queue, their values, and the rights ModifyCustomField, ModifyTicket, "
        "ReassignTicket, and OwnTicket of who is to own it.",
    )


def _status(ticket: Found) -> str:
    status: Any = ticket.body.get("Status")
    if isinstance(status, str):
        return status
    raise UnexpectedResponse("a ticket has no status", operation="read ticket", hint="Check the API version.")


def _receipt(op: Write, ticket: Found) -> Receipt:
    """The ticket's last transaction stands for the effect: it is what the ETag names."""
    transaction = (ticket.etag or "").strip('"')
    return Receipt(key=op.key, external_id=transaction or op.ticket.external_id)
