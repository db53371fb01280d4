"""Snipe-IT as a source of places, models and hardware, and as a place where swaps are recorded."""

from connector_snipe_it.adapter import SnipeIt
from connector_snipe_it.config import SnipeItConfig

__all__ = ["SnipeIt", "SnipeItConfig"]
