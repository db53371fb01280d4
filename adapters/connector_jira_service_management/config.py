"""Settings of a Jira Service Management source."""

from __future__ import annotations

import base64
from typing import Annotated, TypeVar

from pydantic import Field, HttpUrl, SecretStr

from connector.sdk import HttpConfig, Priority, TicketState, TicketType

FieldId = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
"""Identifier of a field, as the REST interface names it: `customfield_10050`. Names of fields are not unique."""
ProjectKey = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
Named = Annotated[str, Field(min_length=1)]
_T = TypeVar("_T")

PRIORITIES: dict[str, Priority] = {
    "highest": Priority.P1,
    "high": Priority.P2,
    "medium": Priority.P3,
    "low": Priority.P4,
    "lowest": Priority.P5,
}
"""The priorities that every Jira site starts with."""

STATES: dict[str, TicketState] = {
    "waiting for customer": TicketState.ON_HOLD,
    "pending": TicketState.ON_HOLD,
    "on hold": TicketState.ON_HOLD,
    "closed": TicketState.CLOSED,
    "canceled": TicketState.CANCELLED,
    "cancelled": TicketState.CANCELLED,
    "declined": TicketState.CANCELLED,
}
"""Statuses whose category alone would say less than their name."""

CATEGORIES: dict[str, TicketState] = {
    "new": TicketState.NEW,
    "indeterminate": TicketState.IN_PROGRESS,
    "done": TicketState.RESOLVED,
}
"""What the category of any other status says; `undefined`, the fourth one, says nothing."""

TYPES: dict[str, TicketType] = {
    "incident": TicketType.INCIDENT,
    "service request": TicketType.REQUEST,
    "service request with approvals": TicketType.REQUEST,
    "change": TicketType.CHANGE,
    "problem": TicketType.PROBLEM,
}
"""Issue types of the template for IT service management, without the `[System]` that older ones begin with."""

RESOLUTIONS: dict[TicketState, str] = {
    TicketState.RESOLVED: "Done",
    TicketState.CLOSED: "Done",
    TicketState.CANCELLED: "Won't Do",
}
SYSTEM = "[system] "


