"""Shippo: offers, labels and tracking of many couriers through one account. API version and set-up: README.md."""

from connector.sdk.courier import PickupReceipt
from connector_shippo.adapter import Shippo
from connector_shippo.config import ShippoConfig
from connector_shippo.pickups import SchedulePickup

__all__ = ["PickupReceipt", "SchedulePickup", "Shippo", "ShippoConfig"]
