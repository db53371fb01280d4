"""Settings of an iTop source."""

from __future__ import annotations

import base64
import re
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from connector.sdk import AssetState, Priority, TicketState, TimeZone
from connector.sdk.rest import SwapsConfig
from connector_itop.values import SQL
from connector_itop.words import (
    DEVICE_CLASSES,
    PRIORITIES,
    STATES,
    STIMULUS_FIELDS,
    TICKET_STATES,
    TRANSITIONS,
    WRITTEN_STATES,
    Role,
    StimulusField,
    TicketClass,
)

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""Of a class or an attribute: it becomes part of queries."""


class ItopConfig(SwapsConfig):
    """Settings below `[sources.NAME]` with `adapter = "itop"`."""

    default_states: ClassVar[dict[str, AssetState]] = STATES

    version: Literal["1.3", "1.4"] = Field(
        default="1.3", description="Version of the REST/JSON services that is asked for.", examples=["1.4"]
    )
    login: Literal["form", "basic", "token"] = Field(
        default="form",
        description="How the hub's user proves who asks: `auth_user` and `auth_pwd` in the request's body, the "
        "header Authorization, or the header Auth-Token.",
        examples=["token"],
    )
    username: str | None = Field(
        default=None, min_length=1, description="Login, for `form` and `basic`.", examples=["connector"]
    )
    password: SecretStr | None = Field(
        default=None, min_length=1, description="Password of that login.", examples=[{"env": "ITOP_PASSWORD"}]
    )
    token: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="Personal or application token, for `token`.",
        examples=[{"env": "ITOP_TOKEN"}],
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="What webhook actions send as `Authorization: Bearer ...`; without it no webhook is accepted.",
        examples=[{"env": "ITOP_WEBHOOK_SECRET"}],
    )
    time_zone: TimeZone = Field(
        default="UTC",
        description="Time zone of iTop's server (`timezone` in its configuration): its times state none.",
        examples=["Europe/Paris"],
    )
    datetime_format: str = Field(
        default=SQL,
        description="How iTop shows times, as strptime has it, where `date_and_time_format` of its configuration was "
        "changed: the REST services follow it.",
        examples=["%d/%m/%Y %H:%M:%S"],
    )
    date_format: str = Field(
        default="%Y-%m-%d", description="The same for days, such as the end of a warranty.", examples=["%d/%m/%Y"]
    )
    roles: tuple[Role, ...] = Field(
        default=("cmdb", "itsm"),
        min_length=1,
        description="What iTop is used for here: locations, models and devices; tickets.",
        examples=[["itsm"]],
    )
    device_classes: tuple[Name, ...] = Field(
        default=DEVICE_CLASSES,
        min_length=1,
        description="Classes of devices that are read, below PhysicalDevice; of a class of your own, its own name.",
        examples=[["NetworkDevice", "Server"]],
    )
    organizations: tuple[str, ...] = Field(
        default=(),
        description="Organizations by name whose locations, devices and tickets are read; none means all that the "
        "user sees.",
        examples=[["Acme"]],
    )
    page_size: int = Field(default=200, ge=2, le=500, description="Objects per request.", examples=[200])
    hub_locations: tuple[str, ...] = Field(
        default=(), description="Locations, by name or id, that are hubs.", examples=[["Depot Lyon", "17"]]
    )
    countries: dict[str, str] = Field(
        default_factory=dict,
        description="Two-letter code by the country of a location, where that is none already.",
        examples=[{"France": "FR"}],
    )
    latitude: Name | None = Field(
        default=None,
        description="Attribute of Location with the latitude, where a module adds one; iTop itself has none.",
        examples=["latitude"],
    )
    longitude: Name | None = Field(default=None, description="The same for the longitude.", examples=["longitude"])
    states: dict[str, AssetState] = Field(
        default_factory=dict,
        description="State of a device by the code of its status, beside and before the defaults.",
        examples=[{"repair": "repair", "implementation": "in_transit"}],
    )
    in_use_status: str = Field(
        default="production",
        min_length=1,
        description="Status of a device that was put in place of a failed one.",
        examples=["production"],
    )
    failed_status: str = Field(
        default="obsolete",
        min_length=1,
        description="Status of a failed device whose replacement has a record of its own.",
        examples=["repair"],
    )
    read_contacts: bool = Field(
        default=True,
        description="Ask for the contacts of devices, of whom the first person is the holder.",
        examples=[False],
    )
    read_relations: bool = Field(
        default=True,
        description="Ask what devices are in and are connected to, up to four requests for a page of devices.",
        examples=[False],
    )
    ticket_classes: tuple[TicketClass, ...] = Field(
        default=("UserRequest", "Incident"),
        min_length=1,
        description="Classes of tickets that are read; Incident is there with ITIL's incident management only.",
        examples=[["UserRequest"]],
    )
    history: timedelta = Field(
        default=timedelta(days=365),
        gt=timedelta(0),
        description="A pull from the beginning reads tickets that changed since so long ago.",
        examples=["P365D"],
    )
    site_of_caller: bool = Field(
        default=True,
        description="Whether a ticket's site is the location of its caller: tickets have none of their own.",
        examples=[False],
    )
    priorities: dict[str, Priority] = Field(
        default_factory=dict, description="Priority by iTop's code, before the defaults.", examples=[{"1": "P2"}]
    )
    ticket_states: dict[str, TicketState] = Field(
        default_factory=dict,
        description="State of a ticket by the code of its status, before the defaults.",
        examples=[{"waiting_for_parts": "on_hold"}],
    )
    written_states: dict[TicketState, str] = Field(
        default_factory=dict,
        description="Status that a ticket is led to for a state, before the defaults.",
        examples=[{"on_hold": "waiting_for_parts"}],
    )
    transitions: dict[str, dict[Name, str]] = Field(
        default_factory=dict,
        description="For a status, the stimuli that the hub may apply and the status each leads to; a status that is "
        "named replaces its default.",
        examples=[{"assigned": {"ev_parts": "waiting_for_parts", "ev_resolve": "resolved"}}],
    )
    stimulus_fields: dict[Name, dict[Name, StimulusField]] = Field(
        default_factory=dict,
        description="What is filled in with a stimulus where the ticket has nothing there: a text, an id, or what the "
        "object that is meant looks like.",
        examples=[{"ev_assign": {"team_id": {"name": "Field service"}, "agent_id": {"email": "ada@example.com"}}}],
    )

    @model_validator(mode="after")
    def _one_way_to_prove_who_asks(self) -> Self:
        if self.login == "token":
            if self.token is None or self.username or self.password:
                raise ValueError("login by token wants a token, and neither username nor password")
            return self
        if self.username is None or self.password is None or self.token is not None:
            raise ValueError(f"login by {self.login} wants username and password, and no token")
        if self.login == "basic" and ":" in self.username + self.password.get_secret_value():
            raise ValueError("iTop cuts a basic login at the second colon: use form, or a password without one")
        return self

    @model_validator(mode="after")
    def _values_that_mean_something(self) -> Self:
        for name, code in self.countries.items():
            if not re.fullmatch("[A-Z]{2}", code):
                raise ValueError(f"countries: {name!r} is {code!r}, expected two letters such as FR")
        if (self.latitude is None) is not (self.longitude is None):
            raise ValueError("latitude goes with longitude")
        noon = datetime(2026, 7, 31, 12, 30, 59)  # noqa: DTZ001 - any time
        if datetime.strptime(noon.strftime(self.datetime_format), self.datetime_format) != noon:  # noqa: DTZ007
            raise ValueError(f"datetime_format {self.datetime_format!r} does not tell day, month, year and time")
        if datetime.strptime(noon.strftime(self.date_format), self.date_format).date() != noon.date():  # noqa: DTZ007
            raise ValueError(f"date_format {self.date_format!r} does not tell day, month and year")
        return self

    def headers(self) -> dict[str, str]:
        """Who asks, where that is not in the body."""
        told = {"Accept": "application/json"}
        if self.login == "token" and self.token is not None:
            told["Auth-Token"] = self.token.get_secret_value()
        if self.login == "basic" and self.username is not None and self.password is not None:
            pair = f"{self.username}:{self.password.get_secret_value()}".encode()
            told["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        return told

    def login_form(self) -> dict[str, str]:
        """Who asks, where that is in the body."""
        if self.login != "form" or self.username is None or self.password is None:
            return {}
        return {"auth_user": self.username, "auth_pwd": self.password.get_secret_value()}

    def page_of(self, kind: str, number: int) -> str:
        """Address of the page that people open."""
        return f"{str(self.base_url).rstrip('/')}/pages/UI.php?operation=details&class={kind}&id={number}"

    def priority_of(self, code: str) -> Priority | None:
        """What a priority means; None when nobody said."""
        return (PRIORITIES | self.priorities).get(code)

    def state_of(self, code: str) -> TicketState | None:
        """What a ticket's status means; None when nobody said."""
        return (TICKET_STATES | self.ticket_states).get(code)

    def written_for(self, state: TicketState) -> str:
        """The status that says a state."""
        return (WRITTEN_STATES | self.written_states)[state]

    def ways(self) -> dict[str, dict[str, str]]:
        """Stimuli by status, with the status that each leads to."""
        return TRANSITIONS | self.transitions

    def fields_for(self, stimulus: str) -> dict[str, StimulusField]:
        """What is filled in with a stimulus."""
        return STIMULUS_FIELDS.get(stimulus, {}) | self.stimulus_fields.get(stimulus, {})

    def country(self, name: str | None) -> str | None:
        """Two letters for a country; None where nobody knows them."""
        told = (name or "").strip()
        own = {theirs.casefold(): code for theirs, code in self.countries.items()}
        return own.get(told.casefold()) or (told.upper() if re.fullmatch("[A-Za-z]{2}", told) else None)
