from connector.sdk.testing.suite import AdapterContract
from connector_zammad.contract import CONTRACT


class TestZammad(AdapterContract):
    contract = CONTRACT
