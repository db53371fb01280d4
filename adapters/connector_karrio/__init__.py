"""Karrio: offers, labels and tracking of many couriers through one server. API version and set-up: README.md."""

from connector_karrio.adapter import Karrio
from connector_karrio.config import KarrioConfig

__all__ = ["Karrio", "KarrioConfig"]
