"""Depot Desk as the contract kit uses it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from connector.sdk import (
    AddNote,
    Clock,
    EntityKind,
    IdempotencyKey,
    SetTicketFields,
    SetTicketState,
    SourceRef,
    TicketState,
)
from connector.sdk.testing import App, NotApplicable, Operation, OperationKind, Refused, Sandbox, WithText
from connector_rest.kinds import KINDS, STREAM_OF
from connector_rest.sandbox.desk import LONGEST_FIELD, LONGEST_NOTE, Desk
from connector_rest.sandbox.server import DeskServer

DOCUMENT = Path(__file__).parents[1] / "depot_desk.yaml"
TOKEN = "canary-depot-desk-5b1e"  # noqa: S105 - the sandbox's own
PAGE = 5

_SHOWN = {
    "sites": "name", "hubs": "name", "products": "class", "compatibilities": "rank", "assets": "hostname",
    "stock": "wanted", "tickets": "subject", "shipments": "carrier", "orders": "number",
}  # fmt: skip
"""A value of each row that its record shows."""
_WRONG: Mapping[str, Mapping[str, Any]] = {
    "sites": {"zone": "Mars/Olympus"}, "hubs": {"handling_hours": "soon"}, "products": {"weight_kg": "heavy"},
    "compatibilities": {"rank": 0}, "assets": {"warranty_until": "some day"}, "stock": {"on_hand": -1},
    "tickets": {"opened": "yesterday"}, "shipments": {"number": None}, "orders": {"expected": "2026-03-05 12:00"},
}  # fmt: skip
_UNUSUAL: Mapping[str, Mapping[str, Any]] = {
    "sites": {"class": "galactic"}, "hubs": {"level": "Z"}, "products": {"class": "galactic"},
    "compatibilities": {}, "assets": {"status": "Asleep"}, "stock": {}, "tickets": {"status": "Dreaming"},
    "shipments": {"status": "floating"}, "orders": {"status": "lost"},
}  # fmt: skip


class DepotDeskSandbox(Sandbox):
    """Depot Desk. Rows of devices and tickets that are removed stay, marked; others go."""

    def __init__(self, clock: Clock) -> None:
        self.desk = Desk()
        self._clock = clock
        self._server = DeskServer(self.desk, TOKEN, clock).app

    def app(self) -> App | None:
        """The server."""
        return self._server

    def settings(self) -> Mapping[str, object]:
        """The document of the package, at the sandbox's address."""
        return {"definition": str(DOCUMENT), "base_url": "http://desk.test", "secret": TOKEN}

    def wrong_settings(self) -> Mapping[str, object]:
        """A token that the desk does not know."""
        return {**self.settings(), "secret": "wrong-token-0000"}

    def page_size(self, stream: str) -> int:  # noqa: ARG002 - the same for all
        """Rows of a page, as the document says."""
        return PAGE

    def seed(self, stream: str, count: int, *, at: datetime, step: timedelta) -> tuple[SourceRef, ...]:
        """New rows."""
        return tuple(_ref(stream, self.desk.add(stream, at + step * number)) for number in range(count))

    def touch(self, ref: SourceRef, *, at: datetime) -> None:
        """Change what the record shows."""
        stream, key = self._stream(ref), ref.external_id
        value = self.desk.lists[stream][key][_SHOWN[stream]]
        self.desk.lists[stream][key][_SHOWN[stream]] = value + 1 if isinstance(value, int) else f"{value} again"
        self.desk.stamp(stream, key, at)

    def delete(self, ref: SourceRef, *, at: datetime) -> None:
        """Remove the row, or mark it."""
        stream, key = self._stream(ref), ref.external_id
        if stream in ("assets", "tickets"):
            self.desk.lists[stream][key]["removed"] = True
            self.desk.stamp(stream, key, at)
        else:
            del self.desk.lists[stream][key]

    def seed_malformed(self, stream: str, *, at: datetime) -> SourceRef | None:
        """A row with a value that cannot be used."""
        return _ref(stream, self.desk.add(stream, at, _WRONG[stream]))

    def seed_unusual(self, stream: str, *, at: datetime) -> SourceRef:
        """A row with a new field and a new word."""
        return _ref(stream, self.desk.add(stream, at, {**_UNUSUAL[stream], "karma": {"level": 9}}))

    def operation(self, kind: OperationKind, key: IdempotencyKey) -> Operation:
        """An operation on a new ticket."""
        ticket = _ref("tickets", self.desk.add("tickets", self._clock.now() - timedelta(hours=1)))
        if kind is AddNote:
            return AddNote(key, ticket, f"A unit is on its way ({key}).", is_public=True)
        if kind is SetTicketState:
            return SetTicketState(key, ticket, TicketState.IN_PROGRESS)
        if kind is SetTicketFields:
            return SetTicketFields(key, ticket, {"rack": f"R1-{key}"})
        raise NotApplicable(f"Depot Desk has no {kind.__name__}")

    def effects(self, operation: Operation) -> int:
        """Notes with the text, or recorded changes to the value."""
        match operation:
            case AddNote():
                notes = self.desk.notes.get(operation.ticket.external_id, [])
                return sum(note["text"] == operation.body for note in notes)
            case SetTicketState():
                return self.desk.changes.count((operation.ticket.external_id, "status", "Working"))
            case SetTicketFields():
                ((name, text),) = operation.fields.items()
                return self.desk.changes.count((operation.ticket.external_id, name, text))
        raise NotApplicable(f"Depot Desk has no {type(operation).__name__}")

    def refused_operation(self, kind: OperationKind, key: IdempotencyKey) -> Refused:
        """A note that is too long, a state that does not follow, a field that is not there."""
        operation = self.operation(kind, key)
        match operation:
            case AddNote():
                return Refused(AddNote(key, operation.ticket, "x" * (LONGEST_NOTE + 1)), "text")
            case SetTicketState():
                return Refused(SetTicketState(key, operation.ticket, TicketState.CLOSED), "status")
            case SetTicketFields():
                return Refused(SetTicketFields(key, operation.ticket, {"colour": "red"}), "colour")
        raise NotApplicable(f"Depot Desk has no {kind.__name__}")

    def longest_text(self, operation: WithText) -> int:
        """Characters of a note or a field."""
        return LONGEST_NOTE if isinstance(operation, AddNote) else LONGEST_FIELD

    def stored_text(self, operation: WithText) -> str:
        """What the desk holds."""
        match operation:
            case AddNote():
                notes = self.desk.notes[operation.ticket.external_id]
                return next(str(note["text"]) for note in notes if note["external_key"] == operation.key)
            case SetTicketFields():
                (name,) = operation.fields
                return str(self.desk.lists["tickets"][operation.ticket.external_id]["fields"][name])
        raise NotApplicable(f"Depot Desk has no {type(operation).__name__}")

    @staticmethod
    def _stream(ref: SourceRef) -> str:
        return next(stream for stream, record in STREAM_OF.items() if KINDS[record].entity is ref.kind)


def _ref(stream: str, key: str) -> SourceRef:
    return SourceRef(kind=EntityKind(KINDS[STREAM_OF[stream]].entity), external_id=key)
