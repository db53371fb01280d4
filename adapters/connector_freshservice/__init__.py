"""Freshservice: tickets, and assets with their types, products and locations. API version and set-up: README.md."""

from connector_freshservice.adapter import Freshservice
from connector_freshservice.config import FreshserviceConfig

__all__ = ["Freshservice", "FreshserviceConfig"]
