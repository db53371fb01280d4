"""Webhooks: whether they are Zendesk's, and which ticket they are about. Pure.

A webhook is either subscribed to events, whose body Zendesk makes, or sent by a trigger, whose body the README gives.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pydantic import Field, SecretStr, ValidationError

from connector.sdk import (
    AuthError,
    Invalid,
    WebhookRequest,
    WebhookResult,
    require_hmac,
    require_json,
    require_recent,
)
from connector.sdk.answers import Theirs, unreadable, unreadable_webhook, webhook_secret
from connector.sdk.cursors import read_instant
from connector_zendesk.mapping import ticket_ref

SIGNATURE = "X-Zendesk-Webhook-Signature"
TIMESTAMP = "X-Zendesk-Webhook-Signature-Timestamp"
TICKETS = "zen:event-type:ticket."
TALK = ("comment_", "attachment_")
"""Events after which a record reads as before; a reply that changes the status is another event as well."""


class _Detail(Theirs):
    id: int = Field(gt=0)


class _Event(Theirs):
    detail: _Detail


class _Triggered(Theirs):
    ticket_id: int = Field(gt=0)


def verify(request: WebhookRequest, secret: SecretStr | None, tolerance: timedelta) -> None:
    """Refuse what Zendesk did not sign, or signed too long ago. Raises AuthError."""
    known = webhook_secret(secret, hint="Set webhook_secret to the signing secret that Zendesk shows for the webhook.")
    told = request.headers.get(TIMESTAMP.lower(), "")
    signed = replace(request, body=told.encode() + request.body)
    require_hmac(signed, header=SIGNATURE, secret=known, algorithm="sha256", encoding="base64")
    try:
        sent_at = read_instant(told)
    except ValueError:
        raise AuthError(
            f"the webhook's time in header {TIMESTAMP!r} cannot be read",
            operation="verify webhook",
            hint="Check that no proxy changes the header.",
        ) from None
    require_recent(sent_at, request, within=tolerance)


def parse(request: WebhookRequest) -> WebhookResult:
    """The ticket to read again: what is posted lacks custom fields and names. Raises Invalid."""
    body = require_json(request)
    if not isinstance(body, dict):
        raise Invalid("the webhook is no JSON object", operation="parse webhook", fields={"/": "no object"})
    try:
        if "type" not in body:
            return WebhookResult(fetch=(ticket_ref(_Triggered.model_validate(body).ticket_id),))
        kind = str(body["type"])
        if not kind.startswith(TICKETS) or kind.removeprefix(TICKETS).startswith(TALK):
            return WebhookResult()
        return WebhookResult(fetch=(ticket_ref(_Event.model_validate(body).detail.id),))
    except ValidationError as error:
        raise unreadable_webhook(unreadable(error, "webhook")) from None
