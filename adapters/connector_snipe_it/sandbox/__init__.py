"""SANDBOX: a small Snipe-IT in memory, for the contract kit and for trying out."""

from connector_snipe_it.sandbox.system import SnipeItSandbox

__all__ = ["SnipeItSandbox"]
