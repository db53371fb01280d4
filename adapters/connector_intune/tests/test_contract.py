from connector.sdk.testing.suite import AdapterContract
from connector_intune.contract import CONTRACT


class TestIntune(AdapterContract):
    contract = CONTRACT
