"""Webhooks of Nautobot: signed by HMAC-SHA512, without delivery id, so that their age is bounded."""

from __future__ import annotations

from datetime import datetime, timedelta

import orjson
from pydantic import SecretStr

from connector.sdk import (
    AuthError,
    EntityKind,
    Invalid,
    SourceRef,
    WebhookRequest,
    WebhookResult,
    require_hmac,
    require_recent,
)
from connector_nautobot.cursor import read_time
from connector_nautobot.mapping import KINDS, place_kind, tombstones
from connector_nautobot.places import LocationUses

SIGNATURE = "X-Hook-Signature"


def verify(request: WebhookRequest, secret: SecretStr | None, *, within: timedelta) -> None:
    """Refuse what was not sent by Nautobot just now. Raises AuthError."""
    if secret is None:
        raise AuthError(
            "a webhook came in, but the source has no webhook_secret to check it with",
            operation="verify webhook",
            hint="Set webhook_secret to the secret of the webhook in Nautobot.",
        )
    require_hmac(request, header=SIGNATURE, secret=secret.get_secret_value(), algorithm="sha512")
    try:
        sent_at = _sent_at(_payload(request))
    except (Invalid, ValueError) as error:
        raise AuthError(
            "the webhook does not say when it was sent, so that a repetition cannot be told from a new one",
            operation="verify webhook",
            hint="Leave the body template of the webhook in Nautobot empty.",
        ) from error
    require_recent(sent_at, request, within=within)


def parse(request: WebhookRequest, uses: LocationUses) -> WebhookResult:
    """What changed. The payload is only a hint: the object is read again, so that both ways give the same record.

    Raises Invalid.
    """
    payload = _payload(request)
    model, event, data = payload.get("model"), payload.get("event"), payload.get("data")
    content_type = f"dcim.{model}"
    if content_type not in KINDS or event not in ("created", "updated", "deleted"):
        return WebhookResult()
    external_id = data.get("id") if isinstance(data, dict) else None
    if not isinstance(external_id, str) or not 0 < len(external_id) <= 255:
        raise Invalid(
            f"the webhook says that a {model} was {event}, but not which one: data.id is {external_id!r}",
            operation="parse webhook",
        )
    if event == "deleted":
        try:
            at = _sent_at(payload)
        except ValueError as error:
            raise Invalid(
                f"the time {payload.get('timestamp')!r} of the webhook cannot be read", operation="parse webhook"
            ) from error
        return WebhookResult(records=tuple(tombstones(content_type, external_id, data, at, uses)))
    kind = place_kind(data, uses) if KINDS[content_type] is EntityKind.SITE else KINDS[content_type]
    return WebhookResult(fetch=(SourceRef(kind=kind, external_id=external_id),) if kind else ())


def _sent_at(payload: dict[str, object]) -> datetime:
    timestamp = payload.get("timestamp")
    if not isinstance(timestamp, str):
        raise ValueError(f"timestamp is {timestamp!r}, expected a text")
    return read_time(timestamp)


def _payload(request: WebhookRequest) -> dict[str, object]:
    try:
        payload = orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"the webhook is not JSON: {error}", operation="parse webhook") from error
    if not isinstance(payload, dict):
        raise Invalid("the webhook is JSON, but no object", operation="parse webhook")
    return payload
