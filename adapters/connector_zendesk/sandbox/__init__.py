"""SANDBOX of Zendesk: a small server that speaks version 2 of its Ticketing API and signs webhooks, for tests.

It holds made-up tickets only. It is not Zendesk.
"""

from connector_zendesk.sandbox.account import Account
from connector_zendesk.sandbox.system import ZendeskSandbox

__all__ = ["Account", "ZendeskSandbox"]
