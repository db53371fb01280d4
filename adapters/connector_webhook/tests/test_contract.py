from connector.sdk.testing.suite import AdapterContract
from connector_webhook.contract import CONTRACT


class TestWebhook(AdapterContract):
    contract = CONTRACT
