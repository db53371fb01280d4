"""SANDBOX: the whole sandbox system, as tests start it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.applications import Starlette

from connector.sdk import (
    AddNote,
    Clock,
    IdempotencyKey,
    SetTicketFields,
    SetTicketState,
    SourceRef,
    TicketState,
    VoidLabel,
    WebhookRequest,
)
from connector.sdk.testing import (
    NotApplicable,
    Operation,
    OperationKind,
    Refused,
    Sandbox,
    SentWebhook,
    Signature,
    WithText,
)
from connector_pagerduty.client import CAP
from connector_pagerduty.sandbox.account import MOST_NOTES, Account, Note, SandboxIncident
from connector_pagerduty.sandbox.server import Switchboard
from connector_pagerduty.shapes import incident_ref
from connector_pagerduty.webhook import SIGNATURE, VERSION

TOKEN = "sandbox-key-7d02c3b1e9"  # noqa: S105 - opens nothing but this sandbox
SECRET = "sandbox-subscription-secret-4fa1"  # noqa: S105
SENDER = "connector@sandbox.example"
NO_DELETION = "PagerDuty deletes no incident; what goes to a service that is not read comes as a tombstone"


class PagerDutySandbox(Sandbox):
    """PagerDuty in small: lists by time of creation, a cap on what a list gives, a log, notes and custom fields.

    cap: rows that a list gives at most. zone: the account's, in which times without zone are read.
    """

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

    def page_size(self, stream: str) -> int:  # noqa: ARG002 - there is one
        """As in `settings()`."""
        return 5

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

    def operation(self, kind: OperationKind, key: IdempotencyKey) -> Operation:
        """On an incident of its own."""
        ref = incident_ref(self.account.open().id)
        if kind is AddNote:
            return AddNote(key, ref, "Spare C9300-48P leaves hub Berlin at 14:00.")
        if kind is SetTicketState:
            return SetTicketState(key, ref, TicketState.IN_PROGRESS)
        if kind is SetTicketFields:
            return SetTicketFields(key, ref, {"Tracking Number": "00340434161094042557"})
        raise NotApplicable(f"PagerDuty has no {kind.__name__}")

    def effects(self, operation: Operation) -> int:
        """Told by notes and the log."""
        match operation:
            case AddNote():
                return sum(operation.body in note.content for note in self._notes(operation.ticket))
            case SetTicketState():
                return self._logged(operation.ticket, "acknowledge_log_entry", "acknowledged")
            case SetTicketFields():
                [(_, value)] = operation.fields.items()
                return self._logged(operation.ticket, "custom_field_value_change_log_entry", f"PFTRACK={value}")
            case _:
                raise NotApplicable(f"PagerDuty has no {type(operation).__name__}")

    def refused_operation(self, kind: OperationKind, key: IdempotencyKey) -> Refused:
        """A note too many, the state of an incident that was merged, an option that is not offered."""
        incident = self.account.open()
        ref = incident_ref(incident.id)
        if kind is AddNote:
            self.account.notes += [Note("PNFULL", incident.id, incident.created_at, "on it")] * MOST_NOTES
            return Refused(AddNote(key, ref, "one more"), "content")
        if kind is SetTicketState:
            incident.status, incident.merged_into = "acknowledged", "Q0"
            return Refused(SetTicketState(key, ref, TicketState.RESOLVED), "status")
        if kind is SetTicketFields:
            return Refused(SetTicketFields(key, ref, {"Environment": "moon"}), "Environment")
        raise NotApplicable(f"PagerDuty has no {kind.__name__}")

    def longest_text(self, operation: WithText) -> int:
        """Of notes nothing is documented, so the hub's own limit counts; a field takes 200 characters."""
        return 65_000 if isinstance(operation, AddNote) else 200

    def stored_text(self, operation: WithText) -> str:
        """The newest note without its key, or the field's value."""
        if isinstance(operation, SetTicketFields):
            return str(self._incident(operation.ticket).fields["PFTRACK"])
        if isinstance(operation, AddNote):
            return self._notes(operation.ticket)[-1].content.rpartition("\n\n[connector:")[0]
        raise NotApplicable(f"PagerDuty has no {type(operation).__name__}")

    def void_of_used_label(self, key: IdempotencyKey) -> VoidLabel:
        """There are no labels."""
        raise NotApplicable(f"PagerDuty has no labels to void with {key!r}")

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
        raw = json.dumps(body).encode()
        proofs = [hmac.new(each.encode(), raw, hashlib.sha256).hexdigest() for each in secrets or (SECRET,)]
        headers = {"content-type": "application/json", SIGNATURE: ",".join(VERSION + proof for proof in proofs)}
        return WebhookRequest(headers=headers, body=raw, received_at=at)

    def _incident(self, ref: SourceRef) -> SandboxIncident:
        return self.account.incidents[ref.external_id]

    def _notes(self, ref: SourceRef) -> list[Note]:
        return [note for note in self.account.notes if note.incident == ref.external_id]

    def _logged(self, ref: SourceRef, kind: str, new: str) -> int:
        wanted = (ref.external_id, kind, new)
        return sum((entry.incident, entry.type, entry.new) == wanted for entry in self.account.log)
