from connector.sdk.testing.suite import AdapterContract
from connector_easypost.contract import CONTRACT


class TestEasyPost(AdapterContract):
    contract = CONTRACT
