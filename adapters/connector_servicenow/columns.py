"""Which columns are asked for, and rows of ServiceNow as the SDK reads them. Pure.

What a record refers to is asked for along with it (`model.manufacturer.name`). Columns that do not exist are left out
of an answer without a word; a column that does is "" when it is empty.
"""

from __future__ import annotations

from connector.sdk import InvalidRecord
from connector.sdk.rest import Row
from connector_servicenow.config import ServiceNowConfig

BASIC = ("sys_id", "sys_updated_on")
OF_SITE = ("service_class", "access_hours", "region")
OF_HUB = (
    "hub_tier", "opening_hours", "courier_cut_offs", "handling_minutes", "pick_minutes", "qa_minutes", "pack_minutes",
    "is_mobile", "region",
)  # fmt: skip
OF_PRODUCT = ("sku", "asset_class", "criticality", "unit_cost_cents", "currency", "weight_g", "is_data_bearing")
OF_DEVICE = ("revision", "warranty_ends_on", "lane", "holder")

PLACE = ("name", "latitude", "longitude", "time_zone", "street", "city", "state", "zip", "country", "phone")
LOCATIONS = (*BASIC, *PLACE)
STOCKROOMS = (*BASIC, "name", "location", "location.sys_updated_on", *(f"location.{column}" for column in PLACE))
MODELS = (
    *BASIC, "name", "display_name", "model_number", "manufacturer", "manufacturer.name", "manufacturer.sys_updated_on",
    "cmdb_ci_class", "status",
)  # fmt: skip
ASSETS = (
    *BASIC, "display_name", "serial_number", "asset_tag", "model", "location", "stockroom", "install_status",
    "substatus", "assigned_to", "assigned_to.email", "ci", "ci.name", "parent", "comments",
)  # fmt: skip
ITEMS = (
    *BASIC, "sys_class_name", "name", "serial_number", "asset_tag", "model_id", "location", "install_status",
    "assigned_to", "assigned_to.email", "comments",
)  # fmt: skip


def columns(config: ServiceNowConfig, listed: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    """The columns to ask for, with those of the customer's."""
    return (*listed, *(config.custom_field(name) for name in own))


def model_column(config: ServiceNowConfig) -> str:
    """How a device's record calls its model."""
    return "model" if config.device_table == "alm_hardware" else "model_id"


def device_columns(config: ServiceNowConfig) -> tuple[str, ...]:
    """The columns of devices."""
    return columns(config, ASSETS if config.device_table == "alm_hardware" else ITEMS, OF_DEVICE)


def view(row: Row, prefix: str = "") -> dict[str, object]:
    """A row by the names that the SDK reads; all its columns are there as fields of the customer's, empty ones as None.

    prefix: of the columns of what the row refers to.
    """
    fields = {column: None if value == "" else value for column, value in row.items()}
    return {
        "id": row.get("id"),
        "last_updated": row.get("last_updated"),
        "display": fields.get("display_name") or fields.get("name"),
        "latitude": fields.get(f"{prefix}latitude"),
        "longitude": fields.get(f"{prefix}longitude"),
        "custom_fields": fields,
    }


def value(row: Row, column: str) -> str | None:
    """A column as text; None when it is empty, or not there. Raises InvalidRecord.

    A reference may come with a link beside its value, although it was asked for without.
    """
    found = row.get(column)
    if isinstance(found, dict):
        found = found.get("value")
    if found is None or found == "":
        return None
    if not isinstance(found, str):
        raise InvalidRecord(f"column {column!r} is {found!r}, expected a text", path=f"/{column}")
    return found.strip() or None


def needed(row: Row, column: str) -> str:
    """A column that must not be empty. Raises InvalidRecord."""
    found = value(row, column)
    if found is None:
        raise InvalidRecord(
            f"column {column!r} is empty, or the user may not read it",
            path=f"/{column}",
            hint="Fill it in in ServiceNow, or let the hub's user read it.",
        )
    return found


def first(row: Row, *names: str) -> str | None:
    """The first of these columns that says something. Raises InvalidRecord."""
    return next((found for name in names if (found := value(row, name)) is not None), None)
