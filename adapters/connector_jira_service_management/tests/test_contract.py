from connector.sdk.testing.suite import AdapterContract
from connector_jira_service_management.contract import CONTRACT


class TestJiraServiceManagement(AdapterContract):
    contract = CONTRACT
