"""Adapter for NetBox 4: sites, hubs, products and assets, by REST, change log and webhooks."""

from connector_netbox.adapter import NetBox

__all__ = ["NetBox"]
