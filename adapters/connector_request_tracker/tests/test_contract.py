from connector.sdk.testing.suite import AdapterContract
from connector_request_tracker.contract import CONTRACT


class TestRequestTracker(AdapterContract):
    contract = CONTRACT
