from connector.sdk.testing.suite import AdapterContract
from connector_shippo.contract import CONTRACT


class TestShippo(AdapterContract):
    contract = CONTRACT
