"""Filling up shelves that are low: what is wanted, from where it comes, and why."""
