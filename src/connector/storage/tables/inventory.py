"""Assets and stock.

A `stock` row is the book of one product in one hub and lane. For serialised products its numbers follow the
assets (on_hand counts those in stock or reserved there), kept in step inside the same transaction; for counted
products the row is the only book.
"""

from datetime import date, datetime
from typing import ClassVar, Final

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field

from connector.model.kinds import Lane, Tracking
from connector.model.lifecycle import AssetState
from connector.storage.tables.columns import Declared, EnumText, Id, UtcDateTime, one_of

MERGED_INTO: Final = "merged_into_id"
"""The column of what has turned out to be another thing; only its id finds such a one."""

_MERGED = text(f"{MERGED_INTO} IS NOT NULL")
_SIGNS = "abcdefghijklmnopqrstuvwxyz0123456789_-"
HOST: Final = f"substr(lower(name), 1, length(lower(name)) - length(ltrim(lower(name), '{_SIGNS}')))"
"""The name of a device up to its first sign that host names do not have, in SQL of both databases, for an index.

Of a host name that is all before its domain; what else it finds is looked at again.
"""


class Asset(Declared, table=True):
    """One serialised device. It is at a site (in use) or in a hub (held), or on its way between.

    revision: of the hardware, as its maker writes it. warranty_ends_on: the last day of the maker's warranty.
    merged_into_id: the device that it turned out to be, on which hangs all that did on this one; nothing finds it but
    its id.
    """

    __tablename__: ClassVar[str] = "asset"
    __table_args__ = (
        Index("ix_asset_serial", "serial"),
        Index("ix_asset_asset_tag", "asset_tag"),
        Index("ix_asset_name", "name"),
        Index("ix_asset_host", text(HOST)),
        Index("ix_asset_site", "site_id", "id"),
        Index("ix_asset_shelf", "hub_id", "product_id", "lane", "state"),
        Index("ix_asset_product", "product_id", "state", "retired_at"),  # the last: counted along it alone
        Index("ix_asset_merged_into_id", "merged_into_id", sqlite_where=_MERGED, postgresql_where=_MERGED),
        one_of("state", AssetState),
        one_of("lane", Lane),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    name: str | None = None
    serial: str | None = None
    asset_tag: str | None = None
    product_id: int | None = Field(default=None, foreign_key="product.id", sa_type=Id)
    revision: str | None = None
    warranty_ends_on: date | None = None
    site_id: int | None = Field(default=None, foreign_key="site.id", sa_type=Id)
    hub_id: int | None = Field(default=None, foreign_key="hub.id", sa_type=Id)
    state: AssetState = Field(sa_type=EnumText(AssetState))
    lane: Lane = Field(default=Lane.NORMAL, sa_type=EnumText(Lane))
    holder: str | None = None
    url: str | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    retired_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    merged_into_id: int | None = Field(default=None, foreign_key="asset.id", sa_type=Id)


class Stock(Declared, table=True):
    """Units of one product in one hub and lane. free = on_hand - reserved.

    safety_stock, emergency_buffer: of the free units, those that are claimed only where a rule releases them (see
    `connector.storage.facts.protection`); None when nobody has said.
    """

    __tablename__: ClassVar[str] = "stock"
    __table_args__ = (
        UniqueConstraint("product_id", "hub_id", "lane", name="uq_stock_shelf"),
        Index("ix_stock_hub", "hub_id"),
        one_of("lane", Lane),
        one_of("tracking", Tracking),
        CheckConstraint("on_hand >= 0", name="on_hand_not_negative"),
        CheckConstraint("reserved >= 0", name="reserved_not_negative"),
        CheckConstraint("reserved <= on_hand", name="reserved_within_on_hand"),
        CheckConstraint("safety_stock >= 0", name="safety_stock_not_negative"),
        CheckConstraint("emergency_buffer >= 0", name="emergency_buffer_not_negative"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    hub_id: int = Field(foreign_key="hub.id", sa_type=Id)
    product_id: int = Field(foreign_key="product.id", sa_type=Id)
    lane: Lane = Field(default=Lane.NORMAL, sa_type=EnumText(Lane))
    tracking: Tracking = Field(sa_type=EnumText(Tracking))
    on_hand: int = 0
    reserved: int = 0
    reorder_point: int | None = None
    target: int | None = None
    safety_stock: int | None = None
    emergency_buffer: int | None = None
    counted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
