"""SANDBOX: a small GLPI in memory, for the contract kit and for trying out."""

from connector_glpi.sandbox.system import GlpiSandbox, GlpiV2Sandbox

__all__ = ["GlpiSandbox", "GlpiV2Sandbox"]
