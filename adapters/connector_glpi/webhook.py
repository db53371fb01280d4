"""Webhooks of GLPI 11: whether they are GLPI's, and what they are about. Pure.

The payload that GLPI makes by itself does not say of which type its item is, so the address says it:
`?itemtype=Ticket`. That is not signed, and need not be: what is named is read again.
"""

from __future__ import annotations

import hmac

from pydantic import Field, SecretStr, StrictInt, ValidationError

from connector.sdk import AuthError, SourceRef, WebhookRequest, WebhookResult, hmac_hex, require_json
from connector.sdk.answers import Theirs, unreadable, unreadable_webhook, webhook_secret
from connector_glpi.config import GlpiConfig
from connector_glpi.mapping import asset_ref
from connector_glpi.tickets import ticket_ref

SIGNATURE, TIMESTAMP = "x-glpi-signature", "x-glpi-timestamp"
ITEMTYPE = "itemtype"


class _Item(Theirs):
    id: StrictInt = Field(gt=0, lt=2**63)


class _Payload(Theirs):
    item: _Item


def verify(request: WebhookRequest, secret: SecretStr | None) -> None:
    """GLPI's signature of body and time. Raises AuthError.

    The time is when the webhook was made; GLPI's queue sends it when its cron comes to it, and tries again: no age is
    refused.
    """
    known = webhook_secret(secret, hint="Set webhook_secret to the secret of the webhook in GLPI.")
    expected = hmac_hex(known, request.body + request.headers.get(TIMESTAMP, "").strip().encode())
    if not known or not hmac.compare_digest(request.headers.get(SIGNATURE, "").strip().encode(), expected.encode()):
        raise AuthError(
            f"the webhook's signature in header {SIGNATURE!r} does not match its body and time",
            operation="verify webhook",
            hint="Check that both sides have the same webhook secret.",
        )


def parse(request: WebhookRequest, config: GlpiConfig) -> WebhookResult:
    """The ticket or device to read again; one of a type that is not read is none of ours. Raises Invalid."""
    body = require_json(request)
    kind = request.query.get(ITEMTYPE, "Ticket")
    is_ours = kind in config.device_types if kind != "Ticket" else "itsm" in config.roles
    if not is_ours or (kind != "Ticket" and "cmdb" not in config.roles):
        return WebhookResult()
    try:
        number = _Payload.model_validate(body).item.id
    except ValidationError as error:
        raise unreadable_webhook(unreadable(error, "webhook")) from None
    found: SourceRef = ticket_ref(number) if kind == "Ticket" else asset_ref(kind, number)
    return WebhookResult(fetch=(found,))
