"""Webhooks of NetBox's event rules: what they say has changed."""

from __future__ import annotations

from connector.sdk import EntityKind, Invalid, SourceRef, WebhookRequest, WebhookResult
from connector.sdk.rest import hook_payload, hook_time, row_id
from connector_netbox.mapping import KINDS, tombstones
from connector_netbox.places import of_location

LONGEST_ID = 19
"""Digits of the largest id of a PostgreSQL table."""


def parse(request: WebhookRequest, *, has_hub_locations: bool) -> WebhookResult:
    """What changed. The payload is only a hint: the object is read again, so that both ways give the same record.

    Raises Invalid.
    """
    payload = hook_payload(request)
    event, data = payload.get("event"), payload.get("data")
    object_type = _object_type(payload)
    if object_type not in KINDS or event not in ("created", "updated", "deleted"):
        return WebhookResult()
    external_id = row_id(data) if isinstance(data, dict) else None
    if external_id is None or not external_id.isdigit() or len(external_id) > LONGEST_ID:
        raise Invalid(
            f"the webhook says that a {object_type} was {event}, but not which one: data.id is {external_id!r}",
            operation="parse webhook",
        )
    if event == "deleted":
        erased = tombstones(object_type, external_id, hook_time(payload), has_hub_locations=has_hub_locations)
        return WebhookResult(records=tuple(erased))
    if KINDS[object_type] is EntityKind.HUB:
        return WebhookResult(fetch=(of_location(external_id),) if has_hub_locations else ())
    return WebhookResult(fetch=(SourceRef(kind=KINDS[object_type], external_id=external_id),))


def _object_type(payload: dict[str, object]) -> str:
    """`dcim.device`; before version 4.4 only `device`, in a field of another name."""
    named = payload.get("object_type")
    if isinstance(named, str):
        return named
    model = payload.get("model")
    return f"dcim.{model}" if isinstance(model, str) else ""
