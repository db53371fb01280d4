"""ServiceNow: places, models, hardware and tickets of one instance, and what the hub writes back to it."""

from connector_servicenow.adapter import ServiceNow
from connector_servicenow.config import ServiceNowConfig

__all__ = ["ServiceNow", "ServiceNowConfig"]
