"""GLPI as a source of places, models, hardware and tickets, and as the place where the hub answers."""

from connector_glpi.adapter import Glpi
from connector_glpi.config import GlpiConfig

__all__ = ["Glpi", "GlpiConfig"]
