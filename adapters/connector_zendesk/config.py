"""Settings of a Zendesk source, and what the words of a new Zendesk mean."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Annotated

from pydantic import AwareDatetime, Field, SecretStr, model_validator

from connector.sdk import HttpConfig, Priority, TicketState, TicketType

FieldName = Annotated[str, Field(min_length=1, max_length=255)]
"""A custom ticket field: its id, or its title, for which the list of fields is asked for once a pull."""

TOKEN_LASTS = timedelta(minutes=30)
"""What Zendesk gives by default; it tells the end of a token only to whoever asks for one."""

PRIORITIES: dict[str, Priority] = {
    "urgent": Priority.P1, "high": Priority.P2, "normal": Priority.P3, "low": Priority.P4,
}  # fmt: skip

STATES: dict[str, TicketState] = {
    "new": TicketState.NEW,
    "open": TicketState.IN_PROGRESS,
    "pending": TicketState.ON_HOLD,
    "hold": TicketState.ON_HOLD,
    "solved": TicketState.RESOLVED,
    "closed": TicketState.CLOSED,
}
"""What the categories of statuses mean; each custom status belongs to one."""

WRITTEN: dict[TicketState, str] = {
    TicketState.NEW: "new",
    TicketState.IN_PROGRESS: "open",
    TicketState.ON_HOLD: "pending",
    TicketState.RESOLVED: "solved",
    TicketState.CLOSED: "solved",
    TicketState.CANCELLED: "solved",
}
"""A closed ticket cannot be changed any more, so that `closed` is left to Zendesk's own automation."""

TYPES: dict[str, TicketType] = {
    "incident": TicketType.INCIDENT,
    "problem": TicketType.PROBLEM,
    "question": TicketType.REQUEST,
    "task": TicketType.REQUEST,
}


