"""How EasyPost signs webhooks. Pure.

`X-Hmac-Signature` covers the body. `X-Hmac-Signature-V2` covers the time (`X-Timestamp`, RFC 2822), the method, the
path (`X-Path`) and the body, one behind the other.
"""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from connector.sdk import AuthError, WebhookRequest, require_hmac, require_recent

PREFIX = "hmac-sha256-hex="
V1, V2 = "x-hmac-signature", "x-hmac-signature-v2"
WITHIN = timedelta(minutes=5)


def require_v1(request: WebhookRequest, secret: str) -> None:
    """Check the body's signature. Raises AuthError."""
    _require(request, V1, secret, request.body)


def require_v2(request: WebhookRequest, secret: str) -> None:
    """Check the signature of time, path and body, and that the time is now. Raises AuthError."""
    stamp, path = request.headers.get("x-timestamp", ""), request.headers.get("x-path", "")
    _require(request, V2, secret, f"{stamp}POST{path}".encode() + request.body)
    require_recent(_sent_at(stamp), request, within=WITHIN)


def _require(request: WebhookRequest, header: str, secret: str, signed: bytes) -> None:
    """The key is the secret in its decomposed form (NFKD), as the vendor's clients have it."""
    given = request.headers.get(header, "")
    proof = given.removeprefix(PREFIX) if given.startswith(PREFIX) else ""
    stripped = replace(request, headers={header: proof}, body=signed)
    require_hmac(stripped, header=header, secret=unicodedata.normalize("NFKD", secret), algorithm="sha256")


def _sent_at(stamp: str) -> datetime:
    try:
        at = parsedate_to_datetime(stamp)
    except (TypeError, ValueError):
        raise AuthError(
            f"the webhook was sent at {stamp[:40]!r}, which is no time",
            operation="verify webhook",
            hint="Check that no proxy changes the header X-Timestamp.",
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
