"""Webhooks of version 3: whether they are PagerDuty's, and which incident they are about. Pure."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field, SecretStr, ValidationError

from connector.sdk import AuthError, Invalid, SourceRef, WebhookRequest, WebhookResult, require_hmac
from connector.sdk.answers import Theirs, unreadable, unreadable_webhook, webhook_secret
from connector_pagerduty.shapes import incident_ref

SIGNATURE = "x-pagerduty-signature"
VERSION = "v1="
CHANGES = frozenset(
    {"incident.acknowledged", "incident.custom_field_values.updated", "incident.delegated", "incident.escalated",
     "incident.incident_type.changed", "incident.priority_updated", "incident.reassigned", "incident.reopened",
     "incident.resolved", "incident.service_updated", "incident.triggered", "incident.unacknowledged"}
)  # fmt: skip
"""Events after which a record of the incident may read differently; a note, ours included, is none."""


class _Kind(Theirs):
    event_type: str


class _AnyEvent(Theirs):
    event: _Kind


class _Reference(Theirs):
    id: str = Field(min_length=1, max_length=255)


class _Data(Theirs):
    """An incident, or something that belongs to one and names it."""

    id: str | None = Field(default=None, min_length=1, max_length=255)
    type: str
    incident: _Reference | None = None


class _About(_Kind):
    data: _Data


class _Event(Theirs):
    event: _About


def verify(request: WebhookRequest, secret: SecretStr | None) -> None:
    """Refuse what none of the signatures fits; there are several while the secret is being replaced.

    Raises AuthError.
    """
    hint = "Set webhook_secret to the secret that PagerDuty showed when the subscription was made."
    known = webhook_secret(secret, hint=hint)
    parts = [part.strip() for part in request.headers.get(SIGNATURE, "").split(",")]
    for part in parts:
        if part.startswith(VERSION) and _fits(request, part.removeprefix(VERSION), known):
            return
    raise AuthError(
        f"none of the webhook's {len(parts)} signatures in header 'X-PagerDuty-Signature' fits its body",
        operation="verify webhook",
        hint="Check that webhook_secret is that of this subscription, and that no proxy changes the body.",
    )


def parse(request: WebhookRequest) -> WebhookResult:
    """The incident to read again: what is posted lacks its version and custom fields. Raises Invalid."""
    try:
        if _AnyEvent.model_validate_json(request.body).event.event_type not in CHANGES:
            return WebhookResult()
        data = _Event.model_validate_json(request.body).event.data
    except ValidationError as error:
        raise unreadable_webhook(unreadable(error, "webhook")) from None
    return WebhookResult(fetch=(_about(data),))


def _fits(request: WebhookRequest, proof: str, secret: str) -> bool:
    stripped = replace(request, headers={SIGNATURE: proof})
    try:
        require_hmac(stripped, header=SIGNATURE, secret=secret, algorithm="sha256")
    except AuthError:
        return False
    return True


def _about(data: _Data) -> SourceRef:
    found = data.id if data.type == "incident" else data.incident and data.incident.id
    if not found:
        raise Invalid(
            f"the webhook about {data.type[:80]!r} names no incident",
            operation="parse webhook",
            fields={"/event/data/incident": "missing"},
        )
    return incident_ref(found)