class ZendeskConfig(HttpConfig):
    """Settings below `[sources.NAME]` with `adapter = "zendesk"`."""

    client_id: str | None = Field(
        default=None,
        min_length=1,
        description="Identifier of a confidential OAuth client, for the grant type client credentials.",
        examples=["connector"],
    )
    client_secret: SecretStr | None = Field(
        default=None, min_length=1, description="Secret of that client.", examples=[{"env": "ZENDESK_CLIENT_SECRET"}]
    )
    scope: str = Field(
        default="read write",
        min_length=1,
        description="What is asked for with that client; `read tickets:write` is the least.",
        examples=["read tickets:write"],
    )
    oauth_token: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="OAuth access token for read and write, in place of a client. The hub does not renew it.",
        examples=[{"env": "ZENDESK_OAUTH_TOKEN"}],
    )
    email: str | None = Field(
        default=None, min_length=3, description="Address of the administrator in whose name the hub works.",
        examples=["connector@example.com"],
    )  # fmt: skip
    api_token: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="API token, together with `email`. Zendesk ends all of them on 30 April 2027.",
        examples=[{"env": "ZENDESK_API_TOKEN"}],
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="Signing secret of the webhook; without it no webhook is accepted.",
        examples=[{"env": "ZENDESK_WEBHOOK_SECRET"}],
    )
    webhook_tolerance: timedelta = Field(
        default=timedelta(minutes=5), gt=timedelta(0), description="How old a signed webhook may be.", examples=["PT5M"]
    )
    start: AwareDatetime | None = Field(
        default=None,
        description="From when on changes are read by the first pull; empty means all tickets.",
        examples=["2026-01-01T00:00:00Z"],
    )
    groups: tuple[str, ...] = Field(
        default=(),
        description="Groups whose tickets are read, by name; empty means all.",
        examples=[["Field Service", "Hardware"]],
    )
    page_size: int = Field(default=1000, ge=1, le=1000, description="Tickets per request.", examples=[500])
    asset_tag_field: FieldName | None = Field(
        default=None, description="Custom field with the device's asset tag.", examples=["Asset tag"]
    )
    serial_field: FieldName | None = Field(
        default=None, description="Custom field with the device's serial number.", examples=["360001234567"]
    )
    hostname_field: FieldName | None = Field(
        default=None, description="Custom field with the device's name.", examples=["Hostname"]
    )
    site_field: FieldName | None = Field(
        default=None, description="Custom field with the name of the place.", examples=["Site"]
    )
    category_field: FieldName | None = Field(
        default=None,
        description="Custom field with the category; where it is empty, the group's name is the category.",
        examples=["Device class"],
    )
    quantity_field: FieldName | None = Field(
        default=None, description="Custom field with the number of units that are needed.", examples=["Quantity"]
    )
    manufacturer_field: FieldName | None = Field(
        default=None, description="Custom field with the maker of the product.", examples=["Manufacturer"]
    )
    model_field: FieldName | None = Field(
        default=None, description="Custom field with the model of the product.", examples=["Model"]
    )
    part_number_field: FieldName | None = Field(
        default=None, description="Custom field with the part number of the product.", examples=["Part number"]
    )
    organization_sites: dict[str, str] = Field(
        default_factory=dict,
        description="Name or id of an organization -> site, where `site_field` says nothing.",
        examples=[{"ACME Hamburg": "Hamburg"}],
    )
    organization_is_site: bool = Field(
        default=False,
        description="The organization's name is the site where neither of the above says one.",
        examples=[True],
    )
    sla_metrics: tuple[str, ...] = Field(
        default=("total_resolution_time", "agent_work_time", "requester_wait_time"),
        description="SLA metrics whose breach is when a ticket is due, the first that runs; else its due date.",
        examples=[["next_reply_time"]],
    )
    priorities: dict[str, Priority] = Field(
        default_factory=dict,
        description="Priority of Zendesk's -> priority, where it is not urgent P1, high P2, normal P3, low P4.",
        examples=[{"urgent": "P2"}],
    )
    states: dict[str, TicketState] = Field(
        default_factory=dict,
        description="Status -> state: a category, or a custom status by its name for agents or its id.",
        examples=[{"Waiting for parts": "on_hold"}],
    )
    statuses: dict[TicketState, str] = Field(
        default_factory=dict,
        description="State -> status that is written for it: a category, or a custom status by name or id.",
        examples=[{"on_hold": "Waiting for parts"}],
    )
    types: dict[str, TicketType] = Field(
        default_factory=dict,
        description="Type of Zendesk's -> type of ticket; one that is not set is an incident.",
        examples=[{"task": "change"}],
    )

    @model_validator(mode="after")
    def _has_one_credential(self) -> ZendeskConfig:
        for name, secret in (("client_id", "client_secret"), ("email", "api_token")):
            if (getattr(self, name) is None) != (getattr(self, secret) is None):
                raise ValueError(f"{name} and {secret} go together: give both or neither")
        given = [name for name in ("client_secret", "oauth_token", "api_token") if getattr(self, name) is not None]
        if len(given) != 1:
            told = f"there are {' and '.join(given)}" if given else "there is none"
            raise ValueError(
                f"give one of: client_id with client_secret, oauth_token, or email with api_token; {told}"
            )  # fmt: skip
        return self

    def headers(self) -> dict[str, str]:
        """The token of the settings, and that JSON is wanted; a token that is asked for goes with each request."""
        proof: dict[str, str] = {}
        if self.oauth_token is not None:
            proof = {"Authorization": f"Bearer {self.oauth_token.get_secret_value()}"}
        elif self.api_token is not None:
            pair = f"{self.email}/token:{self.api_token.get_secret_value()}".encode()
            proof = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        return {**proof, "Accept": "application/json"}

    def token_form(self) -> dict[str, str] | None:
        """What a token is asked for with; None where the settings have one."""
        if self.client_id is None or self.client_secret is None:
            return None
        secret = self.client_secret.get_secret_value()
        lasts = str(int(TOKEN_LASTS.total_seconds()))
        return {"client_id": self.client_id, "client_secret": secret, "scope": self.scope, "expires_in": lasts}

    def named_fields(self) -> dict[str, str]:
        """Settings that name custom fields, with the name."""
        names = {name: getattr(self, name) for name in type(self).model_fields if name.endswith("_field")}
        return {name: value for name, value in names.items() if value is not None}

    def named_statuses(self) -> tuple[str, ...]:
        """Custom statuses that the settings name, by name or id."""
        return tuple(name for name in (*self.states, *self.statuses.values()) if name not in STATES)
