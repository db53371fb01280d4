"""SANDBOX: a small imitation of UPS for tests. It carries nothing.

`UpsSandbox` is what tests start; `office` holds what it knows, `server` speaks HTTP.
"""

from connector_ups.sandbox.system import UpsSandbox

__all__ = ["UpsSandbox"]
