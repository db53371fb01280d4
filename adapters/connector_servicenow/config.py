"""Settings of a ServiceNow source."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from connector.sdk import AssetState, Priority, TicketState
from connector.sdk.rest import DevicesConfig
from connector_servicenow.words import (
    ASSET_STATES,
    CI_STATES,
    PRIORITIES,
    RELATIONS,
    STATE_FIELDS,
    TICKET_STATES,
    WRITTEN_STATES,
    DeviceTable,
    RelationWord,
    TicketFact,
    TicketTable,
)

Column = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$")]
"""A column, or one of a record that is referred to: `u_device.serial_number`."""
TableName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


def _conditions(text: str) -> str:
    if re.search(r"\^NQ|ORDERBY|GROUPBY|[\r\n]", text) or not text.strip("^ "):
        raise ValueError(f"{text!r} is no encoded query of conditions alone: leave out ^NQ, ORDERBY and line breaks")
    return text


Condition = Annotated[str, AfterValidator(_conditions)]
"""An encoded query of conditions that all hold."""
Role = Literal["cmdb", "itsm"]


class ServiceNowConfig(DevicesConfig):
    """Settings below `[sources.NAME]` with `adapter = "servicenow"`."""

    timeout: timedelta = Field(
        default=timedelta(seconds=90),
        description="Longest wait for one answer; the instance itself gives up after 60 s by default.",
        examples=["PT90S"],
    )
    username: str | None = Field(
        default=None, min_length=1, description="User of the hub, for basic authentication.", examples=["connector"]
    )
    password: SecretStr | None = Field(
        default=None, description="Password of that user.", examples=[{"env": "SERVICENOW_PASSWORD"}]
    )
    client_id: str | None = Field(
        default=None,
        min_length=1,
        description="Client of the OAuth application registry, for the grant type client credentials.",
        examples=["5f2c8b1e0a6d4c7e9b3a1d2f4e6c8a0b"],
    )
    client_secret: SecretStr | None = Field(
        default=None, description="Secret of that client.", examples=[{"env": "SERVICENOW_CLIENT_SECRET"}]
    )
    api_key: SecretStr | None = Field(
        default=None,
        description="REST API key, sent as `x-sn-apikey`.",
        examples=[{"env": "SERVICENOW_API_KEY"}],
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="Key with which the business rule signs; without it no webhook is accepted.",
        examples=[{"env": "SERVICENOW_WEBHOOK_SECRET"}],
    )
    roles: tuple[Role, ...] = Field(
        default=("cmdb", "itsm"),
        min_length=1,
        description="What the instance is used for here: places, models and hardware; tickets.",
        examples=[["itsm"]],
    )
    device_table: DeviceTable = Field(
        default="alm_hardware",
        description="Where devices are read and written: hardware assets, or hardware configuration items.",
        examples=["cmdb_ci_hardware"],
    )
    device_query: Condition | None = Field(
        default=None,
        description="Encoded query that devices have to meet, without ORDERBY and ^NQ.",
        examples=["model_category.nameINComputer,Network Gear"],
    )
    model_table: TableName = Field(
        default="cmdb_hardware_product_model",
        description="Table of the product models; `cmdb_model` has those of every kind.",
        examples=["cmdb_model"],
    )
    countries: dict[str, str] = Field(
        default_factory=dict,
        description="Two-letter code by the name of a country in locations, where that is none already.",
        examples=[{"Germany": "DE", "USA": "US"}],
    )
    relations: dict[str, RelationWord] = Field(
        default_factory=lambda: dict(RELATIONS),
        description="Types of relations between configuration items that are read (cmdb_rel_ci), with what the parent "
        "is to the child; without any the table is not asked for.",
        examples=[{"Contains::Contained by": "contains", "Powers::Powered by": "needed_by"}],
    )
    ticket_tables: tuple[TicketTable, ...] = Field(
        default=("incident", "sc_req_item"),
        min_length=1,
        description="Tables of tickets that are read.",
        examples=[["incident"]],
    )
    history: timedelta = Field(
        default=timedelta(days=365),
        gt=timedelta(0),
        description="A pull from the beginning reads tickets that changed, and deletions, since so long ago.",
        examples=["P365D"],
    )
    read_slas: bool = Field(
        default=True, description="Ask when the SLAs of tickets are breached (task_sla).", examples=[False]
    )
    slas: tuple[str, ...] = Field(
        default=(),
        description="Names of the SLA definitions that count; empty means those whose target is resolution.",
        examples=[["Priority 1 resolution (4 hour)"]],
    )
    ticket_fields: dict[TicketFact, Column] = Field(
        default_factory=dict,
        description="Column of tickets that says it, before what the configuration item says.",
        examples=[{"serial": "u_serial_number", "site_name": "u_branch"}],
    )
    read_deletions: bool = Field(
        default=True,
        description="Read what was deleted (sys_audit_delete); without it a full pull finds what is gone.",
        examples=[False],
    )
    priorities: dict[str, Priority] = Field(
        default_factory=dict,
        description="Priority by value of the column `priority`, beside 1 to 5.",
        examples=[{"6": "P5"}],
    )
    ticket_states: dict[TicketTable, dict[str, TicketState]] = Field(
        default_factory=dict,
        description="State of a ticket by value of the column `state`, for each table, beside the defaults.",
        examples=[{"incident": {"10": "on_hold"}}],
    )
    written_states: dict[TicketTable, dict[TicketState, str]] = Field(
        default_factory=dict,
        description="Value of the column `state` that is written for a state, for each table, beside the defaults.",
        examples=[{"incident": {"on_hold": "10"}}],
    )
    state_fields: dict[TicketState, dict[str, str]] = Field(
        default_factory=dict,
        description="Columns that are written with a state, in place of the default ones; values, not labels.",
        examples=[{"resolved": {"close_code": "Solved (Permanently)", "close_notes": "Hardware replaced."}}],
    )
    duplicate_codes: tuple[str, ...] = Field(
        default=("Duplicate",),
        description="Resolution codes by which an incident is a duplicate of its parent incident.",
        examples=[["Duplicate", "Closed as duplicate"]],
    )
    write_through: Literal["table", "reconcile"] = Field(
        default="table",
        description="How devices are written: by the Table API, or by identification and reconciliation, which takes "
        "configuration items only.",
        examples=["reconcile"],
    )
    data_source: str = Field(
        default="ServiceNow",
        min_length=1,
        description="Value of `discovery_source` under which reconciliation rules know the hub.",
        examples=["Connector"],
    )
    in_use_status: str = Field(
        default="1",
        description="`install_status`, or `install_status/substatus`, of a device that was put in place.",
        examples=["1"],
    )
    failed_status: str = Field(
        default="3",
        description="The same of a failed device whose replacement has a record of its own; 3 is in maintenance.",
        examples=["6/defective"],
    )

    @model_validator(mode="after")
    def _one_way_to_prove_who_asks(self) -> Self:
        pairs = {"password": self.username, "client_secret": self.client_id}
        for secret, name in pairs.items():
            if (getattr(self, secret) is None) is not (name is None):
                raise ValueError("username goes with password, client_id with client_secret")
        given = [each for each in (self.password, self.client_secret, self.api_key) if each is not None]
        if len(given) != 1:
            raise ValueError("give one of: username and password, client_id and client_secret, api_key")
        return self

    @field_validator("relations")
    @classmethod
    def _named(cls, value: dict[str, RelationWord]) -> dict[str, RelationWord]:
        for name in value:
            if "::" not in name or re.search(r"[\^,\r\n]", name):
                raise ValueError(f"{name!r} is no type of relation: write both its descriptions, parent::child")
        return value

    @model_validator(mode="after")
    def _reconciliation_takes_configuration_items(self) -> Self:
        if self.write_through == "reconcile" and self.device_table != "cmdb_ci_hardware":
            raise ValueError('write_through = "reconcile" needs device_table = "cmdb_ci_hardware"')
        return self

    def headers(self) -> dict[str, str]:
        """User and password or the key, and that JSON is wanted; a token is sent with each request."""
        proof: dict[str, str] = {}
        if self.api_key is not None:
            proof = {"x-sn-apikey": self.api_key.get_secret_value()}
        elif self.password is not None:
            pair = f"{self.username}:{self.password.get_secret_value()}".encode()
            proof = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        return {**proof, "Accept": "application/json"}

    def asset_states(self) -> dict[str, AssetState]:
        """State by `install_status` or `install_status/substatus`."""
        known = ASSET_STATES if self.device_table == "alm_hardware" else CI_STATES
        return known | {name.casefold(): state for name, state in self.states.items()}

    def custom_field(self, name: str) -> str:
        """The column that says it: of the customer's own, which begin with `u_`."""
        default = "warranty_expiration" if name == "warranty_ends_on" else f"u_{name}"
        return self.custom_fields.get(name, default)

    def priority_of(self, value: str) -> Priority | None:
        """What a priority means; None when nobody said."""
        return (PRIORITIES | self.priorities).get(value)

    def state_of(self, table: TicketTable, value: str) -> TicketState | None:
        """What a state means; None when nobody said."""
        return (TICKET_STATES[table] | self.ticket_states.get(table, {})).get(value)

    def written_for(self, table: TicketTable, state: TicketState) -> dict[str, str]:
        """The columns that say a state."""
        value = (WRITTEN_STATES[table] | self.written_states.get(table, {}))[state]
        also = (STATE_FIELDS | self.state_fields).get(state, {}) if table == "incident" else {}
        return {"state": value, **also}
