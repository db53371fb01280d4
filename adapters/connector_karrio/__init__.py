"""Adapter karrio."""
