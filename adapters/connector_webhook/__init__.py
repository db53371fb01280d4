"""Any system that posts signed events, described by a document instead of code. The document's fields: README.md."""

from connector_webhook.adapter import Webhook
from connector_webhook.config import WebhookConfig

__all__ = ["Webhook", "WebhookConfig"]
