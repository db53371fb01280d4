from connector.sdk.testing import AdapterContract
from connector_netbox.contract import CONTRACT


class TestNetBox(AdapterContract):
    contract = CONTRACT
