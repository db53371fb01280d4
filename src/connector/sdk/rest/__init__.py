"""For adapters of systems with REST lists of sites, types and devices, as NetBox and its kin have them.

Pages by watermark and how far they were read, rows that are read as far as they are looked at, fields of the customer,
settings that such adapters share, and how a swap is written to a list of devices.
"""

from connector.sdk.rest.config import DevicesConfig
from connector.sdk.rest.fields import (
    CustomField,
    address_of,
    asset_facts,
    custom_text,
    hub_facts,
    last_updated,
    optional,
    point_of,
    product_facts,
    text,
    valid,
)
from connector.sdk.rest.hooks import hook_payload, hook_time, require_hook
from connector.sdk.rest.refusals import named_refusal
from connector.sdk.rest.rows import Page, Row, SentRow, answered_page, made, named, read_page, row_id
from connector.sdk.rest.swaps import SwapRecorder
from connector.sdk.rest.watermark import (
    Position,
    Progress,
    position_of,
    read_cursor,
    read_time,
    walk,
    write_cursor,
    write_time,
)

__all__ = [
    "CustomField", "DevicesConfig", "Page", "Position", "Progress", "Row", "SentRow", "SwapRecorder",
    "address_of", "answered_page", "asset_facts", "custom_text", "hook_payload", "hook_time", "hub_facts",
    "last_updated", "made", "named", "named_refusal", "optional", "point_of", "position_of", "product_facts",
    "read_cursor", "read_page", "read_time", "require_hook", "row_id", "text", "valid", "walk", "write_cursor",
    "write_time",
]  # fmt: skip
