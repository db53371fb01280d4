"""For adapters of systems with REST lists of sites, types and devices, as NetBox and its kin have them.

Pages by watermark and how far they were read, rows that are read as far as they are looked at, fields of the customer,
settings that such adapters share, and how a swap is written to a list of devices.
"""

from connector.sdk.rest.config import DevicesConfig, Points, SwapsConfig
from connector.sdk.rest.fields import (
    CustomField,
    address_of,
    asset_facts,
    country_code,
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
from connector.sdk.rest.listed import ListedPart, ListedPull, ReadRows, of_kind, read_each
from connector.sdk.rest.listing import AskForPart, ListedRow, Listing, ListWalk, row_number
from connector.sdk.rest.locations import LocationNode, LocationTree
from connector.sdk.rest.pages import AskForPage, Cut, NumberedPage, PageWalk, cut_at
from connector.sdk.rest.refusals import named_refusal
from connector.sdk.rest.rows import Page, Row, SentRow, answered_page, made, named, read_page, row_id
from connector.sdk.rest.swaps import SwapRecorder
from connector.sdk.rest.watermark import (
    Position,
    Progress,
    cursor_since,
    position_of,
    read_cursor,
    walk,
    write_cursor,
    write_time,
)

__all__ = [
    "AskForPage",
    "AskForPart",
    "CustomField",
    "Cut",
    "DevicesConfig",
    "ListWalk",
    "ListedPart",
    "ListedPull",
    "ListedRow",
    "Listing",
    "LocationNode",
    "LocationTree",
    "NumberedPage",
    "Page",
    "PageWalk",
    "Points",
    "Position",
    "Progress",
    "ReadRows",
    "Row",
    "SentRow",
    "SwapRecorder",
    "SwapsConfig",
    "address_of",
    "answered_page",
    "asset_facts",
    "country_code",
    "cursor_since",
    "custom_text",
    "cut_at",
    "hook_payload",
    "hook_time",
    "hub_facts",
    "last_updated",
    "made",
    "named",
    "named_refusal",
    "of_kind",
    "optional",
    "point_of",
    "position_of",
    "product_facts",
    "read_cursor",
    "read_each",
    "read_page",
    "require_hook",
    "row_id",
    "row_number",
    "text",
    "valid",
    "walk",
    "write_cursor",
    "write_time",
]
