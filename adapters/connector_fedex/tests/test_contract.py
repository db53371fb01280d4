from connector.sdk.testing.suite import AdapterContract
from connector_fedex.contract import CONTRACT


class TestFedEx(AdapterContract):
    contract = CONTRACT
