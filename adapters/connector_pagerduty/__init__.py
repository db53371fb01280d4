"""PagerDuty: incidents as tickets, notes, states and custom fields. API version and set-up: README.md."""

from connector_pagerduty.adapter import PagerDuty
from connector_pagerduty.config import PagerDutyConfig

__all__ = ["PagerDuty", "PagerDutyConfig"]
