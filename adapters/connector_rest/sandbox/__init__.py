"""Depot Desk, a small system with a list for every kind of record and a different way of paging for each."""

from connector_rest.sandbox.system import DepotDeskSandbox

__all__ = ["DepotDeskSandbox"]
