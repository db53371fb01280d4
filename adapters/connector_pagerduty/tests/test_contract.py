from connector.sdk.testing.suite import AdapterContract
from connector_pagerduty.contract import CONTRACT


class TestPagerDuty(AdapterContract):
    contract = CONTRACT
