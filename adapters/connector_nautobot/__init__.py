"""Adapter for Nautobot 3: sites, hubs, products and assets, by REST, change log and webhooks."""

from connector_nautobot.adapter import Nautobot

__all__ = ["Nautobot"]
