"""Acme Desk, a made-up system with every capability."""

from connector_acme.adapter import Acme

__all__ = ["Acme"]
