"""Adapter file."""
