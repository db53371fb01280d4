from connector.sdk.testing import AdapterContract
from connector_rest.contract import CONTRACT


class TestRest(AdapterContract):
    contract = CONTRACT
