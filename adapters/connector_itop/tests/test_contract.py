from __future__ import annotations

from connector.sdk.testing.suite import AdapterContract
from connector_itop.contract import CONTRACT


class TestItop(AdapterContract):
    contract = CONTRACT
