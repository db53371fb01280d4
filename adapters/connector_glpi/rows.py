"""Rows of GLPI as far as they are looked at. One model reads a row of either interface: v1 has columns of tables, v2
objects with names.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from pydantic import AliasChoices, AliasPath, Field, ValidationError

from connector.sdk import InvalidRecord
from connector.sdk.answers import Theirs, TheirsT, unreadable
from connector.sdk.rest import ListedRow
from connector_glpi.values import ChangeTime, Reference, Text, Time, spelling
from connector_glpi.words import MODEL_COLUMNS

EPOCH = "1970-01-01T00:00:00Z"


def _refers(*columns: str, name: str) -> Any:
    """A reference: a column in v1, an object with its id in v2."""
    return Field(default=None, validation_alias=AliasChoices(*columns, AliasPath(name, "id")))


class Device(Theirs):
    """A computer, monitor, and so on."""

    id: int = Field(gt=0)
    name: Text = None
    serial: Text = None
    otherserial: Text = None
    comment: Text = None
    model: Reference = _refers(*MODEL_COLUMNS.values(), name="model")
    manufacturer: Reference = _refers("manufacturers_id", name="manufacturer")
    state: Reference = _refers("states_id", name="status")
    location: Reference = _refers("locations_id", name="location")
    user: Text = Field(
        default=None, validation_alias=AliasChoices(AliasPath("_keys_names", "users_id"), AliasPath("user", "name"))
    )
    is_template: bool = False
    date_mod: ChangeTime = None
    date_creation: ChangeTime = None


class Named(Theirs):
    """A row of a list of names: a status, a manufacturer, a model."""

    id: int = Field(gt=0)
    name: Text = None
    completename: Text = None
    product_number: Text = None


class Location(Theirs):
    """A location."""

    id: int = Field(gt=0)
    name: Text = None
    completename: Text = None
    code: Text = None
    parent: Reference = _refers("locations_id", name="parent")
    address: Text = None
    postcode: Text = None
    town: Text = None
    state: Text = None
    country: Text = None
    latitude: Text = None
    longitude: Text = None
    date_mod: ChangeTime = None
    date_creation: ChangeTime = None


class Ticket(Theirs):
    """A ticket."""

    id: int = Field(gt=0)
    name: Text = None
    content: str | None = None
    status: int = Field(validation_alias=AliasChoices(AliasPath("status", "id"), "status"))
    priority: Reference = None
    type: int | None = None
    category: Reference = _refers("itilcategories_id", name="category")
    category_name: Text = Field(
        default=None,
        validation_alias=AliasChoices(AliasPath("_keys_names", "itilcategories_id"), AliasPath("category", "name")),
    )
    location: Reference = _refers("locations_id", name="location")
    location_name: Text = Field(
        default=None,
        validation_alias=AliasChoices(AliasPath("_keys_names", "locations_id"), AliasPath("location", "name")),
    )
    date: Time = None
    date_mod: ChangeTime = None
    date_creation: ChangeTime = None
    time_to_resolve: Time = None
    solvedate: Time = None
    closedate: Time = None


class Member(NamedTuple):
    """Who has to do with a ticket. role: as v1 numbers it. is_group: else a person."""

    role: int
    name: str
    is_group: bool


class Item(NamedTuple):
    """A device of a ticket."""

    kind: str
    number: int


class Link(NamedTuple):
    """What another ticket is to one. kind: as v1 numbers it, read from this ticket; 1 says nothing more."""

    kind: int
    other: int


class Details(NamedTuple):
    """What GLPI tells of a ticket when it is asked once more. device: the first of the items, where it was read."""

    members: tuple[Member, ...] = ()
    items: tuple[Item, ...] = ()
    links: tuple[Link, ...] = ()
    device: Device | None = None


def read_row(kind: type[TheirsT], row: ListedRow, what: str, zone: str) -> TheirsT:
    """A row. zone: of its times, where they state none. Raises InvalidRecord with the path of what is wrong."""
    try:
        return kind.model_validate(row, context={"zone": zone})
    except ValidationError as error:
        raise unreadable(error, what) from None


def changed_at(row: ListedRow, zone: str, *, latest: bool = False) -> datetime:
    """When a row changed, never later than it did; imported ones may not say, then when they were made.

    latest: never earlier than it did. Raises InvalidRecord.
    """
    told = row.get("date_mod") or row.get("date_creation") or EPOCH
    written = spelling(str(told), zone)
    try:
        return written.read_latest(str(told)) if latest else written.read_change(str(told))
    except InvalidRecord:
        raise InvalidRecord(
            f"date_mod is {told!r:.80}, expected such as 2026-01-31 09:30:00", path="/date_mod"
        ) from None
