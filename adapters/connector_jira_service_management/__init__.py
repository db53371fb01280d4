"""Jira Service Management in the cloud: issues with their links, comments and states. API version: README.md."""

from connector_jira_service_management.adapter import JiraServiceManagement
from connector_jira_service_management.config import JiraServiceManagementConfig

__all__ = ["JiraServiceManagement", "JiraServiceManagementConfig"]
