"""Zammad: tickets with their links, articles, states and attributes. API version and set-up: README.md."""

from connector_zammad.adapter import Zammad
from connector_zammad.config import ZammadConfig

__all__ = ["Zammad", "ZammadConfig"]
