"""Objects of iTop as far as they are looked at."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field, ValidationError

from connector.sdk import ConfigError, InvalidRecord, UnexpectedResponse
from connector.sdk.answers import Theirs, TheirsT, unreadable
from connector.sdk.facts import Spelling
from connector.sdk.rest import ListedRow
from connector_itop.config import ItopConfig
from connector_itop.values import ChangeTime, Key, Text, Time, instant


class Contact(Theirs):
    """Who has to do with a device."""

    contact_name: Text = None
    contact_id_friendlyname: Text = None
    contact_id_finalclass_recall: Text = None


class Device(Theirs):
    """An object of a class below PhysicalDevice."""

    id: int = Field(gt=0)
    finalclass: str
    name: Text = None
    serialnumber: Text = None
    asset_number: Text = None
    status: Text = None
    location_id: Key = None
    brand_id: Key = None
    model_id: Key = None
    end_of_warranty: Text = None
    description: Text = None
    contacts_list: tuple[Contact, ...] = ()


class Model(Theirs):
    """A model, which is of one brand."""

    id: int = Field(gt=0)
    name: Text = None
    brand_name: Text = None
    type: Text = None


class Location(Theirs):
    """A location. Locations have no parent."""

    id: int = Field(gt=0)
    name: Text = None
    address: Text = None
    postal_code: Text = None
    city: Text = None
    country: Text = None


class Affected(Theirs):
    """A link from a ticket to a configuration item. impact_code: `computed` where iTop's impact analysis added it."""

    functionalci_id: Key = None
    impact_code: Text = None


class Ticket(Theirs):
    """A user request or an incident."""

    id: int = Field(gt=0)
    ref: Text = None
    title: Text = None
    description: str | None = None
    status: str
    priority: Text = None
    request_type: Text = None
    caller_id: Key = None
    caller_id_friendlyname: Text = None
    agent_id_friendlyname: Text = None
    team_name: Text = None
    service_name: Text = None
    servicesubcategory_name: Text = None
    start_date: Time = None
    last_update: ChangeTime = None
    close_date: Time = None
    resolution_date: Time = None
    ttr_escalation_deadline: Time = None
    parent_request_id: Key = None
    parent_incident_id: Key = None
    functionalcis_list: tuple[Affected, ...] = ()


class Caller(Theirs):
    """Who asked for help, as far as it says where."""

    id: int = Field(gt=0)
    location_id: Key = None
    location_name: Text = None


class Change(Theirs):
    """An entry of the history. finalclass: what kind of change. fclass: of a deletion, what the object was."""

    id: int = Field(gt=0)
    finalclass: str = ""
    objclass: str = ""
    objkey: int
    fclass: str = ""
    date: str = ""


DEVICE = (
    "name", "finalclass", "serialnumber", "asset_number", "status", "location_id", "brand_id", "model_id",
    "end_of_warranty", "description",
)  # fmt: skip
MODEL = ("name", "brand_name", "type")
LOCATION = ("name", "address", "postal_code", "city", "country")
TICKET = (
    "ref", "title", "description", "status", "priority", "caller_id", "caller_id_friendlyname",
    "agent_id_friendlyname", "team_name", "service_name", "servicesubcategory_name", "start_date", "last_update",
    "close_date", "resolution_date",
)  # fmt: skip
TICKET_OPTIONAL = (
    "request_type", "parent_request_id", "parent_incident_id", "ttr_escalation_deadline", "functionalcis_list"
)  # fmt: skip
"""Attributes that depend on which modules were installed."""
CHANGE = ("finalclass", "objclass", "objkey", "date")


def read_row(kind: type[TheirsT], row: ListedRow, what: str, config: ItopConfig) -> TheirsT:
    """An object. Raises InvalidRecord with the path of what is wrong."""
    context: dict[str, Any] = {"zone": config.time_zone, "form": config.datetime_format}
    try:
        return kind.model_validate(row, context=context)
    except ValidationError as error:
        raise unreadable(error, what) from None


def read_entry(row: ListedRow, config: ItopConfig) -> Change:
    """An entry of the history. Raises UnexpectedResponse: without it nobody knows what changed."""
    try:
        return read_row(Change, row, "entry of the history", config)
    except InvalidRecord as error:
        raise UnexpectedResponse(str(error), operation="read history", hint=error.hint) from error


def changed_at(change: Change, config: ItopConfig, *, latest: bool = False) -> datetime:
    """When a change was made, never later than it was. latest: never earlier.

    Raises ConfigError where that cannot be read.
    """
    read = Spelling.read_latest if latest else Spelling.read_change
    try:
        return instant(change.date, config.time_zone, config.datetime_format, read)
    except ValueError as error:
        raise ConfigError(
            f"read history: {error}", operation="read history",
            hint="Set datetime_format and date_format to what date_and_time_format of iTop's configuration is.",
        ) from None  # fmt: skip
