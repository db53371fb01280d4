"""Webhooks of the business rule in the README: proof of where they come from, and which rows they are about."""

from __future__ import annotations

from datetime import timedelta

from pydantic import SecretStr

from connector.sdk import (
    AuthError,
    Invalid,
    SourceRef,
    WebhookRequest,
    WebhookResult,
    require_hmac,
    require_recent,
)
from connector.sdk.answers import webhook_secret
from connector.sdk.rest import hook_payload, hook_time
from connector_servicenow.config import ServiceNowConfig
from connector_servicenow.mapping import kind_of, tombstone
from connector_servicenow.query import is_sys_id

SIGNATURE = "X-Connector-Signature"
"""Header with the HMAC-SHA256 of the raw body, in Base64 as ServiceNow makes it."""


def verify(request: WebhookRequest, secret: SecretStr | None, *, within: timedelta) -> None:
    """Refuse what the business rule did not send just now. Raises AuthError."""
    hint = "Set webhook_secret to the value of the property `connector.webhook.secret` in ServiceNow."
    known = webhook_secret(secret, hint=hint)
    require_hmac(request, header=SIGNATURE, secret=known, algorithm="sha256", encoding="base64")
    try:
        sent_at = hook_time(hook_payload(request))
    except Invalid as error:
        raise AuthError(
            f"the webhook does not say when it was sent: {error.message}",
            operation="verify webhook",
            hint="Use the business rule of the adapter's README as it is.",
        ) from error
    require_recent(sent_at, request, within=within)


def parse(request: WebhookRequest, config: ServiceNowConfig) -> WebhookResult:
    """The row to read again, or that it was deleted; nothing when its table is not read. Raises Invalid."""
    payload = hook_payload(request)
    table, operation, sys_id = (payload.get(name) for name in ("table", "operation", "sys_id"))
    kind = kind_of(table, config) if isinstance(table, str) else None
    if kind is None or not isinstance(table, str) or operation not in ("insert", "update", "delete"):
        return WebhookResult()
    if not isinstance(sys_id, str) or not is_sys_id(sys_id):
        raise Invalid(
            f"the webhook says {operation} of {table}, but not of which row: sys_id is {sys_id!r}",
            operation="parse webhook",
            fields={"sys_id": "is no sys_id"},
        )
    if operation == "delete":
        erased = tombstone(table, sys_id, hook_time(payload), config)
        return WebhookResult(records=(erased,) if erased else ())
    return WebhookResult(fetch=(SourceRef(kind=kind, external_id=sys_id),))
