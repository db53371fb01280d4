from connector.sdk.testing.suite import AdapterContract
from connector_dhl.contract import CONTRACT


class TestDhl(AdapterContract):
    contract = CONTRACT
