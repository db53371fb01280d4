"""Signatures of Standard Webhooks, for what the hub sends."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

PREFIX: Final = "whsec_"
SHORTEST, LONGEST = 24, 64
"""Bytes of a secret, as the specification asks for."""


def signing_key(secret: str) -> bytes:
    """The key in a secret, padded or not. Raises ValueError when it is none."""
    text = secret.removeprefix(PREFIX).rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"is no secret of Standard Webhooks: expected {PREFIX} and Base64") from None
    if not secret.startswith(PREFIX) or not SHORTEST <= len(key) <= LONGEST:
        raise ValueError(f"is no secret of Standard Webhooks: expected {PREFIX}, then {SHORTEST} to {LONGEST} bytes")
    return key


def signed_headers(message_id: str, at: datetime, body: bytes, secrets: Sequence[str]) -> Mapping[str, str]:
    """The three headers that vouch for a body; one signature for each secret. at: the time of this attempt."""
    seconds = str(int(at.timestamp()))
    message = f"{message_id}.{seconds}.".encode() + body
    proofs = (base64.b64encode(hmac.digest(signing_key(one), message, hashlib.sha256)).decode() for one in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(f"v1,{proof}" for proof in proofs),
    }
