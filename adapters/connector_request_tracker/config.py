"""Settings of a Request Tracker source."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, TypeAlias

from pydantic import Field, SecretStr, field_validator, model_validator

from connector.sdk import AssetState, HttpConfig, Priority, ProcurementState, TicketState, TicketType
from connector.sdk.rest import Points
from connector.sdk.rest.config import OUT_OF_USE, SwapsConfig

STATES: dict[str, TicketState] = {
    "new": TicketState.NEW,
    "open": TicketState.IN_PROGRESS,
    "stalled": TicketState.ON_HOLD,
    "resolved": TicketState.RESOLVED,
    "rejected": TicketState.CANCELLED,
}
"""Statuses of Request Tracker's default lifecycle; `deleted` is no state but the end of the ticket."""

STATUSES: dict[TicketState, str] = {
    TicketState.NEW: "new",
    TicketState.IN_PROGRESS: "open",
    TicketState.ON_HOLD: "stalled",
    TicketState.RESOLVED: "resolved",
    TicketState.CLOSED: "resolved",
    TicketState.CANCELLED: "rejected",
}
"""The same the other way; the default lifecycle knows nothing beyond `resolved`."""

ORDER_STATES: dict[str, ProcurementState] = {
    "new": ProcurementState.ORDERED,
    "open": ProcurementState.CONFIRMED,
    "stalled": ProcurementState.CONFIRMED,
    "resolved": ProcurementState.RECEIVED,
    "rejected": ProcurementState.REFUSED,
}
"""What the statuses of the default lifecycle say of an order; with a tracking number it was sent."""

ASSET_STATES: dict[str, AssetState] = {
    "new": AssetState.IN_STOCK,
    "allocated": AssetState.RESERVED,
    "in-use": AssetState.DEPLOYED,
    "recycled": AssetState.DISPOSED,
    "stolen": AssetState.LOST,
}
"""Statuses of the default lifecycle of assets; `deleted` is the end of the asset."""

OrderDatum: TypeAlias = Literal["product", "part_number", "quantity", "serial", "ticket"]
"""What an order may say in custom fields."""

ORDER_FIELDS: dict[OrderDatum, str] = {"part_number": "Part Number", "serial": "Serial Number"}

PRIORITY_FLOORS: dict[Priority, int] = {
    Priority.P1: 80,
    Priority.P2: 60,
    Priority.P3: 40,
    Priority.P4: 20,
    Priority.P5: 1,
}


