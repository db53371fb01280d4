"""SANDBOX: a small tenant of Microsoft Graph in memory, for the contract kit and for trying out."""

from connector_intune.sandbox.system import IntuneSandbox

__all__ = ["IntuneSandbox"]
