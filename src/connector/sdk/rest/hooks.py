"""Webhooks that are signed by HMAC-SHA512, without delivery id, so that their age is bounded by the time in them."""

from __future__ import annotations

from datetime import datetime, timedelta

import orjson
from pydantic import SecretStr

from connector.sdk.answers import webhook_secret
from connector.sdk.cursors import read_instant
from connector.sdk.errors import AuthError, Invalid
from connector.sdk.webhook import WebhookRequest, require_hmac, require_recent

SIGNATURE = "X-Hook-Signature"


def require_hook(request: WebhookRequest, secret: SecretStr | None, *, within: timedelta, system: str) -> None:
    """Refuse what was not sent by this system just now. Raises AuthError."""
    known = webhook_secret(secret, hint=f"Set webhook_secret to the secret of the webhook in {system}.")
    require_hmac(request, header=SIGNATURE, secret=known, algorithm="sha512")
    try:
        sent_at = hook_time(hook_payload(request))
    except Invalid as error:
        raise AuthError(
            "the webhook does not say when it was sent, so that a repetition cannot be told from a new one",
            operation="verify webhook",
            hint=f"Leave the body template of the webhook in {system} empty.",
        ) from error
    require_recent(sent_at, request, within=within)


def hook_time(payload: dict[str, object]) -> datetime:
    """When a webhook says that it happened. Raises Invalid."""
    timestamp = payload.get("timestamp")
    try:
        if not isinstance(timestamp, str):
            raise ValueError("expected a text")
        return read_instant(timestamp)
    except (ValueError, OverflowError) as error:
        raise Invalid(
            f"the time {timestamp!r} of the webhook cannot be read: {error}", operation="parse webhook"
        ) from error


def hook_payload(request: WebhookRequest) -> dict[str, object]:
    """The object in a webhook's body. Raises Invalid."""
    try:
        payload = orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"the webhook is not JSON: {error}", operation="parse webhook") from error
    if not isinstance(payload, dict):
        raise Invalid("the webhook is JSON, but no object", operation="parse webhook")
    return payload
