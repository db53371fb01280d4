"""Settings of a PagerDuty source, and what its words mean by default."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, HttpUrl, SecretStr

from connector.sdk import HttpConfig, Priority, ProductKey, TicketState, TicketType

ACCEPT = "application/vnd.pagerduty+json;version=2"
"""The versioning header of PagerDuty's REST API."""

PRIORITIES: dict[str, Priority] = {
    "P1": Priority.P1, "P2": Priority.P2, "P3": Priority.P3, "P4": Priority.P4, "P5": Priority.P5,
    "SEV-1": Priority.P1, "SEV-2": Priority.P2, "SEV-3": Priority.P3, "SEV-4": Priority.P4, "SEV-5": Priority.P5,
}  # fmt: skip
"""The names in the two schemes that PagerDuty offers to begin with."""

URGENCIES: dict[str, Priority] = {"high": Priority.P2, "low": Priority.P4}

STATES: dict[str, TicketState] = {
    "triggered": TicketState.NEW,
    "acknowledged": TicketState.IN_PROGRESS,
    "resolved": TicketState.RESOLVED,
}

STATUSES: dict[TicketState, str] = {
    TicketState.NEW: "triggered",
    TicketState.IN_PROGRESS: "acknowledged",
    TicketState.ON_HOLD: "acknowledged",
    TicketState.RESOLVED: "resolved",
    TicketState.CLOSED: "resolved",
    TicketState.CANCELLED: "resolved",
}


class PagerDutyConfig(HttpConfig):
    """Settings below `[sources.NAME]` with `adapter = "pagerduty"`."""

    base_url: HttpUrl = Field(
        default=HttpUrl("https://api.pagerduty.com"),
        description="Address of the API; accounts of the European service region have one of their own.",
        examples=["https://api.eu.pagerduty.com"],
    )
    api_key: SecretStr = Field(
        min_length=1, description="REST API key of the account or of a user.", examples=[{"env": "PAGERDUTY_API_KEY"}]
    )
    from_email: str | None = Field(
        default=None,
        pattern=r"^[^@\s]+@[^@\s]+$",
        description="Address of the user in whose name the hub writes; without it the source is only read.",
        examples=["connector@example.com"],
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="Secret of the webhook subscription; without it no webhook is accepted.",
        examples=[{"env": "PAGERDUTY_WEBHOOK_SECRET"}],
    )
    services: tuple[str, ...] = Field(
        default=(), description="Services, by id, whose incidents are read; empty means all.", examples=[["PIJ90N7"]]
    )
    teams: tuple[str, ...] = Field(
        default=(), description="Teams, by id, whose incidents are read; empty means all.", examples=[["PQ9K7I8"]]
    )
    history: timedelta = Field(
        default=timedelta(days=365),
        gt=timedelta(0),
        description="How far back the first pull reads resolved incidents; open ones are read whatever their age.",
        examples=["P365D"],
    )
    page_size: int = Field(default=100, ge=2, le=100, description="Rows of a list per request.", examples=[100])
    read_details: bool = Field(
        default=True,
        description="Ask for custom fields and body of each incident, a request each; lists do not have them.",
        examples=[False],
    )
    asset_tag_field: str | None = Field(
        default="asset_tag", description="Field with the device's asset tag.", examples=["asset_tag"]
    )
    serial_field: str | None = Field(
        default="serial_number", description="Field with the device's serial number.", examples=["serial_number"]
    )
    hostname_field: str | None = Field(
        default="hostname", description="Field with the device's name.", examples=["host"]
    )
    site_field: str | None = Field(
        default="site", description="Field with the name of the place.", examples=["location"]
    )
    category_field: str | None = Field(
        default="category",
        description="Field with the category; where it is empty, the service's name is the category.",
        examples=["class"],
    )
    quantity_field: str | None = Field(
        default="quantity", description="Field with the number of units that are needed.", examples=["quantity"]
    )
    manufacturer_field: str | None = Field(
        default="manufacturer", description="Field with the maker of the product.", examples=["vendor"]
    )
    model_field: str | None = Field(
        default="model", description="Field with the model of the product.", examples=["model"]
    )
    part_number_field: str | None = Field(
        default="part_number", description="Field with the part number of the product.", examples=["part_number"]
    )
    service_sites: dict[str, str] = Field(
        default_factory=dict,
        description="Service, by id or name -> name of the site that it watches, where no field names one.",
        examples=[{"Hamburg network": "Hamburg"}],
    )
    service_products: dict[str, ProductKey] = Field(
        default_factory=dict,
        description="Service, by id or name -> product that it watches, where no field names one.",
        examples=[{"PIJ90N7": {"manufacturer": "Cisco", "model": "C9300-48P"}}],
    )
    priorities: dict[str, Priority] = Field(
        default_factory=lambda: dict(PRIORITIES),
        description="Name of a priority of the account -> priority.",
        examples=[{"Critical": "P1", "High": "P2"}],
    )
    urgencies: dict[str, Priority] = Field(
        default_factory=lambda: dict(URGENCIES),
        description="Urgency -> priority of an incident that has none; one that is left out means no priority.",
        examples=[{"high": "P2", "low": "P4"}],
    )
    states: dict[str, TicketState] = Field(
        default_factory=dict,
        description="Status -> state, beside the three that there are.",
        examples=[{"acknowledged": "on_hold"}],
    )
    statuses: dict[TicketState, str] = Field(
        default_factory=dict,
        description="State -> status that is written for it, where it is not the usual one.",
        examples=[{"on_hold": "triggered"}],
    )
    types: dict[str, TicketType] = Field(
        default_factory=dict,
        description="Name of an incident type -> type of its tickets; every other one is an incident.",
        examples=[{"service_request": "request"}],
    )

    def headers(self) -> dict[str, str]:
        """The key, the version of the API, and that JSON is sent."""
        return {
            "Authorization": f"Token token={self.api_key.get_secret_value()}",
            "Accept": ACCEPT,
            "Content-Type": "application/json",
        }

    def state_of(self, status: str) -> TicketState | None:
        """What a status means; None when nobody said."""
        return (STATES | self.states).get(status)

    def status_for(self, state: TicketState) -> str:
        """The status that is written for a state."""
        return (STATUSES | self.statuses)[state]
