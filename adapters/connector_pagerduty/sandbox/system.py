"""SANDBOX: the whole sandbox system, as tests start it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.applications import Starlette

from connector.sdk import Clock, SourceRef, TicketState, WebhookRequest, hmac_hex
from connector.sdk.testing import NotApplicable, SentWebhook, Signature, TicketSandbox, json_webhook
from connector_pagerduty.client import CAP
from connector_pagerduty.sandbox.account import MOST_NOTES, Account, Note, SandboxIncident
from connector_pagerduty.sandbox.server import Switchboard
from connector_pagerduty.shapes import incident_ref
from connector_pagerduty.webhook import SIGNATURE, VERSION

TOKEN = "sandbox-key-7d02c3b1e9"  # noqa: S105 - opens nothing but this sandbox
SECRET = "sandbox-subscription-secret-4fa1"  # noqa: S105
SENDER = "connector@sandbox.example"
NO_DELETION = "PagerDuty deletes no incident; what goes to a service that is not read comes as a tombstone"


class PagerDutySandbox(TicketSandbox):
    """PagerDuty in small: lists by time of creation, a cap on what a list gives, a log, notes and custom fields.

    cap: rows that a list gives at most. zone: the account's, in which times without zone are read.
    """

    longest_note, longest_field = 65_000, 200
    """Of notes nothing is documented, so the hub's own limit counts."""

    def __init__(self, clock: Clock, *, cap: int = CAP, zone: str = "America/New_York") -> None:
        self._clock = clock
        self.account = Account(clock, users=(SENDER,))
        self._app = Switchboard(self.account, TOKEN, cap=cap, zone=zone, now=clock.now).app()

    def app(self) -> Starlette:
        """The server."""
        return self._app

    def settings(self) -> Mapping[str, object]:
        """Settings of the adapter that fit, with small pages."""
        return {
            "base_url": "http://pagerduty.test", "api_key": TOKEN, "webhook_secret": SECRET, "from_email": SENDER,
            "page_size": 5,
        }  # fmt: skip

    def wrong_settings(self) -> Mapping[str, object]:
        """The same with a key that was revoked."""
        return {**self.settings(), "api_key": "revoked-key-000000000000"}

    # Pulls

    def seed(self, stream: str, count: int, *, at: datetime, step: timedelta) -> tuple[SourceRef, ...]:  # noqa: ARG002
        """Incidents that nothing has happened to since they were made."""
        fields = {"PFASSET": "AT-7", "PFSITE": "Hamburg"}
        made = [self.account.open(at + step * number, fields=dict(fields)) for number in range(count)]
        return tuple(incident_ref(incident.id) for incident in made)

    def touch(self, ref: SourceRef, *, at: datetime) -> None:
        """Give the incident another title."""
        incident = self._incident(ref)
        self.account.change(incident, at, title=f"{incident.title} (again)")

    def delete(self, ref: SourceRef, *, at: datetime) -> None:  # noqa: ARG002
        """There is no such thing."""
        raise NotApplicable(NO_DELETION)

    def seed_malformed(self, stream: str, *, at: datetime) -> SourceRef | None:  # noqa: ARG002
        """An incident in a status of a later release."""
        return incident_ref(self.account.open(at, status="snoozed").id)

    def seed_unusual(self, stream: str, *, at: datetime) -> SourceRef:  # noqa: ARG002
        """An incident with a column and an urgency of a later release."""
        extra = {"severity": "gold", "urgency": "extreme"}
        return incident_ref(self.account.open(at, extra=extra).id)

    # ReceivesWebhooks

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        """Change the incident's priority, and what PagerDuty then posts."""
        incident = self._incident(ref) if ref else self.account.open(at)
        number = len(self.account.log) % 5 + 1
        self.account.change(incident, at, priority=(f"PPRIO{number}", f"P{number}"))
        request = self.post(self.event("incident.priority_updated", incident, at), at)
        return SentWebhook(incident_ref(incident.id), request)

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:
        """An event of a later release."""
        return self.post(self.event("incident.summarised", self.account.open(at), at), at)

    def signature(self) -> Signature:
        """The HMAC covers the body; its time proves nothing, since PagerDuty repeats and queues webhooks."""
        return Signature(
            SIGNATURE,
            covers_body=True,
            reason="a webhook that is sent again has its incident read again, which changes nothing; PagerDuty itself "
            "repeats and queues webhooks for longer than any bound on their age",
        )

    # WritesTickets

    def new_ticket(self) -> SourceRef:
        """An incident."""
        return incident_ref(self.account.open().id)

    def notes_of(self, ticket: SourceRef) -> list[str]:
        """Notes without their keys."""
        found = [note.content for note in self.account.notes if note.incident == ticket.external_id]
        return [content.rpartition("\n\n[connector:")[0] for content in found]

    def field_of(self, ticket: SourceRef, name: str) -> str:  # noqa: ARG002 - always the same
        """Of the number of the parcel."""
        return str(self._incident(ticket).fields["PFTRACK"])

    def state_changes(self, ticket: SourceRef, state: TicketState) -> int:  # noqa: ARG002 - always the same
        """Told by the log."""
        return self._logged(ticket, "acknowledge_log_entry", "acknowledged")

    def field_changes(self, ticket: SourceRef, name: str, value: str) -> int:  # noqa: ARG002 - always the same
        """Told by the log."""
        return self._logged(ticket, "custom_field_value_change_log_entry", f"PFTRACK={value}")

    def refused_note(self, ticket: SourceRef) -> tuple[str, str]:
        """One too many."""
        note = Note("PNFULL", ticket.external_id, self._incident(ticket).created_at, "on it")
        self.account.notes += [note] * MOST_NOTES
        return "one more", "content"

    def refused_state(self, ticket: SourceRef) -> tuple[TicketState, str]:
        """The incident was merged."""
        incident = self._incident(ticket)
        incident.status, incident.merged_into = "acknowledged", "Q0"
        return TicketState.RESOLVED, "status"

    def refused_field(self, ticket: SourceRef) -> tuple[str, str]:  # noqa: ARG002 - any
        """An option that is not offered."""
        return "Environment", "moon"

    # For tests of this adapter

    def event(self, kind: str, incident: SandboxIncident, at: datetime) -> dict[str, Any]:
        """The body of a webhook about an incident."""
        data = {
            "id": incident.id, "type": "incident", "number": incident.number, "status": incident.status,
            "title": incident.title, "urgency": incident.urgency,
        }  # fmt: skip
        return {
            "event": {
                "id": f"01{len(self.account.log):024d}", "event_type": kind, "resource_type": "incident",
                "occurred_at": at.isoformat(), "data": data,
            }
        }  # fmt: skip

    def post(self, body: Mapping[str, Any], at: datetime, *secrets: str) -> WebhookRequest:
        """A webhook, signed by each of the secrets, or by that of the settings."""

        def prove(raw: bytes) -> Mapping[str, str]:
            return {SIGNATURE: ",".join(VERSION + hmac_hex(each, raw) for each in secrets or (SECRET,))}

        return json_webhook(body, at, prove)

    def _incident(self, ref: SourceRef) -> SandboxIncident:
        return self.account.incidents[ref.external_id]

    def _logged(self, ref: SourceRef, kind: str, new: str) -> int:
        wanted = (ref.external_id, kind, new)
        return sum((entry.incident, entry.type, entry.new) == wanted for entry in self.account.log)
