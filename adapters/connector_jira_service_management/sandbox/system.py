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
from connector_jira_service_management.adf import plain_text
from connector_jira_service_management.links import ticket_ref
from connector_jira_service_management.sandbox.server import Server
from connector_jira_service_management.sandbox.site import (
    CUSTOM_FIELDS,
    LONGEST_COMMENT,
    LONGEST_TEXT,
    STATUSES,
    SandboxIssue,
    Site,
)
from connector_jira_service_management.webhook import SIGNATURE

EMAIL = "hub@example.com"
TOKEN = "ATATT3x-sandbox-4c1f9b2e7d30"  # noqa: S105 - opens nothing but this sandbox
SECRET = "sandbox-webhook-secret-81c7"  # noqa: S105
NOBODY_TELLS = "Jira tells of a deleted issue by webhook alone; no search shows that it is gone"


class JiraServiceManagementSandbox(Sandbox):
    """Jira in small: times of queries to the minute in the account's zone, tokens that count issues off.

    user_time_zone: of the account's profile. fold: which of two readings of a time that comes twice the server takes.
    """

    def __init__(self, clock: Clock, *, user_time_zone: str = "Australia/Sydney", fold: int = 1) -> None:
        self._clock = clock
        self.site = Site(clock, {"ITSM": "IT Service Desk", "OPS": "Operations"})
        self.server = Server(self.site, EMAIL, TOKEN, user_time_zone, fold)
        self._app = self.server.app()

    def app(self) -> Starlette:
        """The server."""
        return self._app

    def settings(self) -> Mapping[str, object]:
        """Settings of the adapter that fit, with small pages."""
        return {
            "base_url": "http://jira.test", "email": EMAIL, "api_token": TOKEN, "webhook_secret": SECRET,
            "projects": ["ITSM"], "page_size": 5, "asset_tag_field": "customfield_10050",
            "serial_field": "customfield_10051", "site_field": "customfield_10053",
            "manufacturer_field": "customfield_10054", "model_field": "customfield_10055",
            "quantity_field": "customfield_10057",
        }  # fmt: skip

    def wrong_settings(self) -> Mapping[str, object]:
        """The same with a token that was revoked."""
        return {**self.settings(), "api_token": "ATATT3x-revoked-000000000000"}

    # Pulls

    def page_size(self, stream: str) -> int:  # noqa: ARG002 - there is one stream
        """As in `settings()`."""
        return 5

    def seed(self, stream: str, count: int, *, at: datetime, step: timedelta) -> tuple[SourceRef, ...]:  # noqa: ARG002
        """Open issues."""
        made = (
            self.site.create(at + step * number, fields={"customfield_10050": f"AT-{number}"})
            for number in range(count)
        )
        return tuple(ticket_ref(issue.id) for issue in made)

    def touch(self, ref: SourceRef, *, at: datetime) -> None:
        """Give the issue another summary."""
        issue = self._of(ref)
        self.site.change(issue, at, summary=f"{issue.summary} (again)")

    def delete(self, ref: SourceRef, *, at: datetime) -> None:  # noqa: ARG002
        """Not told by anything that is pulled."""
        raise NotApplicable(NOBODY_TELLS)

    def seed_malformed(self, stream: str, *, at: datetime) -> SourceRef | None:  # noqa: ARG002
        """An issue in a status that neither name nor category give a meaning to."""
        return ticket_ref(self.site.create(at, status="Frobnicated").id)

    def seed_unusual(self, stream: str, *, at: datetime) -> SourceRef:  # noqa: ARG002
        """An issue with a field of a later release and a priority that nobody knows."""
        issue = self.site.create(at, priority="Cosmic", fields={"statusflavour": {"name": "mint"}})
        return ticket_ref(issue.id)

    # ReceivesWebhooks

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        """Change the issue's summary, and what Jira then posts."""
        issue = self._of(ref) if ref else self.site.create(at)
        before = issue.summary
        self.site.change(issue, at, summary=f"{before} still")
        items = [{"field": "summary", "fieldId": "summary", "fromString": before, "toString": issue.summary}]
        payload = self.payload("jira:issue_updated", issue, at) | {"changelog": {"id": "10100", "items": items}}
        return SentWebhook(ticket_ref(issue.id), self.request(payload, at))

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:
        """An event of boards."""
        return self.request({"timestamp": _millis(at), "webhookEvent": "sprint_started", "sprint": {"id": 1}}, at)

    def signature(self) -> Signature:
        """The HMAC covers the body."""
        return Signature(
            SIGNATURE.lower(),
            covers_body=True,
            expires_after=None,
            reason="Jira sends a webhook again for hours when the hub was away; one that is sent twice has the issue "
            "read twice, or says again that it is deleted",
        )

    # WritesTickets

    def operation(self, kind: OperationKind, key: IdempotencyKey) -> Operation:
        """On an issue of its own."""
        ref = ticket_ref(self.site.create().id)
        if kind is AddNote:
            return AddNote(key, ref, "Spare C9300-48P leaves hub Berlin at 14:00.")
        if kind is SetTicketState:
            return SetTicketState(key, ref, TicketState.RESOLVED)
        if kind is SetTicketFields:
            return SetTicketFields(key, ref, {"Tracking Number": "00340434161094042557"})
        raise NotApplicable(f"Jira has no {kind.__name__}")

    def effects(self, operation: Operation) -> int:
        """Told by comments and by the changelog."""
        match operation:
            case AddNote():
                return sum(
                    each.issue == operation.ticket.external_id and plain_text(each.body) == operation.body
                    for each in self.site.comments
                )
            case SetTicketState():
                names = {"resolved": "Resolved", "on_hold": "Pending", "closed": "Closed"}
                return self._changes(operation.ticket, "status", names[operation.state.value])
            case SetTicketFields():
                name, value = next(iter(operation.fields.items()))
                return self._changes(operation.ticket, _identifier(name), value)
            case _:
                raise NotApplicable(f"Jira has no {type(operation).__name__}")

    def refused_operation(self, kind: OperationKind, key: IdempotencyKey) -> Refused:
        """A text that is too long, a state that no transition leads to, a value that the field does not offer."""
        ref = ticket_ref(self.site.create().id)
        if kind is AddNote:
            return Refused(AddNote(key, ref, "x" * (LONGEST_COMMENT + 1)), "comment")
        if kind is SetTicketState:
            return Refused(SetTicketState(key, ref, TicketState.CANCELLED), "status")
        if kind is SetTicketFields:
            return Refused(SetTicketFields(key, ref, {"Hub Priority": "P9"}), "Hub Priority")
        raise NotApplicable(f"Jira has no {kind.__name__}")

    def longest_text(self, operation: WithText) -> int:
        """Of a comment, and of a text field."""
        return LONGEST_COMMENT if isinstance(operation, AddNote) else LONGEST_TEXT

    def stored_text(self, operation: WithText) -> str:
        """The text of the newest comment, or of the field."""
        match operation:
            case AddNote():
                return plain_text(self.site.comments[-1].body)
            case SetTicketFields():
                field = _identifier(next(iter(operation.fields)))
                return str(self._of(operation.ticket).fields[field])
            case _:
                raise NotApplicable(f"Jira has no {type(operation).__name__}")

    def void_of_used_label(self, key: IdempotencyKey) -> VoidLabel:
        """There are no labels."""
        raise NotApplicable(f"Jira has no labels to void with {key!r}")

    # What tests use beyond the kit

    def payload(self, event: str, issue: SandboxIssue, at: datetime) -> dict[str, Any]:
        """The body of a webhook about an issue, in the words of version 2."""
        return {
            "timestamp": _millis(at), "webhookEvent": event, "issue_event_type_name": event.removeprefix("jira:"),
            "user": {"accountId": "5b10a2844c20165700ede21g", "displayName": "Mia Krystof"},
            "issue": {
                "id": issue.id, "key": issue.key, "self": f"http://jira.test/rest/api/2/{issue.id}",
                "fields": {"summary": issue.summary, "status": {"id": STATUSES[issue.status].id, "name": issue.status}},
            },
        }  # fmt: skip

    def request(self, payload: Mapping[str, object], at: datetime) -> WebhookRequest:
        """A webhook, signed."""
        body = json.dumps(payload).encode()
        proof = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"content-type": "application/json", SIGNATURE.lower(): f"sha256={proof}"}
        return WebhookRequest(headers=headers, body=body, received_at=at)

    def _of(self, ref: SourceRef) -> SandboxIssue:
        return self.site.issues[ref.external_id]

    def _changes(self, ref: SourceRef, field: str, to: object) -> int:
        wanted = (ref.external_id, field, to)
        return sum((each.issue, each.field, each.to) == wanted for each in self.site.changes)


def _identifier(name: str) -> str:
    return next(key for key, field in CUSTOM_FIELDS.items() if field.name == name)


def _millis(at: datetime) -> int:
    return int(at.timestamp() * 1000)
