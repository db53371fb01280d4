"""SANDBOX of ServiceNow: a small server that speaks the interface with its traps, for tests.

It holds made-up rows only. It is not ServiceNow and serves no customer.
"""

from connector_servicenow.sandbox.instance import Instance
from connector_servicenow.sandbox.server import Server
from connector_servicenow.sandbox.system import ServiceNowSandbox

__all__ = ["Instance", "Server", "ServiceNowSandbox"]
