from connector.sdk.testing.suite import AdapterContract
from connector_ups.contract import CONTRACT


class TestUps(AdapterContract):
    contract = CONTRACT
