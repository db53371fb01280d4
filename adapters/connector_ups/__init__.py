"""UPS: offers, labels, tracking, alerts and pickups of one account. API versions and set-up: README.md."""

from connector.sdk.courier import CancelPickup, PickupReceipt
from connector_ups.adapter import Ups
from connector_ups.config import UpsConfig
from connector_ups.pickups import SchedulePickup

__all__ = ["CancelPickup", "PickupReceipt", "SchedulePickup", "Ups", "UpsConfig"]
