"""Settings of a GLPI source."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from connector.sdk import AssetState, Priority, TicketState, TimeZone
from connector.sdk.rest import SwapsConfig, country_code
from connector_glpi.words import (
    DEVICE_TYPES,
    PRIORITIES,
    STATES,
    TICKET_STATES,
    WRITTEN_STATES,
    DeviceType,
    Role,
)

Number = Annotated[str, Field(pattern=r"^\d+$")]
"""A number of GLPI's, as the key of a table."""


class GlpiConfig(SwapsConfig):
    """Settings below `[sources.NAME]` with `adapter = "glpi"`."""

    default_states: ClassVar[dict[str, AssetState]] = STATES

    api: Literal["v1", "v2"] = Field(
        default="v1",
        description="Which of GLPI's interfaces is used: `v1` is apirest.php, `v2` the high-level API of GLPI 11.",
        examples=["v2"],
    )
    api_version: str = Field(
        default="2",
        pattern=r"^2(\.\d+){0,2}$",
        description="Version of the high-level API; `2` is the latest that GLPI has.",
        examples=["2.1"],
    )
    client_id: str | None = Field(
        default=None, min_length=1, description="OAuth client, for `v2`.", examples=["9b3a1d2f4e6c8a0b"]
    )
    client_secret: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="Secret of that client.",
        examples=[{"env": "GLPI_CLIENT_SECRET"}],
    )
    app_token: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="Application token of the API client, where GLPI wants one.",
        examples=[{"env": "GLPI_APP_TOKEN"}],
    )
    user_token: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="API token of the hub's own user (remote access key).",
        examples=[{"env": "GLPI_USER_TOKEN"}],
    )
    username: str | None = Field(
        default=None,
        min_length=1,
        description="Login, in place of `user_token`; `v2` wants one.",
        examples=["connector"],
    )
    password: SecretStr | None = Field(
        default=None, min_length=1, description="Password of that login.", examples=[{"env": "GLPI_PASSWORD"}]
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="Secret of GLPI's webhooks; without it none is accepted.",
        examples=[{"env": "GLPI_WEBHOOK_SECRET"}],
    )
    profile: int | None = Field(
        default=None, gt=0, description="Id of the profile to act as; else the user's default one.", examples=[6]
    )
    entity: int | None = Field(
        default=None,
        ge=0,
        description="Id of the entity that is read, with all below; else what the user sees by default.",
        examples=[0],
    )
    time_zone: TimeZone = Field(
        default="UTC",
        description="Time zone in which GLPI tells times to this user: they state none.",
        examples=["Europe/Paris"],
    )
    roles: tuple[Role, ...] = Field(
        default=("cmdb", "itsm"),
        min_length=1,
        description="What GLPI is used for here: places, models and hardware; tickets.",
        examples=[["itsm"]],
    )
    device_types: tuple[DeviceType, ...] = Field(
        default=DEVICE_TYPES,
        min_length=1,
        description="Types of devices that are read.",
        examples=[["NetworkEquipment", "Computer"]],
    )
    page_size: int = Field(default=200, ge=2, le=500, description="Rows per request.", examples=[200])
    hub_locations: tuple[str, ...] = Field(
        default=(),
        description="Locations, by name, whole name or id, that are hubs; what is below one belongs to it.",
        examples=[["Depot Lyon", "France > Depot Paris", "17"]],
    )
    sites: Literal["every", "top"] = Field(
        default="every",
        description="Which other locations are sites: every one, or those without a parent, with all that is below.",
        examples=["top"],
    )
    countries: dict[str, str] = Field(
        default_factory=dict,
        description="Two-letter code by the country of a location, where that is none already.",
        examples=[{"France": "FR"}],
    )
    states: dict[str, AssetState] = Field(
        default_factory=dict,
        description="State of a device by the name, or whole name, of its status, beside and before the defaults.",
        examples=[{"Parc > A reformer": "retired"}],
    )
    in_use_status: str = Field(
        default="In use",
        min_length=1,
        description="Status, by name or whole name, of a device that was put in place of a failed one.",
        examples=["Production"],
    )
    failed_status: str = Field(
        default="Defective",
        min_length=1,
        description="Status of a failed device whose replacement has a record of its own.",
        examples=["In repair"],
    )
    history: timedelta = Field(
        default=timedelta(days=365),
        gt=timedelta(0),
        description="A pull from the beginning reads tickets that changed since so long ago.",
        examples=["P365D"],
    )
    read_people: bool = Field(
        default=True, description="Ask for requester and assignee, a request or two for each ticket.", examples=[False]
    )
    read_items: bool = Field(
        default=True, description="Ask for the devices of each ticket, a request each.", examples=[False]
    )
    read_relations: bool = Field(
        default=True,
        description="Read what devices have to do with each other, whenever one of them has changed.",
        examples=[False],
    )
    read_links: bool = Field(
        default=True, description="Ask for the links of each ticket, two requests each.", examples=[False]
    )
    priorities: dict[Number, Priority] = Field(
        default_factory=dict, description="Priority by GLPI's number, before the defaults.", examples=[{"5": "P2"}]
    )
    ticket_states: dict[Number, TicketState] = Field(
        default_factory=dict,
        description="State of a ticket by GLPI's number, before the defaults.",
        examples=[{"3": "on_hold"}],
    )
    written_states: dict[TicketState, int] = Field(
        default_factory=dict,
        description="GLPI's number that is written for a state, before the defaults.",
        examples=[{"resolved": 6}],
    )

    @model_validator(mode="after")
    def _one_way_to_prove_who_asks(self) -> Self:
        if (self.username is None) is not (self.password is None):
            raise ValueError("username goes with password")
        if (self.client_id is None) is not (self.client_secret is None):
            raise ValueError("client_id goes with client_secret")
        if self.api == "v2":
            if self.client_id is None or self.username is None or self.user_token or self.app_token:
                raise ValueError("v2 wants client_id, client_secret, username and password, and no tokens")
        elif self.client_id is not None or (self.user_token is None) is (self.password is None):
            raise ValueError("v1 wants one of: user_token, username and password; client_id is for v2")
        return self

    @model_validator(mode="after")
    def _countries_are_codes(self) -> Self:
        for name, code in self.countries.items():
            if not re.fullmatch("[A-Z]{2}", code):
                raise ValueError(f"countries: {name!r} is {code!r}, expected two letters such as FR")
        return self

    def headers(self) -> dict[str, str]:
        """The application token, or profile and entity; who asks is proven by a session or token of its own."""
        if self.api == "v2":
            context = {"GLPI-Profile": self.profile, "GLPI-Entity": self.entity}
            chosen = {name: str(number) for name, number in context.items() if number is not None}
            return {"Accept": "application/json", "GLPI-Entity-Recursive": "true", **chosen}
        token = {"App-Token": self.app_token.get_secret_value()} if self.app_token else {}
        return {"Content-Type": "application/json", "Accept": "application/json", **token}

    def token_form(self) -> dict[str, str]:
        """What a token of v2 is asked for with, besides its address."""
        secrets = {"client_secret": self.client_secret, "password": self.password}
        told = {name: secret.get_secret_value() for name, secret in secrets.items() if secret is not None}
        who = {"client_id": self.client_id or "", "username": self.username or ""}
        return {"grant_type": "password", "scope": "api", **who, **told}

    def page_of(self, kind: str, number: Any) -> str:
        """Address of the page that people open."""
        return f"{str(self.base_url).rstrip('/')}/front/{kind.lower()}.form.php?id={number}"

    def priority_of(self, number: int) -> Priority | None:
        """What a priority means; None when nobody said."""
        return (PRIORITIES | self.priorities).get(str(number))

    def state_of(self, number: int) -> TicketState | None:
        """What a ticket's status means; None when nobody said."""
        return (TICKET_STATES | self.ticket_states).get(str(number))

    def written_for(self, state: TicketState) -> int:
        """The status that says a state."""
        return (WRITTEN_STATES | self.written_states)[state]

    def country(self, name: str | None) -> str | None:
        """Two letters for a country; None where nobody knows them."""
        return country_code(name, self.countries)
