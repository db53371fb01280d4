"""SANDBOX: the whole sandbox system, as tests start it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.applications import Starlette

from connector.sdk import Clock, SourceRef, TicketState, WebhookRequest, hmac_hex
from connector.sdk.testing import NotApplicable, SentWebhook, Signature, TicketSandbox, json_webhook
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


class JiraServiceManagementSandbox(TicketSandbox):
    """Jira in small: times of queries to the minute in the account's zone, tokens that count issues off.

    user_time_zone: of the account's profile. fold: which of two readings of a time that comes twice the server takes.
    """

    next_state = TicketState.RESOLVED
    longest_note, longest_field = LONGEST_COMMENT, LONGEST_TEXT

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

    def new_ticket(self) -> SourceRef:
        """An issue of the first project."""
        return ticket_ref(self.site.create().id)

    def notes_of(self, ticket: SourceRef) -> list[str]:
        """Comments."""
        return [plain_text(each.body) for each in self.site.comments if each.issue == ticket.external_id]

    def field_of(self, ticket: SourceRef, name: str) -> str:
        """By the field's name."""
        return str(self._of(ticket).fields[_identifier(name)])

    def state_changes(self, ticket: SourceRef, state: TicketState) -> int:
        """Told by the changelog."""
        names = {"resolved": "Resolved", "on_hold": "Pending", "closed": "Closed"}
        return self._changes(ticket, "status", names[state.value])

    def field_changes(self, ticket: SourceRef, name: str, value: str) -> int:
        """Told by the changelog."""
        return self._changes(ticket, _identifier(name), value)

    def refused_note(self, ticket: SourceRef) -> tuple[str, str]:  # noqa: ARG002 - any
        """Too long."""
        return "x" * (LONGEST_COMMENT + 1), "comment"

    def refused_state(self, ticket: SourceRef) -> tuple[TicketState, str]:  # noqa: ARG002 - any
        """No transition leads there."""
        return TicketState.CANCELLED, "status"

    def refused_field(self, ticket: SourceRef) -> tuple[str, str]:  # noqa: ARG002 - any
        """A value that the field does not offer."""
        return "Hub Priority", "P9"

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
        return json_webhook(payload, at, lambda body: {SIGNATURE.lower(): f"sha256={hmac_hex(SECRET, body)}"})

    def _of(self, ref: SourceRef) -> SandboxIssue:
        return self.site.issues[ref.external_id]

    def _changes(self, ref: SourceRef, field: str, to: object) -> int:
        wanted = (ref.external_id, field, to)
        return sum((each.issue, each.field, each.to) == wanted for each in self.site.changes)


def _identifier(name: str) -> str:
    return next(key for key, field in CUSTOM_FIELDS.items() if field.name == name)


def _millis(at: datetime) -> int:
    return int(at.timestamp() * 1000)
