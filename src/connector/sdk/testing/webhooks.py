"""Webhooks as sandboxes send them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime

from connector.sdk.webhook import WebhookRequest


def json_webhook(content: object, at: datetime, prove: Callable[[bytes], Mapping[str, str]]) -> WebhookRequest:
    """A webhook with a JSON body that arrives at `at`. prove: the headers, in lower case, that vouch for a body."""
    body = json.dumps(content, separators=(",", ":")).encode()
    return WebhookRequest({"content-type": "application/json", **prove(body)}, body, at)
