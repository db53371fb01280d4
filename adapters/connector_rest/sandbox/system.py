"""Depot Desk as the contract kit uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from connector.sdk import AddNote, Clock, EntityKind, IdempotencyKey, SourceRef, TicketState
from connector.sdk.facts.kinds import KINDS, STREAM_OF
from connector.sdk.testing import App, Operation, OperationKind, TicketSandbox
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


class DepotDeskSandbox(TicketSandbox):
    """Depot Desk. Rows of devices and tickets that are removed stay, marked; others go."""

    field = ("rack", "R1")
    longest_note, longest_field = LONGEST_NOTE, LONGEST_FIELD

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

    def last_when_empty(self, stream: str) -> str:
        """By its numbered pages."""
        return (
            "its document names no sign that more follow; a total may count rows that are not shown"
            if stream in ("sites", "hubs", "assets", "stock")
            else ""
        )

    def times_twice(self, stream: str) -> str:
        """Tickets have local times."""
        return (
            "its tickets have local times without a zone; those of an hour that comes twice are read as its beginning"
            if stream == "tickets"
            else ""
        )

    def seed_malformed(self, stream: str, *, at: datetime) -> SourceRef | None:
        """A row with a value that cannot be used."""
        return _ref(stream, self.desk.add(stream, at, _WRONG[stream]))

    def seed_unusual(self, stream: str, *, at: datetime) -> SourceRef:
        """A row with a new field and a new word."""
        return _ref(stream, self.desk.add(stream, at, {**_UNUSUAL[stream], "karma": {"level": 9}}))

    def operation(self, kind: OperationKind, key: IdempotencyKey) -> Operation:
        """Notes are public."""
        operation = super().operation(kind, key)
        return replace(operation, is_public=True) if isinstance(operation, AddNote) else operation

    def new_ticket(self) -> SourceRef:
        """A ticket that is an hour old."""
        return _ref("tickets", self.desk.add("tickets", self._clock.now() - timedelta(hours=1)))

    def notes_of(self, ticket: SourceRef) -> list[str]:
        """Notes."""
        return [str(note["text"]) for note in self.desk.notes.get(ticket.external_id, [])]

    def field_of(self, ticket: SourceRef, name: str) -> str:
        """Of `fields`."""
        return str(self.desk.lists["tickets"][ticket.external_id]["fields"][name])

    def state_changes(self, ticket: SourceRef, state: TicketState) -> int:  # noqa: ARG002 - always the same
        """Recorded changes."""
        return self.desk.changes.count((ticket.external_id, "status", "Working"))

    def field_changes(self, ticket: SourceRef, name: str, value: str) -> int:
        """Recorded changes."""
        return self.desk.changes.count((ticket.external_id, name, value))

    def refused_note(self, ticket: SourceRef) -> tuple[str, str]:  # noqa: ARG002 - any
        """Too long."""
        return "x" * (LONGEST_NOTE + 1), "text"

    def refused_state(self, ticket: SourceRef) -> tuple[TicketState, str]:  # noqa: ARG002 - any
        """One that does not follow."""
        return TicketState.CLOSED, "status"

    def refused_field(self, ticket: SourceRef) -> tuple[str, str]:  # noqa: ARG002 - any
        """A field that is not there."""
        return "colour", "red"

    @staticmethod
    def _stream(ref: SourceRef) -> str:
        return next(stream for stream, record in STREAM_OF.items() if KINDS[record].entity is ref.kind)


def _ref(stream: str, key: str) -> SourceRef:
    return SourceRef(kind=EntityKind(KINDS[STREAM_OF[stream]].entity), external_id=key)