class RequestTrackerConfig(HttpConfig):
    """Settings below `[sources.NAME]` with `adapter = "request_tracker"`."""

    timeout: timedelta = Field(
        default=timedelta(seconds=60),
        description="Longest wait for one answer; a page of 100 tickets took 5 s on a small server.",
        examples=["PT60S"],
    )
    token: SecretStr = Field(
        description="Authentication token of a user of its own, whose time zone is UTC.",
        examples=[{"env": "RT_TOKEN"}],
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="Secret of the scrip that posts webhooks; without it no webhook is accepted.",
        examples=[{"env": "RT_WEBHOOK_SECRET"}],
    )
    queues: tuple[str, ...] = Field(
        default=(),
        description="Queues whose tickets are read; empty means all that the token's user sees.",
        examples=[["Hardware"]],
    )
    page_size: int = Field(
        default=100, ge=1, le=100, description="Tickets per request; the server never sends more.", examples=[100]
    )
    asset_tag_field: str | None = Field(
        default="Asset Tag", description="Custom field with the device's asset tag.", examples=["Asset Tag"]
    )
    serial_field: str | None = Field(
        default="Serial Number", description="Custom field with the device's serial number.", examples=["Serial Number"]
    )
    hostname_field: str | None = Field(
        default="Hostname", description="Custom field with the device's name.", examples=["Hostname"]
    )
    site_field: str | None = Field(
        default="Site", description="Custom field with the name of the place.", examples=["Location"]
    )
    category_field: str | None = Field(
        default="Category",
        description="Custom field with the category; where it is empty, the queue's name is the category.",
        examples=["Category"],
    )
    duplicate_field: str | None = Field(
        default="Duplicate Of",
        description="Custom field with the number of the ticket that this one is a duplicate of.",
        examples=["Duplicate Of"],
    )
    quantity_field: str | None = Field(
        default="Quantity", description="Custom field with the number of units that are needed.", examples=["Quantity"]
    )
    priority_field: str | None = Field(
        default="Hub Priority", description="Custom field that decides the priority.", examples=["Hub Priority"]
    )
    priorities: dict[str, Priority] = Field(
        default_factory=lambda: {priority.value: priority for priority in Priority},
        description="Value of the priority field -> priority.",
        examples=[{"Critical": "P1", "High": "P2"}],
    )
    priority_floors: dict[Priority, int] = Field(
        default_factory=lambda: dict(PRIORITY_FLOORS),
        description="Lowest number in the ticket's own Priority that still means it, where the field is empty.",
        examples=[{"P1": 80, "P2": 60, "P3": 40, "P4": 20, "P5": 1}],
    )
    states: dict[str, TicketState] = Field(
        default_factory=dict,
        description="Status of a lifecycle of your own -> state, beside the default lifecycle's.",
        examples=[{"waiting for vendor": "on_hold"}],
    )
    statuses: dict[TicketState, str] = Field(
        default_factory=dict,
        description="State -> status that is written for it, where it is not the default lifecycle's.",
        examples=[{"closed": "closed"}],
    )
    types: dict[str, TicketType] = Field(
        default_factory=dict,
        description="Queue -> type of its tickets; every other ticket is an incident.",
        examples=[{"Service requests": "request"}],
    )

    catalogs: tuple[str, ...] = Field(
        default=(),
        description="Catalogs whose assets are read as devices; without any no assets are read.",
        examples=[["General assets"]],
    )
    asset_states: dict[str, AssetState] = Field(
        default_factory=dict,
        description="Status of an asset in a lifecycle of your own -> state, beside the default lifecycle's.",
        examples=[{"on loan": "deployed"}],
    )
    manufacturer_field: str | None = Field(
        default="Manufacturer", description="Custom field of an asset with its maker.", examples=["Vendor"]
    )
    model_field: str | None = Field(
        default="Model", description="Custom field of an asset with the maker's name of the model.", examples=["Type"]
    )
    part_number_field: str | None = Field(
        default="Part Number", description="Custom field of an asset with the part number.", examples=["SKU"]
    )
    places: Points = Field(
        default_factory=dict,
        description="Latitude and longitude of each place that site_field of an asset names; Request Tracker has none.",
        examples=[{"Hamburg": [53.55, 10.0], "Depot Berlin": [52.52, 13.4]}],
    )
    hubs: tuple[str, ...] = Field(
        default=(), description="Those of the places that hold spares.", examples=[["Depot Berlin"]]
    )

    write_back: bool = Field(
        default=False,
        description="Whether swaps are written into assets; the token's user must be allowed to.",
        examples=[True],
    )
    in_use_status: str = Field(
        default="in-use", description="Status that a swap gives the replacement's asset.", examples=["in-use"]
    )
    failed_status: str | None = Field(
        default=None,
        description="Status that a swap gives the failed device's asset; the default lifecycle has none for it.",
        examples=["defective"],
    )

    order_queue: str | None = Field(
        default=None,
        min_length=1,
        description="Queue in which orders are placed, each a ticket; without it the source takes none.",
        examples=["Purchasing"],
    )
    order_fields: dict[OrderDatum, str] = Field(
        default_factory=lambda: dict(ORDER_FIELDS),
        description="What is written into which custom field of an order, beside its text.",
        examples=[{"part_number": "Part Number", "quantity": "Quantity", "serial": "Serial Number"}],
    )
    order_states: dict[str, ProcurementState] = Field(
        default_factory=dict,
        description="Status of an order -> what it says, beside the default lifecycle's.",
        examples=[{"sent": "shipped"}],
    )
    order_carrier_field: str = Field(
        default="Carrier", description="Custom field of an order with the courier's name.", examples=["Carrier"]
    )
    order_tracking_field: str = Field(
        default="Tracking Number",
        description="Custom field of an order with the parcel's number; an order that has one was sent.",
        examples=["Tracking Number"],
    )
    order_serials_field: str = Field(
        default="Delivered Serials",
        description="Custom field of an order with the serials of the units that came.",
        examples=["Delivered Serials"],
    )

    @model_validator(mode="after")
    def _orders_are_no_tickets(self) -> RequestTrackerConfig:
        if self.order_queue in self.queues:
            raise ValueError(
                f"order_queue {self.order_queue!r} is among `queues`: its tickets would be incidents as well"
            )
        return self

    @field_validator("order_states")
    @classmethod
    def _of_suppliers(cls, value: dict[str, ProcurementState]) -> dict[str, ProcurementState]:
        for status, state in value.items():
            if state in (ProcurementState.REQUESTED, ProcurementState.APPROVED):
                raise ValueError(f"{status!r} cannot mean {state.value}: an order that is placed is ordered at least")
        return value

    @model_validator(mode="after")
    def _hubs_are_places(self) -> RequestTrackerConfig:
        known = {name.strip().casefold() for name in self.places}
        for name in self.hubs:
            if name.strip().casefold() not in known:
                raise ValueError(f"hubs names {name!r}, which is not among `places`")
        return self

    @model_validator(mode="after")
    def _statuses_that_swaps_write_say_what_is_meant(self) -> RequestTrackerConfig:
        if not self.write_back:
            return self
        if self.asset_state_of(self.in_use_status) is not AssetState.DEPLOYED:
            raise ValueError(f"in_use_status {self.in_use_status!r} must mean deployed: add it to asset_states")
        if self.failed_status is None or self.asset_state_of(self.failed_status) not in OUT_OF_USE:
            meant = ", ".join(sorted(state.value for state in OUT_OF_USE))
            raise ValueError(f"failed_status {self.failed_status!r} must mean one of {meant}: add it to asset_states")
        return self

    def swaps(self) -> SwapsConfig:
        """What writing swaps back goes by."""
        return SwapsConfig(
            base_url=self.base_url,
            states=ASSET_STATES | self.asset_states,
            write_back=self.write_back,
            in_use_status=self.in_use_status,
            failed_status=self.failed_status or "",
        )

    @field_validator("queues", "catalogs")
    @classmethod
    def _named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(name.strip() for name in value):
            raise ValueError("a name is empty")
        return value

    def headers(self) -> dict[str, str]:
        """The token, and that JSON is wanted."""
        return {"Authorization": f"token {self.token.get_secret_value()}", "Accept": "application/json"}

    def state_of(self, status: str) -> TicketState | None:
        """What a status means; None when nobody said."""
        known = STATES | {name.casefold(): state for name, state in self.states.items()}
        return known.get(status.casefold())

    def asset_state_of(self, status: str) -> AssetState | None:
        """What a status says of an asset; None when nobody said."""
        known = ASSET_STATES | {name.casefold(): state for name, state in self.asset_states.items()}
        return known.get(status.casefold())

    def order_state_of(self, status: str) -> ProcurementState | None:
        """What a status says of an order; None when nobody said."""
        known = ORDER_STATES | {name.casefold(): state for name, state in self.order_states.items()}
        return known.get(status.casefold())

    def status_for(self, state: TicketState) -> str:
        """The status that is written for a state."""
        return (STATUSES | self.statuses)[state]
