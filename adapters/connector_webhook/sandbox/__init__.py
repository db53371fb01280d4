"""SANDBOX: Acme Desk, a made-up system that posts signed CloudEvents and takes those of the hub."""

from connector_webhook.sandbox.system import AcmeDeskSandbox

__all__ = ["AcmeDeskSandbox"]
