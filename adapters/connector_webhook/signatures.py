"""How posts are proved: by Standard Webhooks, both ways, or by an HMAC of the body alone."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from itertools import product

from connector.sdk import AuthError, WebhookRequest, require_hmac, require_recent
from connector_webhook.definition import SignatureFacts

PREFIX = "whsec_"
SHORTEST, LONGEST = 16, 512
"""Bytes of a secret. Standard Webhooks asks for 24 to 64; secrets of others are taken as they are."""
MOST_SIGNATURES = 20
_SECONDS = re.compile(r"[0-9]{1,12}")


def secret_bytes(secret: str) -> bytes:
    """The key in a secret of Standard Webhooks, padded or not. Raises ValueError when it is none."""
    text = secret.removeprefix(PREFIX).rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"is no secret of Standard Webhooks: expected {PREFIX} and Base64") from None
    if not SHORTEST <= len(key) <= LONGEST:
        raise ValueError(f"has {len(key)} bytes, expected {SHORTEST} to {LONGEST}")
    return key


def standard_headers(
    message_id: str, at: datetime, body: bytes, secrets: Sequence[str], prefix: str = "webhook"
) -> dict[str, str]:
    """The three headers that vouch for a body; one signature for each secret."""
    seconds = int(at.timestamp())
    proofs = (f"v1,{_standard(message_id, str(seconds), body, secret)}" for secret in secrets)
    return {
        f"{prefix}-id": message_id,
        f"{prefix}-timestamp": str(seconds),
        f"{prefix}-signature": " ".join(proofs),
    }


def require_signature(request: WebhookRequest, facts: SignatureFacts, secrets: Collection[str]) -> None:
    """Refuse what none of the secrets vouches for, or what is too old. Raises AuthError."""
    if facts.kind == "standard":
        _require_standard(request, facts, secrets)
        return
    failure: AuthError | None = None
    for secret in secrets:
        try:
            require_hmac(
                request, header=facts.header or "", secret=secret, algorithm=facts.algorithm, encoding=facts.encoding
            )
        except AuthError as error:
            failure = error
        else:
            return
    raise failure or AuthError("there is no secret to check a webhook by", operation="verify webhook")


def _require_standard(request: WebhookRequest, facts: SignatureFacts, secrets: Collection[str]) -> None:
    prefix = facts.prefix.lower()
    given = {name: request.headers.get(f"{prefix}-{name}", "") for name in ("id", "timestamp", "signature")}
    missing = [f"{prefix}-{name}" for name, text in given.items() if not text]
    if missing:
        raise AuthError(
            f"the webhook has no header {', '.join(missing)}", operation="verify webhook",
            hint="Standard Webhooks sends three. For headers of other names say `signature.prefix`, for one HMAC "
            "`signature: {kind: hmac, header: ...}`.",
        )  # fmt: skip
    if not _SECONDS.fullmatch(given["timestamp"]):
        raise AuthError(
            f"header {prefix}-timestamp is no number of seconds", operation="verify webhook",
            hint="Standard Webhooks counts whole seconds since 1970.",
        )  # fmt: skip
    sent_at = datetime.fromtimestamp(min(int(given["timestamp"]), 253_402_300_799), UTC)
    require_recent(sent_at, request, within=facts.tolerance)
    proofs = [text.removeprefix("v1,") for text in given["signature"].split() if text.startswith("v1,")]
    expected = [_standard(given["id"], given["timestamp"], request.body, secret) for secret in secrets]
    fits = [
        hmac.compare_digest(proof.encode(), wanted.encode())
        for proof, wanted in product(proofs[:MOST_SIGNATURES], expected)
    ]
    if not any(fits):
        raise AuthError(
            f"none of the webhook's {len(proofs)} signatures `v1` in header {prefix}-signature fits its body",
            operation="verify webhook",
            hint="Check that both sides have the same secret, and that no proxy changes the body.",
        )


def _standard(message_id: str, seconds: str, body: bytes, secret: str) -> str:
    message = f"{message_id}.{seconds}.".encode() + body
    return base64.b64encode(hmac.digest(secret_bytes(secret), message, hashlib.sha256)).decode()
