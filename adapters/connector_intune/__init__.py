"""Microsoft Intune as a source of devices and of the places of their users, and as a place where swaps are recorded."""

from connector_intune.adapter import Intune
from connector_intune.config import IntuneConfig

__all__ = ["Intune", "IntuneConfig"]
