"""SANDBOX: a small imitation of DHL for tests. It carries nothing.

`DhlSandbox` is what tests start; `office` holds what it knows, `server` speaks HTTP.
"""

from connector_dhl.sandbox.system import DhlSandbox

__all__ = ["DhlSandbox"]
