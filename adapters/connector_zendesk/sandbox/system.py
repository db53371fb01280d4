"""SANDBOX: the whole sandbox system, as tests start it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.applications import Starlette

from connector.sdk import Clock, SourceRef, TicketState, WebhookRequest, hmac_base64
from connector.sdk.testing import SentWebhook, Signature, TicketSandbox, json_webhook
from connector_zendesk.mapping import ticket_ref
from connector_zendesk.sandbox.account import LONGEST_COMMENT, LONGEST_FIELD, Account, text
from connector_zendesk.sandbox.server import Server
from connector_zendesk.webhook import SIGNATURE, TIMESTAMP

EMAIL = "connector@example.com"
TOKEN = "sandbox-token-4c1f9b2e7d30"  # noqa: S105 - opens nothing but this sandbox
CLIENT = ("connector", "sandbox-client-secret-7d30aa15")
SECRET = "c2FuZGJveC13ZWJob29rLXNlY3JldC04MWM3"  # noqa: S105
TOLERANCE = timedelta(minutes=5)


class ZendeskSandbox(TicketSandbox):
    """Zendesk in small: seconds, an export that holds back the last minute, side-loads, audits with metadata."""

    field = ("Tracking number", "00340434161094042557")
    next_state = TicketState.IN_PROGRESS
    longest_note, longest_field = LONGEST_COMMENT, LONGEST_FIELD

    def __init__(self, clock: Clock) -> None:
        self.account = Account(clock)
        basic = base64.b64encode(f"{EMAIL}/token:{TOKEN}".encode()).decode()
        self.server = Server(self.account, clock, authorization=f"Basic {basic}", client=CLIENT)
        self._app = self.server.app()

    def app(self) -> Starlette:
        """The server."""
        return self._app

    def settings(self) -> Mapping[str, object]:
        """Settings of the adapter that fit, with small pages."""
        return {
            "base_url": "http://zendesk.test", "client_id": CLIENT[0], "client_secret": CLIENT[1],
            "webhook_secret": SECRET, "page_size": 5, "asset_tag_field": "Asset tag",
        }  # fmt: skip

    def wrong_settings(self) -> Mapping[str, object]:
        """The same with a secret that was replaced."""
        return {**self.settings(), "client_secret": "replaced-secret-00000000"}

    # Pulls

    def seed(self, stream: str, count: int, *, at: datetime, step: timedelta) -> tuple[SourceRef, ...]:  # noqa: ARG002
        """New tickets."""
        made = (self.account.open(at + step * number, fields={101: f"AT-{number}"}) for number in range(count))
        return tuple(ticket_ref(ticket["id"]) for ticket in made)

    def touch(self, ref: SourceRef, *, at: datetime) -> None:
        """Give the ticket another subject."""
        ticket = self._of(ref)
        self.account.change(ticket, at, subject=f"{ticket['subject']} (again)")

    def delete(self, ref: SourceRef, *, at: datetime) -> None:
        """The export goes on to show it, as deleted."""
        self.account.delete(self._of(ref), at)

    def never_ahead(self, stream: str) -> str:  # noqa: ARG002
        """By Zendesk's own clock."""
        return "the export shows a ticket only a minute after its time, and goes on by a cursor of Zendesk's own"

    def seed_malformed(self, stream: str, *, at: datetime) -> SourceRef | None:  # noqa: ARG002
        """A ticket in a status that no Zendesk has."""
        return ticket_ref(self.account.open(at, status="frobnicated")["id"])

    def seed_unusual(self, stream: str, *, at: datetime) -> SourceRef:  # noqa: ARG002
        """A ticket with a column of a later release and a priority that nobody knows."""
        return ticket_ref(self.account.open(at, priority="disaster", ai_mood="sour")["id"])

    # ReceivesWebhooks

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        """Change the ticket's subject, and what a subscription to ticket events then posts."""
        ticket = self._of(ref) if ref else self.account.open(at)
        self.account.change(ticket, at, subject=f"{ticket['subject']} still")
        event = self.event("zen:event-type:ticket.subject_changed", ticket, at)
        return SentWebhook(ticket_ref(ticket["id"]), self.post(event, at))

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:
        """About a user."""
        return self.post({"type": "zen:event-type:user.mood_changed", "detail": {"id": "8"}, "event": {}}, at)

    def signature(self) -> Signature:
        """The HMAC covers the time and the body."""
        return Signature(SIGNATURE.lower(), covers_body=True, expires_after=TOLERANCE)

    # WritesTickets

    def new_ticket(self) -> SourceRef:
        """Of a customer."""
        return ticket_ref(self.account.open()["id"])

    def notes_of(self, ticket: SourceRef) -> list[str]:
        """Comments beside that with which it was opened."""
        return [event["body"] for event in self._events(ticket, "Comment")][1:]

    def field_of(self, ticket: SourceRef, name: str) -> str:  # noqa: ARG002 - always the same
        """Of the custom field."""
        return str(self._of(ticket)["custom"][100])

    def state_changes(self, ticket: SourceRef, state: TicketState) -> int:  # noqa: ARG002 - always the same
        """Told by the audits."""
        return self._changes(ticket, "status", "open")

    def field_changes(self, ticket: SourceRef, name: str, value: str) -> int:  # noqa: ARG002 - always the same
        """Told by the audits."""
        return self._changes(ticket, "100", value)

    def refused_note(self, ticket: SourceRef) -> tuple[str, str]:  # noqa: ARG002 - of any ticket
        """One that is too long."""
        return "x" * (LONGEST_COMMENT + 1), "body"

    def refused_state(self, ticket: SourceRef) -> tuple[TicketState, str]:
        """One that needs a custom field which is empty; Zendesk names the field by its id."""
        self.account.needs = {ticket.external_id}
        return TicketState.RESOLVED, "108"

    def refused_field(self, ticket: SourceRef) -> tuple[str, str]:  # noqa: ARG002 - of any ticket
        """What does not fit the pattern of the field."""
        return "Cost centre", "moon"

    # What tests use beyond the kit

    def event(self, kind: str, ticket: Mapping[str, Any], at: datetime) -> dict[str, Any]:
        """An event of a ticket; ids are texts there."""
        detail = {"id": str(ticket["id"]), "status": str(ticket["status"]).upper(), "updated_at": text(at)}
        return {
            "type": kind, "account_id": 12514403, "id": f"event-{ticket['id']}", "time": text(at),
            "zendesk_event_version": "2022-11-06", "subject": f"zen:ticket:{ticket['id']}", "detail": detail,
            "event": {"current": ticket["subject"]},
        }  # fmt: skip

    def post(self, payload: Mapping[str, object], at: datetime) -> WebhookRequest:
        """A webhook, signed."""
        told = text(at)

        def prove(body: bytes) -> dict[str, str]:
            proof = hmac_base64(SECRET, told.encode() + body)
            return {SIGNATURE.lower(): proof, TIMESTAMP.lower(): told}

        return json_webhook(payload, at, prove)

    def _of(self, ref: SourceRef) -> dict[str, Any]:
        return self.account.tickets[int(ref.external_id)]

    def _events(self, ref: SourceRef, kind: str) -> list[dict[str, Any]]:
        audits = (each for each in self.account.audits if str(each["ticket_id"]) == ref.external_id)
        return [event for audit in audits for event in audit["events"] if event["type"] == kind]

    def _changes(self, ref: SourceRef, name: str, value: str) -> int:
        told = ((event["field_name"], event["value"]) for event in self._events(ref, "Change"))
        return sum(each == (name, value) for each in told)
