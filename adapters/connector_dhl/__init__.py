"""DHL: Express by MyDHL API, and tracking of all of DHL's parcels. API versions and set-up: README.md."""

from connector.sdk.courier import CancelPickup, PickupReceipt
from connector_dhl.adapter import Dhl
from connector_dhl.config import DhlConfig
from connector_dhl.pickups import SchedulePickup

__all__ = ["CancelPickup", "Dhl", "DhlConfig", "PickupReceipt", "SchedulePickup"]
