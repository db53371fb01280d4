from connector.sdk.testing import AdapterContract
from connector_nautobot.contract import CONTRACT


class TestNautobot(AdapterContract):
    contract = CONTRACT
