"""SANDBOX: a small Freshservice in memory, for the contract kit and for trying out."""

from connector_freshservice.sandbox.system import FreshserviceSandbox

__all__ = ["FreshserviceSandbox"]
