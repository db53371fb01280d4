"""Sandboxes of desks whose tickets the hub writes on: what the kit asks of each kind of write, as small questions."""
# ruff: noqa: ARG002 - sandboxes override the methods, and use the arguments

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from connector.model.lifecycle import TicketState
from connector.model.refs import IdempotencyKey, SourceRef
from connector.sdk.operations import AddNote, SetTicketFields, SetTicketState
from connector.sdk.testing.sandbox import NotTold, Operation, OperationKind, Refused, Sandbox, WithText


class TicketSandbox(Sandbox):
    """Answers for notes, states and fields of tickets; a sandbox that takes more overrides and asks `super()`.

    next_state: one that a new ticket may go to. field: of tickets, with a value that it takes.
    longest_note, longest_field: characters that the system keeps.
    """

    note: ClassVar[str] = "Spare C9300-48P leaves hub Berlin at 14:00."
    field: ClassVar[tuple[str, str]] = ("Tracking Number", "00340434161094042557")
    next_state: ClassVar[TicketState] = TicketState.IN_PROGRESS
    longest_note: ClassVar[int]
    longest_field: ClassVar[int]

    def new_ticket(self) -> SourceRef:
        """Open a ticket, as a person does it in the real system."""
        raise NotTold("new_ticket()")

    def notes_of(self, ticket: SourceRef) -> Sequence[str]:
        """Texts of a ticket's notes, oldest first, without what the adapter marks them with."""
        raise NotTold("notes_of(ticket)")

    def field_of(self, ticket: SourceRef, name: str) -> str:
        """The value that the ticket's field has."""
        raise NotTold("field_of(ticket, name)")

    def state_changes(self, ticket: SourceRef, state: TicketState) -> int:
        """How many times the ticket went to what the hub calls this state, told by its history."""
        raise NotTold("state_changes(ticket, state)")

    def field_changes(self, ticket: SourceRef, name: str, value: str) -> int:
        """How many times the ticket's field got this value, told by its history."""
        raise NotTold("field_changes(ticket, name, value)")

    def refused_note(self, ticket: SourceRef) -> tuple[str, str]:
        """A text that is not taken as a note of this ticket, and the field that the refusal names."""
        raise NotTold("refused_note(ticket)")

    def refused_state(self, ticket: SourceRef) -> tuple[TicketState, str]:
        """A state that this ticket cannot go to, and the field that the refusal names."""
        raise NotTold("refused_state(ticket)")

    def refused_field(self, ticket: SourceRef) -> tuple[str, str]:
        """A field of tickets, which the refusal names, with a value that it does not take."""
        raise NotTold("refused_field(ticket)")

    def operation(self, kind: OperationKind, key: IdempotencyKey) -> Operation:
        """On a ticket of its own."""
        if kind is AddNote:
            return AddNote(key, self.new_ticket(), self.note)
        if kind is SetTicketState:
            return SetTicketState(key, self.new_ticket(), self.next_state)
        if kind is SetTicketFields:
            return SetTicketFields(key, self.new_ticket(), dict([self.field]))
        return super().operation(kind, key)

    def effects(self, operation: Operation) -> int:
        """Told by the ticket's notes and history."""
        match operation:
            case AddNote():
                return self.notes_of(operation.ticket).count(operation.body)
            case SetTicketState():
                return self.state_changes(operation.ticket, operation.state)
            case SetTicketFields():
                [(name, value)] = operation.fields.items()
                return self.field_changes(operation.ticket, name, value)
            case _:
                return super().effects(operation)

    def refused_operation(self, kind: OperationKind, key: IdempotencyKey) -> Refused:
        """On a ticket of its own."""
        if kind is AddNote:
            ticket = self.new_ticket()
            text, field = self.refused_note(ticket)
            return Refused(AddNote(key, ticket, text), field)
        if kind is SetTicketState:
            ticket = self.new_ticket()
            state, field = self.refused_state(ticket)
            return Refused(SetTicketState(key, ticket, state), field)
        if kind is SetTicketFields:
            ticket = self.new_ticket()
            name, value = self.refused_field(ticket)
            return Refused(SetTicketFields(key, ticket, {name: value}), name)
        return super().refused_operation(kind, key)

    def longest_text(self, operation: WithText) -> int:
        """Of a note, and of a field."""
        return self.longest_note if isinstance(operation, AddNote) else self.longest_field

    def stored_text(self, operation: WithText) -> str:
        """The newest note, or the field's value."""
        match operation:
            case AddNote():
                return self.notes_of(operation.ticket)[-1]
            case SetTicketFields():
                return self.field_of(operation.ticket, next(iter(operation.fields)))
            case _:
                return super().stored_text(operation)
