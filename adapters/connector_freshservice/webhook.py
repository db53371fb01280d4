"""Webhooks of a workflow: whether they are ours, and which ticket or asset they are about. Pure.

The workflow automator signs nothing; what it sends beside the body is a header of one's own.
"""

from __future__ import annotations

import re

from pydantic import SecretStr

from connector.sdk import Invalid, SourceRef, WebhookRequest, WebhookResult, require_json, require_secret
from connector.sdk.answers import webhook_secret
from connector_freshservice.assets import asset_ref
from connector_freshservice.tickets import ticket_ref

SECRET_HEADER = "X-Connector-Secret"  # noqa: S105 - the name of a header
NUMBER = re.compile(r"#?(?:[A-Za-z]{1,10}-)?([0-9]{1,18})")
"""An id, or a number as people read it, such as INC-61."""
KINDS = {"ticket_id": ticket_ref, "asset_id": asset_ref}


def verify(request: WebhookRequest, secret: SecretStr | None) -> None:
    """The secret of the settings. Raises AuthError."""
    hint = f"Set webhook_secret to what the workflow sends in the header {SECRET_HEADER}."
    require_secret(request, header=SECRET_HEADER, secret=webhook_secret(secret, hint=hint))


def parse(request: WebhookRequest) -> WebhookResult:
    """What to read again: what is posted are texts of placeholders. A body of neither kind is none of ours.

    Raises Invalid for an id that is none.
    """
    body = require_json(request)
    if not isinstance(body, dict):
        raise Invalid("the webhook is no JSON object", operation="parse webhook", fields={"/": "no object"})
    return WebhookResult(fetch=tuple(_named(name, body[name]) for name in KINDS if name in body))


def _named(name: str, told: object) -> SourceRef:
    found = NUMBER.fullmatch(str(told).strip()) if isinstance(told, str | int) and not isinstance(told, bool) else None
    if found is None or int(found[1]) == 0:
        raise Invalid(
            f"the webhook's {name} is {told!r:.80}, which is no id", operation="parse webhook",
            fields={f"/{name}": "no id"}, hint="Put {{ticket.id_numeric}} there in the workflow.",
        )  # fmt: skip
    return KINDS[name](int(found[1]))
