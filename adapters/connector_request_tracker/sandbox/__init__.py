"""SANDBOX of Request Tracker 5: a small server that speaks REST2 with its traps, for tests and the demo.

It holds made-up tickets only. It is not Request Tracker and serves no customer.
"""

from connector_request_tracker.sandbox.desk import Desk, FieldDefinition, SandboxTicket
from connector_request_tracker.sandbox.system import RequestTrackerSandbox

__all__ = ["Desk", "FieldDefinition", "RequestTrackerSandbox", "SandboxTicket"]
