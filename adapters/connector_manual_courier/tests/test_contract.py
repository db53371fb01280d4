from connector.sdk.testing.suite import AdapterContract
from connector_manual_courier.contract import CONTRACT


class TestManualCourier(AdapterContract):
    contract = CONTRACT
