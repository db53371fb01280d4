from connector.sdk.testing import AdapterContract
from connector_freshservice.contract import CONTRACT


class TestFreshservice(AdapterContract):
    contract = CONTRACT
