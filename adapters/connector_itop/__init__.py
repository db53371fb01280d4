"""Combodo iTop: configuration items and tickets over its REST/JSON services."""

from connector_itop.adapter import Itop
from connector_itop.config import ItopConfig

__all__ = ["Itop", "ItopConfig"]
