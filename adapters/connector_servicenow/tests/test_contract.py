from connector.sdk.testing.suite import AdapterContract
from connector_servicenow.contract import CONTRACT


class TestServiceNow(AdapterContract):
    contract = CONTRACT
