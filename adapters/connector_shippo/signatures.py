"""How webhooks of Shippo prove themselves: by a token in their address, or by an HMAC. Pure."""

from __future__ import annotations

import hmac
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from connector.sdk import AuthError, WebhookRequest, require_hmac, require_recent

HEADER = "shippo-auth-signature"
TOKEN = "token"  # noqa: S105 - the name of a query parameter
FORM = re.compile(r"t=(\d{1,12}),\s*v1=([0-9A-Fa-f]{64})")
WITHIN = timedelta(minutes=5)


def require_token(request: WebhookRequest, secret: str) -> None:
    """Check the token of the address, in constant time; an empty one proves nothing. Raises AuthError."""
    given = request.query.get(TOKEN, "")
    if not secret or not hmac.compare_digest(given.encode(), secret.encode()):
        raise AuthError(
            f"the webhook's query parameter {TOKEN!r} is not the configured secret",
            operation="verify webhook",
            hint="Register the webhook's address with `?token=` and the value of webhook_secret.",
        )


def require_signature(request: WebhookRequest, secret: str) -> None:
    """Check the HMAC-SHA256 of time and body (`t=TIME,v1=HMAC`), and that the time is now. Raises AuthError."""
    form = FORM.fullmatch(request.headers.get(HEADER, ""))
    stamp, proof = form.groups() if form else ("0", "")
    signed = replace(request, headers={HEADER: proof}, body=f"{stamp}.".encode() + request.body)
    require_hmac(signed, header=HEADER, secret=secret, algorithm="sha256")
    require_recent(datetime.fromtimestamp(int(stamp), tz=UTC), request, within=WITHIN)
