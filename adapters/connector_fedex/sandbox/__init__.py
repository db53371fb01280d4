"""SANDBOX: a small imitation of FedEx for tests. It carries nothing.

`FedExSandbox` is what tests start; `office` holds what it knows, `server` speaks HTTP.
"""

from connector_fedex.sandbox.system import FedExSandbox

__all__ = ["FedExSandbox"]
