"""Backups of a hub's database, taken while it works: made, checked and restored."""
