"""Jira's webhooks: proof of where they come from, and which issues they are about.

What a webhook says of an issue is in the words of version 2 of the interface, with text as wiki markup, and as it was
when the webhook was first sent. So it is a hint only: the issue is read again. That one was deleted cannot be read
anywhere else, so that this is taken from the webhook.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field, SecretStr, ValidationError

from connector.sdk import (
    Tombstone,
    WebhookRequest,
    WebhookResult,
    require_hmac,
    require_json,
)
from connector.sdk.answers import unreadable, unreadable_webhook, webhook_secret
from connector_jira_service_management.links import OtherIssue, ticket_ref
from connector_jira_service_management.mapping import LAST_INSTANT_MS, Theirs

SIGNATURE = "X-Hub-Signature"
"""Header with `sha256=` and the hex HMAC-SHA256 of the raw body."""
CHANGED = frozenset({"jira:issue_created", "jira:issue_updated"})
DELETED = "jira:issue_deleted"
LINKED = frozenset({"issuelink_created", "issuelink_deleted"})
TALK = frozenset({"issue_commented", "issue_comment_edited", "issue_comment_deleted", "issue_work_logged",
                  "issue_worklog_updated", "issue_worklog_deleted"})  # fmt: skip
"""Updates after which a record reads as before: comments, ours included, and hours that were worked."""


class _Kind(Theirs):
    event: str = Field(alias="webhookEvent")


class _Changes(Theirs):
    items: tuple[object, ...] = ()


class _Changed(Theirs):
    issue: OtherIssue
    kind: str | None = Field(default=None, alias="issue_event_type_name")
    changelog: _Changes | None = None


class _Deleted(Theirs):
    issue: OtherIssue
    timestamp: int = Field(gt=0, lt=LAST_INSTANT_MS, strict=True)


class _Ends(Theirs):
    source: str = Field(alias="sourceIssueId", pattern=r"^[0-9]{1,20}$", coerce_numbers_to_str=True)
    destination: str = Field(alias="destinationIssueId", pattern=r"^[0-9]{1,20}$", coerce_numbers_to_str=True)


class _Linked(Theirs):
    link: _Ends = Field(alias="issueLink")


def verify(request: WebhookRequest, secret: SecretStr | None) -> None:
    """Refuse what Jira did not send. Raises AuthError."""
    known = webhook_secret(secret, hint="Set webhook_secret, and the same secret in the webhook's settings in Jira.")
    require_hmac(request, header=SIGNATURE, secret=known, algorithm="sha256")


def parse(request: WebhookRequest) -> WebhookResult:
    """What a webhook says; nothing when it tells of something that is not read. Raises Invalid."""
    body = require_json(request)
    try:
        return _result(body)
    except ValidationError as error:
        raise unreadable_webhook(unreadable(error, "webhook")) from None


def _result(body: object) -> WebhookResult:
    event = _Kind.model_validate(body).event
    if event in CHANGED:
        changed = _Changed.model_validate(body)
        is_talk = changed.kind in TALK and not (changed.changelog and changed.changelog.items)
        return WebhookResult(fetch=() if is_talk else (ticket_ref(changed.issue.id),))
    if event == DELETED:
        deleted = _Deleted.model_validate(body)
        at = datetime.fromtimestamp(deleted.timestamp / 1000, tz=UTC)
        return WebhookResult(records=(Tombstone(ref=ticket_ref(deleted.issue.id), updated_at=at),))
    if event in LINKED:
        ends = _Linked.model_validate(body).link
        return WebhookResult(fetch=(ticket_ref(ends.source), ticket_ref(ends.destination)))
    return WebhookResult()
