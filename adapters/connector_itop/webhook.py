"""Webhooks of iTop's extension: whether they are ours, and which device, model or ticket they are about. Pure.

The extension signs nothing. Headers are the administrator's own; of these its log hides `Authorization` alone, so that
is where the secret is. Source: github.com/Combodo/combodo-webhook-integration, 1.4.6.
"""

from __future__ import annotations

from pydantic import SecretStr

from connector.sdk import EntityKind, Invalid, SourceRef, WebhookRequest, WebhookResult, require_json, require_secret
from connector.sdk.answers import webhook_secret
from connector_itop.config import ItopConfig
from connector_itop.mapping import number_of, ref_of

SECRET_HEADER = "Authorization"  # noqa: S105 - the name of a header
SCHEME = "Bearer "


def verify(request: WebhookRequest, secret: SecretStr | None) -> None:
    """The secret of the settings. Raises AuthError."""
    hint = f"Set webhook_secret to what the action's headers have as {SECRET_HEADER}: {SCHEME}..."
    require_secret(request, header=SECRET_HEADER, secret=SCHEME + webhook_secret(secret, hint=hint))


def parse(request: WebhookRequest, config: ItopConfig) -> WebhookResult:
    """What to read again. A class that is not read here is none of ours, nor is a body without class and id.

    Raises Invalid for an id that is none.
    """
    body = require_json(request)
    if not isinstance(body, dict):
        raise Invalid("the webhook is no JSON object", operation="parse webhook", fields={"/": "no object"})
    if "class" not in body or "id" not in body:
        return WebhookResult()
    kind = _kind_of(str(body["class"]), config)
    return WebhookResult() if kind is None else WebhookResult(fetch=(_named(kind, body["id"]),))


def _kind_of(name: str, config: ItopConfig) -> EntityKind | None:
    """What a class is here. A placeholder that iTop did not fill is said."""
    if name.startswith("$"):
        raise Invalid(
            f"the webhook's class is {name!r:.80}, which iTop did not fill in", operation="parse webhook",
            fields={"/class": "a placeholder"}, hint="Put $this->finalclass$ there in the action's payload.",
        )  # fmt: skip
    if "itsm" in config.roles and name in config.ticket_classes:
        return EntityKind.TICKET
    if "cmdb" in config.roles and name in config.device_classes:
        return EntityKind.ASSET
    return EntityKind.PRODUCT if "cmdb" in config.roles and name == "Model" else None


def _named(kind: EntityKind, told: object) -> SourceRef:
    is_text = isinstance(told, str | int) and not isinstance(told, bool)
    number = number_of(SourceRef(kind=kind, external_id=str(told))) if is_text and 0 < len(str(told)) < 256 else None
    if not number:
        raise Invalid(
            f"the webhook's id is {told!r:.80}, which is none", operation="parse webhook", fields={"/id": "no id"},
            hint="Put $this->id$ there in the action's payload.",
        )  # fmt: skip
    return ref_of(kind, number)
