"""Settings of a Freshservice source, and what the words of a new Freshservice mean."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import AwareDatetime, Field, PositiveInt, SecretStr, field_validator, model_validator

from connector.sdk import AssetState, Point, Priority, TicketState, TicketType
from connector.sdk.rest import SwapsConfig, country_code

FieldName = Annotated[str, Field(min_length=1, max_length=255)]
"""A custom field of tickets: its name, as the API shows it, or its label."""
Role: TypeAlias = Literal["cmdb", "itsm"]

PRIORITIES: dict[str, Priority] = {"4": Priority.P1, "3": Priority.P2, "2": Priority.P3, "1": Priority.P4}
"""Urgent, high, medium, low."""
TICKET_STATES: dict[str, TicketState] = {
    "2": TicketState.NEW, "3": TicketState.ON_HOLD, "4": TicketState.RESOLVED, "5": TicketState.CLOSED,
}  # fmt: skip
"""Open, pending, resolved, closed. An open ticket that is assigned to somebody is in progress."""
OPEN = "2"
DEFAULT_FIELDS = {"warranty_ends_on": "warranty_expiry_date"}
"""What assets of hardware come with that the hub calls otherwise."""
WRITTEN_STATES: dict[TicketState, str] = {
    TicketState.NEW: OPEN, TicketState.IN_PROGRESS: OPEN, TicketState.ON_HOLD: "3", TicketState.RESOLVED: "4",
    TicketState.CLOSED: "5", TicketState.CANCELLED: "5",
}  # fmt: skip
TYPES: dict[str, TicketType] = {
    "incident": TicketType.INCIDENT, "major incident": TicketType.INCIDENT, "service request": TicketType.REQUEST,
    "request": TicketType.REQUEST, "case": TicketType.REQUEST, "query": TicketType.REQUEST,
    "issue": TicketType.INCIDENT,
}  # fmt: skip
"""In lower case; those behind the first three are of workspaces that are not for IT."""


RelationWord: TypeAlias = Literal["contains", "part_of", "needed_by", "depends_on", "connected_to"]
"""What the primary of a relationship is to its secondary."""
RELATIONS: dict[str, RelationWord] = {
    "Depends On::Used By": "depends_on",
    "Runs on::Runs": "depends_on",
    "Hosted On::Hosts": "depends_on",
    "Virtualized by::Virtualizes": "depends_on",
    "In Rack::Contains": "part_of",
    "Contains::Attached to": "contains",
    "Consists of::Are part of": "contains",
    "Connected to::Connected to": "connected_to",
}
"""Types that come with Freshservice and tell of hardware, each by its downstream and upstream name."""


class FreshserviceConfig(SwapsConfig):
    """Settings below `[sources.NAME]` with `adapter = "freshservice"`."""

    default_states: ClassVar[dict[str, AssetState]] = {
        "in stock": AssetState.IN_STOCK,
        "in transit": AssetState.IN_TRANSIT,
        "in use": AssetState.DEPLOYED,
        "missing": AssetState.LOST,
        "retired": AssetState.RETIRED,
    }

    api_key: SecretStr = Field(
        min_length=1, description="API key of the hub's own agent.", examples=[{"env": "FRESHSERVICE_API_KEY"}]
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="What the workflow sends in the header X-Connector-Secret; without it no webhook is accepted.",
        examples=[{"env": "FRESHSERVICE_WEBHOOK_SECRET"}],
    )
    requests_per_minute: PositiveInt | None = Field(
        default=100,
        description="Requests a minute, at most. Plans allow 100 to 500, for all that use the account together.",
        examples=[400],
    )
    roles: tuple[Role, ...] = Field(
        default=("cmdb", "itsm"),
        min_length=1,
        description="What Freshservice is used for here: locations, products and assets; tickets.",
        examples=[["itsm"]],
    )
    workspaces: tuple[PositiveInt, ...] = Field(
        default=(),
        max_length=5,
        description="Workspaces that are read, by id; empty means the primary one, or all where there are none.",
        examples=[[2, 5]],
    )
    page_size: int = Field(default=100, ge=20, le=100, description="Rows per request.", examples=[100])

    start: AwareDatetime | None = Field(
        default=None,
        description="From when on changed tickets are read by the first pull; empty means all.",
        examples=["2026-01-01T00:00:00Z"],
    )
    associations: Literal["all", "open", "none"] = Field(
        default="open",
        description="Of which tickets the assets and the parent are read, with a request each; open: not yet resolved.",
        examples=["all"],
    )
    groups: tuple[str, ...] = Field(
        default=(), description="Agent groups whose tickets are read, by name or id; empty means all.",
        examples=[["Field Service", "21000123"]],
    )  # fmt: skip
    asset_tag_field: FieldName | None = Field(
        default=None, description="Custom field with the device's asset tag.", examples=["asset_tag"]
    )
    serial_field: FieldName | None = Field(
        default=None, description="Custom field with the device's serial number.", examples=["serial_number"]
    )
    hostname_field: FieldName | None = Field(
        default=None, description="Custom field with the device's name.", examples=["Hostname"]
    )
    site_field: FieldName | None = Field(
        default=None, description="Custom field with the name of the place.", examples=["Site"]
    )
    quantity_field: FieldName | None = Field(
        default=None, description="Custom field with the number of units that are needed.", examples=["quantity"]
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
    department_sites: dict[str, str] = Field(
        default_factory=dict,
        description="Name or id of a department -> site, where `site_field` says nothing.",
        examples=[{"ACME Hamburg": "Hamburg"}],
    )
    priorities: dict[str, Priority] = Field(
        default_factory=dict,
        description="Priority, by name or number, where it is not 4 (urgent) P1, 3 P2, 2 P3, 1 (low) P4.",
        examples=[{"Urgent": "P2"}],
    )
    ticket_states: dict[str, TicketState] = Field(
        default_factory=dict,
        description="State of a ticket by its status, by name or number, beside and before the defaults.",
        examples=[{"Waiting for parts": "on_hold"}],
    )
    written_states: dict[TicketState, str] = Field(
        default_factory=dict,
        description="Status, by name or number, that is written for a state, before the defaults.",
        examples=[{"on_hold": "Waiting for parts"}],
    )
    types: dict[str, TicketType] = Field(
        default_factory=dict,
        description="Type of Freshservice's -> type of ticket; one that nobody names is an incident.",
        examples=[{"Case": "request"}],
    )

    asset_types: tuple[str, ...] = Field(
        default=("Hardware",),
        min_length=1,
        description="Asset types that are read, by name or id, with all that are below.",
        examples=[["Hardware", "Network"]],
    )
    read_relations: bool = Field(
        default=False,
        description="Read what assets have to do with each other: a request for each changed asset where few have "
        "changed, else the list of all relationships of the account.",
        examples=[True],
    )
    relations: dict[str, RelationWord] = Field(
        default_factory=lambda: dict(RELATIONS),
        description="Relationship types that are read, `Downstream::Upstream`, with what the primary is to the "
        "secondary; what is given replaces the defaults.",
        examples=[{"Depends On::Used By": "depends_on", "In Rack::Contains": "part_of"}],
    )
    hub_locations: tuple[str, ...] = Field(
        default=(),
        description="Locations, by name or id, that are hubs; what is below one belongs to it.",
        examples=[["Depot Hamburg", "17"]],
    )
    sites: Literal["every", "top"] = Field(
        default="every",
        description="Which other locations are sites: every one, or those without a parent, with all that is below.",
        examples=["top"],
    )
    points: dict[str, tuple[float, float]] = Field(
        default_factory=dict,
        description="Latitude and longitude by name or id of a location, since Freshservice keeps none.",
        examples=[{"Depot Hamburg": [53.55, 10.0]}],
    )
    countries: dict[str, str] = Field(
        default_factory=dict,
        description="Two-letter code by the country of a location, where that is none already.",
        examples=[{"Germany": "DE"}],
    )
    custom_fields: dict[str, str] = Field(
        default_factory=dict,
        description="Custom field of assets, without the number at its end, by the name that the adapter looks for.",
        examples=[{"revision": "hardware_revision"}],
    )
    states: dict[str, AssetState] = Field(
        default_factory=dict,
        description="State of a device by its asset state, beside and before the defaults.",
        examples=[{"Awaiting collection": "return_pending"}],
    )
    in_use_status: str = Field(
        default="In Use",
        min_length=1,
        description="Asset state that a device gets when it was put in place of a failed one.",
        examples=["In Use"],
    )
    failed_status: str = Field(
        default="Retired",
        min_length=1,
        description="Asset state that a failed device gets whose replacement has a record of its own.",
        examples=["Awaiting collection"],
    )

    @field_validator("points")
    @classmethod
    def _are_on_earth(cls, points: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        for name, position in points.items():
            try:
                Point(*position)
            except ValueError as error:
                raise ValueError(f"position of {name!r}: {error}") from None
        return points

    @field_validator("relations")
    @classmethod
    def _have_two_names(cls, relations: dict[str, RelationWord]) -> dict[str, RelationWord]:
        for name in relations:
            if len([each for each in name.split("::") if each.strip()]) != 2:
                raise ValueError(f"{name!r} is no relationship type: write both its names, Downstream::Upstream")
        return relations

    @model_validator(mode="after")
    def _countries_are_codes(self) -> Self:
        for name, code in self.countries.items():
            if not re.fullmatch("[A-Z]{2}", code):
                raise ValueError(f"countries: {name!r} is {code!r}, expected two letters such as DE")
        return self

    def headers(self) -> dict[str, str]:
        """The key as the name of a login without password, as Freshservice wants it, and that JSON is wanted."""
        login = base64.b64encode(f"{self.api_key.get_secret_value()}:X".encode()).decode()
        return {"Authorization": f"Basic {login}", "Accept": "application/json"}

    def custom_field(self, name: str) -> str:
        """Name over there of the custom field of assets that is called `name` here."""
        return self.custom_fields.get(name, DEFAULT_FIELDS.get(name, name))

    def country(self, name: str | None) -> str | None:
        """Two letters for a country; None where nobody knows them."""
        return country_code(name, self.countries)

    def page_of(self, path: str, number: int | str) -> str:
        """Address of the page that people open."""
        return f"{str(self.base_url).rstrip('/')}/{path}/{number}"

    def names_of_fields(self) -> list[str]:
        """Settings that go by names which only the fields of tickets tell."""
        named: dict[str, Iterable[str]] = {
            "groups": self.groups, "department_sites": self.department_sites, "priorities": self.priorities,
            "ticket_states": self.ticket_states, "written_states": self.written_states.values(),
        }  # fmt: skip
        return [name for name, told in named.items() if any(not each.strip().isdecimal() for each in told)]

    def named_fields(self) -> dict[str, str]:
        """Settings that name custom fields of tickets, with the name."""
        names = {name: getattr(self, name) for name in type(self).model_fields if name.endswith("_field")}
        return {name: value for name, value in names.items() if value is not None}
