"""EasyPost: offers, labels, pickups and tracking of many couriers. API version and set-up: README.md."""

from connector_easypost.adapter import EasyPost
from connector_easypost.config import EasyPostConfig
from connector_easypost.pickups import CancelPickup, SchedulePickup

__all__ = ["CancelPickup", "EasyPost", "EasyPostConfig", "SchedulePickup"]
