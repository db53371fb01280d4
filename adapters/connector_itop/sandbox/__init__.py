"""SANDBOX: a small iTop in memory, for the contract kit and for trying out."""

from connector_itop.sandbox.system import ItopSandbox

__all__ = ["ItopSandbox"]
