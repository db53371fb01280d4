"""FedEx: offers, labels, tracking and pickups of one account. API version and set-up: README.md."""

from connector.sdk.courier import CancelPickup, PickupReceipt
from connector_fedex.adapter import FedEx
from connector_fedex.config import FedExConfig
from connector_fedex.pickups import SchedulePickup

__all__ = ["CancelPickup", "FedEx", "FedExConfig", "PickupReceipt", "SchedulePickup"]
