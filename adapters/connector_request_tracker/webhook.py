"""Proof that a webhook comes from our scrip: its HMAC, and a time that is covered by it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import SecretStr, ValidationError

from connector.sdk import AuthError, WebhookRequest, require_hmac, require_recent
from connector.sdk.answers import Theirs, webhook_secret

SIGNATURE = "X-Connector-Signature"
"""Header with the hex HMAC-SHA256 of the raw body."""
WITHIN = timedelta(minutes=15)
"""A webhook whose time is further away than this is refused: the scrip posts at once and never again."""


class _Sent(Theirs):
    at: float


def verify(request: WebhookRequest, secret: SecretStr | None) -> None:
    """Refuse what our scrip did not send, or sent long ago. Raises AuthError."""
    known = webhook_secret(secret, hint="Set webhook_secret, and the same secret in the scrip.")
    require_hmac(request, header=SIGNATURE, secret=known, algorithm="sha256")
    try:
        sent = datetime.fromtimestamp(_Sent.model_validate_json(request.body).at, tz=UTC)
    except (ValidationError, OverflowError, ValueError, OSError):
        raise AuthError(
            "the webhook does not say when it was sent",
            operation="verify webhook",
            hint="Use the scrip of the adapter's README; its body has `at`, seconds since 1970.",
        ) from None
    require_recent(sent, request, within=WITHIN)
