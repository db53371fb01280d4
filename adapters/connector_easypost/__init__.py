"""EasyPost: offers, labels, pickups and tracking of many couriers. API version and set-up: README.md."""

from connector.sdk.courier import CancelPickup
from connector_easypost.adapter import EasyPost
from connector_easypost.config import EasyPostConfig
from connector_easypost.pickups import SchedulePickup

__all__ = ["CancelPickup", "EasyPost", "EasyPostConfig", "SchedulePickup"]
