"""SANDBOX of EasyPost: a small server that speaks its REST interface with its traps, for tests.

Its carriers exist nowhere and its parcels go nowhere. It is not EasyPost and no courier.
"""

from connector_easypost.sandbox.office import Office, Refusal
from connector_easypost.sandbox.system import EasyPostSandbox

__all__ = ["EasyPostSandbox", "Office", "Refusal"]
