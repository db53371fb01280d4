from connector.sdk.testing.suite import AdapterContract
from connector_karrio.contract import CONTRACT


class TestKarrio(AdapterContract):
    contract = CONTRACT
