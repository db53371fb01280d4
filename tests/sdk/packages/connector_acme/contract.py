"""The contract of the Acme adapter."""

from pathlib import Path

from connector.sdk.testing import Contract, Golden
from connector_acme.mapping import records_of
from connector_acme.sandbox import AcmeSandbox

CONTRACT = Contract(adapter="acme", sandbox=AcmeSandbox, golden=Golden(Path(__file__).parent / "payloads", records_of))
