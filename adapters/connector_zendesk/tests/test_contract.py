from connector.sdk.testing import AdapterContract
from connector_zendesk.contract import CONTRACT


class TestZendesk(AdapterContract):
    contract = CONTRACT