class JiraServiceManagementConfig(HttpConfig):
    """Settings below `[sources.NAME]` with `adapter = "jira_service_management"`."""

    email: str = Field(
        min_length=3, description="E-mail address of the account that the token is of.", examples=["hub@example.com"]
    )
    api_token: SecretStr = Field(
        description="API token of an account of its own.", examples=[{"env": "JIRA_API_TOKEN"}]
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="Secret of the webhook that Jira signs with; without it no webhook is accepted.",
        examples=[{"env": "JIRA_WEBHOOK_SECRET"}],
    )
    site_url: HttpUrl | None = Field(
        default=None,
        description="Address of the site for people, where base_url is the one of api.atlassian.com.",
        examples=["https://example.atlassian.net"],
    )
    projects: tuple[ProjectKey, ...] = Field(
        min_length=1, description="Keys of the projects whose issues are read.", examples=[["ITSM"]]
    )
    issue_types: tuple[Named, ...] = Field(
        default=(),
        description="Issue types that are read, by name; empty means all of the projects.",
        examples=[["[System] Incident"]],
    )
    page_size: int = Field(default=100, ge=1, le=100, description="Issues per request.", examples=[100])
    asset_tag_field: FieldId | None = Field(
        default=None, description="Field with the device's asset tag.", examples=["customfield_10050"]
    )
    serial_field: FieldId | None = Field(
        default=None, description="Field with the device's serial number.", examples=["customfield_10051"]
    )
    hostname_field: FieldId | None = Field(
        default=None, description="Field with the device's name.", examples=["customfield_10052"]
    )
    site_field: FieldId | None = Field(
        default=None, description="Field with the name of the place.", examples=["customfield_10053"]
    )
    manufacturer_field: FieldId | None = Field(
        default=None, description="Field with the maker of the product.", examples=["customfield_10054"]
    )
    model_field: FieldId | None = Field(
        default=None, description="Field with the product's model.", examples=["customfield_10055"]
    )
    part_number_field: FieldId | None = Field(
        default=None, description="Field with the product's part number.", examples=["customfield_10056"]
    )
    quantity_field: FieldId | None = Field(
        default=None, description="Field with the number of units that are needed.", examples=["customfield_10057"]
    )
    category_field: FieldId | None = Field(
        default=None,
        description="Field with the category, or the request type; where it is empty, the project's name is it.",
        examples=["customfield_10010"],
    )
    sla_field: FieldId | None = Field(
        default=None,
        description="Field of the SLA whose target is when the ticket is due.",
        examples=["customfield_10030"],
    )
    priorities: dict[str, Priority] = Field(
        default_factory=dict,
        description="Name of a priority -> priority, beside Highest to Lowest.",
        examples=[{"Blocker": "P1"}],
    )
    states: dict[str, TicketState] = Field(
        default_factory=dict,
        description="Name of a status -> state, where its category does not say it.",
        examples=[{"Awaiting parts": "on_hold"}],
    )
    statuses: dict[TicketState, str] = Field(
        default_factory=dict,
        description="State -> status that is written for it; otherwise the first one that means it and can be reached.",
        examples=[{"on_hold": "Awaiting parts"}],
    )
    resolutions: dict[TicketState, str] = Field(
        default_factory=dict,
        description="State -> resolution that is written with it, where the transition asks for one.",
        examples=[{"resolved": "Fixed"}],
    )
    types: dict[str, TicketType] = Field(
        default_factory=dict,
        description="Issue type -> type of ticket, beside those of the template; every other one is an incident.",
        examples=[{"Hardware return": "rma"}],
    )
    duplicate_links: tuple[Named, ...] = Field(
        default=("duplicates",),
        description="What a link says from the issue that is a duplicate.",
        examples=[["duplicates"]],
    )
    parent_links: tuple[Named, ...] = Field(
        default=("is caused by",),
        description="What a link says to an issue that is the ticket's parent, where it has none of its own.",
        examples=[["is caused by"]],
    )

    def headers(self) -> dict[str, str]:
        """The account and its token, and that JSON is wanted."""
        pair = f"{self.email}:{self.api_token.get_secret_value()}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}", "Accept": "application/json"}

    def state_of(self, status: str, category: str | None) -> TicketState | None:
        """What a status means; None when neither its name nor its category says it."""
        known = STATES | _folded(self.states)
        return known.get(status.casefold()) or CATEGORIES.get(category or "")

    def is_reached(self, state: TicketState, status: str, category: str | None) -> bool:
        """Whether an issue in this status is in the state, as far as we write it."""
        if state in self.statuses:
            return status.casefold() == self.statuses[state].casefold()
        return self.state_of(status, category) is state

    def priority_of(self, name: str) -> Priority | None:
        """What a priority means; None when nobody said."""
        return (PRIORITIES | _folded(self.priorities)).get(name.casefold())

    def type_of(self, issue_type: str) -> TicketType:
        """The type of ticket that an issue type is."""
        own = _folded(self.types).get(issue_type.casefold())
        return own or TYPES.get(issue_type.casefold().removeprefix(SYSTEM), TicketType.INCIDENT)

    def resolution_for(self, state: TicketState) -> str | None:
        """The resolution that goes with a state."""
        return (RESOLUTIONS | self.resolutions).get(state)

    def is_read(self, project: str, issue_type: str) -> bool:
        """Whether an issue is one of those that this source reads."""
        kinds = {name.casefold() for name in self.issue_types}
        return project in self.projects and (not kinds or issue_type.casefold() in kinds)


def _folded(table: dict[str, _T]) -> dict[str, _T]:
    return {name.casefold(): value for name, value in table.items()}
