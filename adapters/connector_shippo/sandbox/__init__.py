"""SANDBOX of Shippo: a small server that speaks its REST interface with its traps, for tests.

Its parcels go nowhere. It is not Shippo and no courier.
"""

from connector_shippo.sandbox.office import Office, Refusal
from connector_shippo.sandbox.system import ShippoSandbox

__all__ = ["Office", "Refusal", "ShippoSandbox"]
