"""Webhooks of Nautobot: what they say has changed."""

from __future__ import annotations

from connector.sdk import EntityKind, Invalid, SourceRef, WebhookRequest, WebhookResult
from connector.sdk.rest import hook_payload, hook_time
from connector_nautobot.mapping import KINDS, place_kind, tombstones
from connector_nautobot.places import LocationUses


def parse(request: WebhookRequest, uses: LocationUses) -> WebhookResult:
    """What changed. The payload is only a hint: the object is read again, so that both ways give the same record.

    Raises Invalid.
    """
    payload = hook_payload(request)
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
        at = hook_time(payload)
        return WebhookResult(records=tuple(tombstones(content_type, external_id, data, at, uses)))
    kind = place_kind(data, uses) if KINDS[content_type] is EntityKind.SITE else KINDS[content_type]
    return WebhookResult(fetch=(SourceRef(kind=kind, external_id=external_id),) if kind else ())
