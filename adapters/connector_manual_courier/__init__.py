"""A courier without a vendor: the customer's own van, an engineer's car, a messenger. Tariff and set-up: README.md."""

from connector_manual_courier.adapter import ManualCourier
from connector_manual_courier.config import ManualCourierConfig, Service

__all__ = ["ManualCourier", "ManualCourierConfig", "Service"]
