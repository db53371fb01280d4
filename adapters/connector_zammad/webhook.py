"""Webhooks: whether they are Zammad's, and which ticket they are about. Pure."""

from __future__ import annotations

from pydantic import Field, SecretStr, StrictInt, ValidationError

from connector.sdk import WebhookRequest, WebhookResult, require_hmac, require_json
from connector.sdk.answers import Theirs, unreadable, unreadable_webhook, webhook_secret
from connector_zammad.mapping import ticket_ref

SIGNATURE = "X-Hub-Signature"


class _Ticket(Theirs):
    id: StrictInt = Field(gt=0, lt=2**63)


class _Payload(Theirs):
    ticket: _Ticket


def verify(request: WebhookRequest, secret: SecretStr | None) -> None:
    """Zammad's signature of the body. Raises AuthError."""
    known = webhook_secret(secret, hint="Set webhook_secret to the HMAC SHA1 signature token of the webhook.")
    require_hmac(request, header=SIGNATURE, secret=known, algorithm="sha1")


def parse(request: WebhookRequest) -> WebhookResult:
    """The ticket to read again: what is posted lacks links and the first article. Raises Invalid.

    A payload without a ticket, as those of Zammad's own templates, is none of ours.
    """
    body = require_json(request)
    if isinstance(body, dict) and "ticket" not in body:
        return WebhookResult()
    try:
        ticket = _Payload.model_validate(body).ticket
    except ValidationError as error:
        raise unreadable_webhook(unreadable(error, "webhook")) from None
    return WebhookResult(fetch=(ticket_ref(ticket.id),))
