"""SANDBOX: Acme Desk as the contract kit uses it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from connector.sdk import Clock, EntityKind, SourceRef, TicketState, WebhookRequest
from connector.sdk.testing import SentWebhook, Signature, TicketSandbox
from connector_webhook.sandbox.receiver import LONGEST_FIELD, LONGEST_NOTE, DeskTicket, Receiver
from connector_webhook.signatures import standard_headers

DOCUMENT = Path(__file__).parents[1] / "acme_desk.yaml"
SECRET = "whsec_" + base64.b64encode(b"acme-posts-to-the-hub-01").decode()
DELIVER_KEY = b"the-hub-posts-to-acme-01"
DELIVER_SECRET = "whsec_" + base64.b64encode(DELIVER_KEY).decode()
WRONG_SECRET = "whsec_" + base64.b64encode(b"some-other-secret-000001").decode()
STRUCTURED = "application/cloudevents+json; charset=utf-8"


class AcmeDeskSandbox(TicketSandbox):
    """Posts each change of a ticket as a CloudEvent, and takes what the hub posts."""

    longest_note, longest_field = LONGEST_NOTE, LONGEST_FIELD

    def __init__(self, clock: Clock) -> None:
        self.receiver = Receiver(DELIVER_KEY, clock.now)
        self._app = self.receiver.app()
        self._posted = 0

    def app(self) -> Starlette:
        """The server that receives."""
        return self._app

    def settings(self) -> Mapping[str, object]:
        """Settings that fit."""
        return {
            "definition": str(DOCUMENT), "secret": SECRET, "deliver_to": "http://acme.test/hooks/connector",
            "deliver_secret": DELIVER_SECRET,
        }  # fmt: skip

    def wrong_settings(self) -> Mapping[str, object]:
        """The same with a secret that Acme Desk does not have."""
        return {**self.settings(), "deliver_secret": WRONG_SECRET}

    # ReceivesWebhooks

    def event(self, kind: str, data: Mapping[str, object], at: datetime) -> dict[str, Any]:
        """A CloudEvent of this type under `com.acme.`."""
        self._posted += 1
        return {
            "specversion": "1.0", "id": f"E-{self._posted:06}", "source": "https://desk.acme.example",
            "type": f"com.acme.{kind}", "time": at.isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json", "data": dict(data),
        }  # fmt: skip

    def post(
        self, content: object, at: datetime, *secrets: str, content_type: str = STRUCTURED, **headers: str
    ) -> WebhookRequest:
        """A signed post of some content; bytes as they are. headers: others beside, `_` for `-`."""
        body = content if isinstance(content, bytes) else json.dumps(content, separators=(",", ":")).encode()
        proof = standard_headers(f"msg_{self._posted:06}", at, body, secrets or (SECRET,))
        others = {name.replace("_", "-"): text for name, text in headers.items()}
        return WebhookRequest({"content-type": content_type, **proof, **others}, body, at)

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        """A ticket is opened or changed."""
        about = ref or self.new_ticket()
        ticket = self.receiver.tickets[about.external_id]
        data = {
            "id": about.external_id, "number": ticket.number, "subject": f"Switch down at {at:%H:%M}", "kind": "fault",
            "urgency": 2, "status": ticket.status, "device": {"id": "D-7", "serial": "FOC2144L0ZZ"}, "site": "Hamburg",
            "opened": "2026-01-31 09:30:00",
        }  # fmt: skip
        return SentWebhook(about, self.post(self.event("ticket.changed" if ref else "ticket.opened", data, at), at))

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:
        """Of something that the document says nothing of."""
        return self.post(self.event("invoice.sent", {"id": 1}, at), at)

    def signature(self) -> Signature:
        """By Standard Webhooks."""
        return Signature("webhook-signature", expires_after=timedelta(minutes=5))

    # WritesTickets

    def not_asked(self) -> str:
        """Nobody can ask a receiver."""
        return "a receiver of webhooks cannot be asked; it takes each id once"

    def new_ticket(self) -> SourceRef:
        """Open a ticket."""
        number = f"T-{len(self.receiver.tickets) + 1}"
        self.receiver.tickets[number] = DeskTicket(number)
        return SourceRef(kind=EntityKind.TICKET, external_id=number)

    def notes_of(self, ticket: SourceRef) -> Sequence[str]:
        """Oldest first."""
        return self.receiver.tickets[ticket.external_id].notes

    def field_of(self, ticket: SourceRef, name: str) -> str:
        """As it is now."""
        return self.receiver.tickets[ticket.external_id].fields[name]

    def state_changes(self, ticket: SourceRef, state: TicketState) -> int:
        """Told by the history."""
        return self.receiver.tickets[ticket.external_id].history.count(state.value)

    def field_changes(self, ticket: SourceRef, name: str, value: str) -> int:
        """Told by the history."""
        return self.receiver.tickets[ticket.external_id].changes.count((name, value))

    def refused_note(self, ticket: SourceRef) -> tuple[str, str]:  # noqa: ARG002
        """An empty one."""
        return " ", "body"

    def refused_state(self, ticket: SourceRef) -> tuple[TicketState, str]:  # noqa: ARG002
        """The desk cancels nothing."""
        return TicketState.CANCELLED, "state"

    def refused_field(self, ticket: SourceRef) -> tuple[str, str]:  # noqa: ARG002
        """A value that is too long."""
        return "Tracking Number", "0" * (LONGEST_FIELD + 1)
