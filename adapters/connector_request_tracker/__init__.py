"""Request Tracker 5: tickets with their custom fields, notes and states. API version and set-up: README.md."""

from connector_request_tracker.adapter import RequestTracker
from connector_request_tracker.config import RequestTrackerConfig

__all__ = ["RequestTracker", "RequestTrackerConfig"]
