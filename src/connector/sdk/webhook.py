"""Webhooks as an adapter sees them: raw bytes in, records or references out."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

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

    reply: body that the sender waits for (a challenge), None for a plain 2xx.
    """

    records: tuple[Record, ...] = ()
    fetch: tuple[SourceRef, ...] = ()
    reply: bytes | None = None


def require_hmac(request: WebhookRequest, *, header: str, secret: str, algorithm: str) -> None:
    """Check a hex HMAC of the raw body in constant time.

    algorithm: name for hashlib, "sha256" or "sha512". A prefix such as `sha256=` is allowed.
    An empty secret proves nothing. Raises AuthError.
    """
    given = request.headers.get(header.lower(), "").strip().removeprefix(f"{algorithm}=")
    expected = hmac.new(secret.encode(), request.body, getattr(hashlib, algorithm)).hexdigest()
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
