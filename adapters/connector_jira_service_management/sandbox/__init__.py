"""SANDBOX of Jira Service Management: a small server that speaks the REST interface with its traps, for tests.

It holds made-up issues only. It is not Jira and serves no customer.
"""

from connector_jira_service_management.sandbox.site import Comment, SandboxIssue, Site
from connector_jira_service_management.sandbox.system import JiraServiceManagementSandbox

__all__ = ["Comment", "JiraServiceManagementSandbox", "SandboxIssue", "Site"]
