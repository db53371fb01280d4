"""Adapter nautobot."""
