"""Versions of policies and their activation."""
