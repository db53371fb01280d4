"""SANDBOX of Karrio: a small server that speaks its REST interface with its traps, for tests and the demo.

Its carriers exist nowhere and its parcels go nowhere. It is not Karrio and no courier.
"""

from connector_karrio.sandbox.office import DEMO_JOURNEY, Leg, Office
from connector_karrio.sandbox.system import KarrioSandbox

__all__ = ["DEMO_JOURNEY", "KarrioSandbox", "Leg", "Office"]
