"""SANDBOX of Zammad: a small server that speaks version 1 of its REST interface and sends its webhooks, for tests.

It holds made-up tickets only. It is not Zammad.
"""

from connector_zammad.sandbox.desk import STATE_TYPES, Desk
from connector_zammad.sandbox.system import ZammadSandbox

__all__ = ["STATE_TYPES", "Desk", "ZammadSandbox"]
