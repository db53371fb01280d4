"""Webhooks as an adapter sees them: raw bytes in, records or references out."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from connector.model.records import Record
from connector.model.refs import SourceRef
from connector.sdk.errors import AuthError, Invalid


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A request as it arrived. headers: names in lower case. received_at: the hub's clock."""

    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    received_at: datetime
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WebhookResult:
    """What a webhook says. fetch: things to read again, where the payload is only a hint.

    reply: body that the sender waits for (a challenge), None for a plain 2xx. refused: why parts of it cannot be
    used; the records are applied all the same, and the webhook is kept in the quarantine with these reasons.
    """

    records: tuple[Record, ...] = ()
    fetch: tuple[SourceRef, ...] = ()
    reply: bytes | None = None
    refused: tuple[str, ...] = ()


def hmac_hex(secret: str, message: bytes, algorithm: str = "sha256") -> str:
    """The HMAC of a message, as hexadecimal digits. algorithm: name for hashlib."""
    return hmac.new(secret.encode(), message, algorithm).hexdigest()


def hmac_base64(secret: str, message: bytes, algorithm: str = "sha256") -> str:
    """The HMAC of a message, in Base64. algorithm: name for hashlib."""
    return base64.b64encode(hmac.digest(secret.encode(), message, algorithm)).decode()


def require_hmac(
    request: WebhookRequest,
    *,
    header: str,
    secret: str,
    algorithm: str,
    encoding: Literal["hex", "base64"] = "hex",
) -> None:
    """Check an HMAC of the raw body in constant time.

    algorithm: name for hashlib, "sha256" or "sha512". encoding: how the HMAC is written; a prefix such as `sha256=` is
    allowed. An empty secret proves nothing. Raises AuthError.
    """
    given = request.headers.get(header.lower(), "").strip().removeprefix(f"{algorithm}=")
    write = hmac_hex if encoding == "hex" else hmac_base64
    expected = write(secret, request.body, algorithm)
    if not secret or not hmac.compare_digest(given.encode(), expected.encode()):
        raise AuthError(
            f"the webhook's signature in header {header!r} does not match its body",
            operation="verify webhook",
            hint="Check that both sides have the same webhook secret.",
        )


def require_secret(request: WebhookRequest, *, header: str, secret: str) -> None:
    """Check a shared secret that the sender repeats in a header, in constant time; an empty one proves nothing.

    Raises AuthError.
    """
    given = request.headers.get(header.lower(), "")
    if not secret or not hmac.compare_digest(given.encode(), secret.encode()):
        raise AuthError(
            f"the webhook's secret in header {header!r} is not the configured one",
            operation="verify webhook",
            hint="Check that both sides have the same webhook secret.",
        )


def require_json(request: WebhookRequest) -> object:
    """The body as JSON. Raises Invalid when it is something else, or nested beyond all measure."""
    try:
        return json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise Invalid(
            f"the webhook's body is not JSON: {type(error).__name__}",
            operation="read webhook",
            hint="Set the webhook's content type to application/json.",
            detail=str(error)[:200],
        ) from None


def require_recent(sent_at: datetime, request: WebhookRequest, *, within: timedelta) -> None:
    """Refuse a webhook that was sent too long ago, or in the future. Raises AuthError."""
    if abs(request.received_at - sent_at) > within:
        raise AuthError(
            f"the webhook was sent at {sent_at.isoformat()}, more than {within} from now",
            operation="verify webhook",
            hint="Check the clocks of both systems; a captured request sent again is refused as well.",
        )
