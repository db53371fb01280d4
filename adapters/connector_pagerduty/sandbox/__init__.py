"""SANDBOX of PagerDuty: a small server that speaks REST API 2 and sends webhooks 3, for tests.

It holds made-up incidents only. It is not PagerDuty and pages nobody.
"""

from connector_pagerduty.sandbox.account import Account, FieldDefinition, SandboxIncident
from connector_pagerduty.sandbox.system import PagerDutySandbox

__all__ = ["Account", "FieldDefinition", "PagerDutySandbox", "SandboxIncident"]
