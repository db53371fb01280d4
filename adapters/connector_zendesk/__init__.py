"""Zendesk Support: tickets with their people, links, statuses and custom fields. API version and set-up: README.md."""

from connector_zendesk.adapter import Zendesk
from connector_zendesk.config import ZendeskConfig

__all__ = ["Zendesk", "ZendeskConfig"]
