from connector.sdk.testing.suite import AdapterContract
from connector_snipe_it.contract import CONTRACT


class TestSnipeIt(AdapterContract):
    contract = CONTRACT
