"""Settings of a Zammad source, and what the words of a new Zammad mean."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Annotated

from pydantic import Field, SecretStr, model_validator

from connector.sdk import HttpConfig, Priority, TicketState, TicketType

Attribute = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
"""Name of a ticket's attribute, as it stands in *Objects*, in the column "Name"."""

PRIORITIES: dict[str, Priority] = {"1 low": Priority.P4, "2 normal": Priority.P3, "3 high": Priority.P2}

STATES: dict[str, TicketState] = {
    "new": TicketState.NEW,
    "open": TicketState.IN_PROGRESS,
    "pending reminder": TicketState.ON_HOLD,
    "pending action": TicketState.RESOLVED,
    "closed": TicketState.CLOSED,
    "merged": TicketState.CLOSED,
    "removed": TicketState.CANCELLED,
}
"""What the types of states mean, of which each state has one."""

WRITTEN: dict[TicketState, str] = {
    TicketState.NEW: "new",
    TicketState.IN_PROGRESS: "open",
    TicketState.ON_HOLD: "pending reminder",
    TicketState.RESOLVED: "closed",
    TicketState.CLOSED: "closed",
    TicketState.CANCELLED: "closed",
}

TYPES: dict[str, TicketType] = {
    "Incident": TicketType.INCIDENT,
    "Problem": TicketType.PROBLEM,
    "Request for Change": TicketType.CHANGE,
}
"""The options of the attribute `type`, which a new Zammad has and does not show."""


class ZammadConfig(HttpConfig):
    """Settings below `[sources.NAME]` with `adapter = "zammad"`."""

    token: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="Access token of an agent of its own, with the permission ticket.agent.",
        examples=[{"env": "ZAMMAD_TOKEN"}],
    )
    bearer_token: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="OAuth2 access token, in place of `token`. The hub does not renew it.",
        examples=[{"env": "ZAMMAD_BEARER_TOKEN"}],
    )
    username: str | None = Field(
        default=None, min_length=1, description="Login, in place of a token.", examples=["connector@example.com"]
    )
    password: SecretStr | None = Field(
        default=None, min_length=1, description="Password of that login.", examples=[{"env": "ZAMMAD_PASSWORD"}]
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="HMAC SHA1 signature token of the webhook; without it no webhook is accepted.",
        examples=[{"env": "ZAMMAD_WEBHOOK_SECRET"}],
    )
    groups: tuple[str, ...] = Field(
        default=(),
        description="Groups whose tickets are read, by full name; empty means all that the account may read.",
        examples=[["Service Desk", "Service Desk::Hardware"]],
    )
    page_size: int = Field(default=100, ge=1, le=200, description="Tickets per request.", examples=[100])
    read_links: bool = Field(
        default=True, description="Ask for the links of each ticket, a request each.", examples=[False]
    )
    read_descriptions: bool = Field(
        default=True,
        description="Ask for the first article of each ticket, a request each; it is the description.",
        examples=[False],
    )
    asset_tag_field: Attribute | None = Field(
        default="asset_tag", description="Attribute with the device's asset tag.", examples=["asset_tag"]
    )
    serial_field: Attribute | None = Field(
        default="serial_number", description="Attribute with the device's serial number.", examples=["serial"]
    )
    hostname_field: Attribute | None = Field(
        default="hostname", description="Attribute with the device's name.", examples=["host"]
    )
    site_field: Attribute | None = Field(
        default="site", description="Attribute with the name of the place.", examples=["location"]
    )
    category_field: Attribute | None = Field(
        default="category",
        description="Attribute with the category; where it is empty, the group's name is the category.",
        examples=["device_class"],
    )
    quantity_field: Attribute | None = Field(
        default="quantity", description="Attribute with the number of units that are needed.", examples=["quantity"]
    )
    manufacturer_field: Attribute | None = Field(
        default="manufacturer", description="Attribute with the maker of the product.", examples=["vendor"]
    )
    model_field: Attribute | None = Field(
        default="model", description="Attribute with the model of the product.", examples=["model"]
    )
    part_number_field: Attribute | None = Field(
        default="part_number", description="Attribute with the part number of the product.", examples=["sku"]
    )
    sla_field: Attribute = Field(
        default="close_escalation_at",
        description="Attribute with the time by which the ticket is due.",
        examples=["escalation_at"],
    )
    priorities: dict[str, Priority] = Field(
        default_factory=dict,
        description="Name of a priority -> priority, beside 1 low, 2 normal and 3 high.",
        examples=[{"4 disaster": "P1"}],
    )
    states: dict[str, TicketState] = Field(
        default_factory=dict,
        description="Name of a state -> state, where its type does not say it.",
        examples=[{"solved": "resolved"}],
    )
    statuses: dict[TicketState, str] = Field(
        default_factory=dict,
        description="State -> name of the state that is written for it, where it is not the usual one.",
        examples=[{"resolved": "solved"}],
    )
    pending_for: timedelta = Field(
        default=timedelta(days=7),
        gt=timedelta(0),
        description="How long a ticket waits that is written into a state that waits for a time.",
        examples=["P7D"],
    )
    types: dict[str, TicketType] = Field(
        default_factory=dict,
        description="Option of the attribute `type` -> type of ticket; any other one, and none, is an incident.",
        examples=[{"Service Request": "request"}],
    )

    @model_validator(mode="after")
    def _has_one_credential(self) -> ZammadConfig:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together: give both or neither")
        given = [name for name in ("token", "bearer_token", "username") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"give one of token, bearer_token, or username with password; given: {', '.join(given) or 'none'}"
            )
        return self

    def headers(self) -> dict[str, str]:
        """The credentials, and that JSON is wanted."""
        return {"Authorization": self._authorization(), "Accept": "application/json"}

    def _authorization(self) -> str:
        if self.token is not None:
            return f"Token token={self.token.get_secret_value()}"
        if self.bearer_token is not None:
            return f"Bearer {self.bearer_token.get_secret_value()}"
        password = self.password.get_secret_value() if self.password else ""
        return f"Basic {base64.b64encode(f'{self.username}:{password}'.encode()).decode()}"

    def priority_of(self, name: str) -> Priority | None:
        """What a priority means; None when nobody said."""
        return (PRIORITIES | self.priorities).get(name)

    def state_of(self, name: str, state_type: str | None) -> TicketState | None:
        """What a state means; None when neither its name nor its type says it."""
        return self.states.get(name) or STATES.get(state_type or "")

    def status_for(self, state: TicketState) -> str:
        """The name of the state that is written."""
        return (WRITTEN | self.statuses)[state]

    def is_reached(self, state: TicketState, name: str, state_type: str | None) -> bool:
        """Whether a ticket of a state of this name is in the state, as far as it is written."""
        if name == self.status_for(state):
            return True
        return state not in self.statuses and self.state_of(name, state_type) is state

    def type_of(self, option: str | None) -> TicketType:
        """The type of ticket."""
        return (TYPES | self.types).get(option or "", TicketType.INCIDENT)
