"""Returns of failed units, begun when their replacement is there."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field

from connector.model.lifecycle import RmaState
from connector.storage.tables.columns import Declared, EnumText, Id, UtcDateTime, one_of

_OPEN = text("state IN ('expected', 'in_transit')")
_COUNTS = text("asset_id IS NOT NULL AND (state <> 'cancelled' OR cancelled_by IS NOT NULL)")


class Rma(Declared, table=True):
    """The return of what a ticket was about: one per delivered replacement, and one at a time per device.

    asset_id: the device that has failed; NULL when nobody knows which one. reservation_id, procurement_id: what
    replaced it; both NULL for a unit that is one too many, since a second one was sent in its place. line: of the
    ticket that was served; of what a supplier sent, which unit of it. hub_id: where it is to come back; NULL when
    there is no hub. site_id: where it was. reason: why it is so, such as what the device's source says of it.
    overdue_since: the due date, once it has passed and people were told. received_asset_id: the unit that came, which
    somebody may have received in place of the one that was expected. condition: as whoever received it says.
    cancelled_by: who did; NULL when the hub did since the replacement was not delivered after all.
    """

    __tablename__: ClassVar[str] = "rma"
    __table_args__ = (
        Index("uq_rma_reservation", "reservation_id", unique=True),
        Index("uq_rma_procurement", "procurement_id", "line", unique=True),
        Index("uq_rma_open_device", "asset_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index(
            "uq_rma_device_of_ticket",
            "ticket_id",
            "asset_id",
            unique=True,
            sqlite_where=_COUNTS,
            postgresql_where=_COUNTS,
        ),
        Index("ix_rma_due", "due_back_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
        one_of("state", RmaState),
        CheckConstraint("quantity > 0", name="quantity_positive"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    ticket_id: int = Field(foreign_key="ticket.id", index=True, sa_type=Id)
    line: int
    asset_id: int | None = Field(default=None, foreign_key="asset.id", index=True, sa_type=Id)
    product_id: int = Field(foreign_key="product.id", index=True, sa_type=Id)
    quantity: int = 1
    reservation_id: int | None = Field(default=None, foreign_key="reservation.id", sa_type=Id)
    procurement_id: int | None = Field(default=None, foreign_key="procurement.id", sa_type=Id)
    hub_id: int | None = Field(default=None, foreign_key="hub.id", index=True, sa_type=Id)
    site_id: int | None = Field(default=None, foreign_key="site.id", index=True, sa_type=Id)
    state: RmaState = Field(sa_type=EnumText(RmaState))
    due_back_at: datetime = Field(sa_type=UtcDateTime)
    reason: str | None = None
    carrier: str | None = None
    tracking_number: str | None = None
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    overdue_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    received_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    received_hub_id: int | None = Field(default=None, foreign_key="hub.id", sa_type=Id)
    received_asset_id: int | None = Field(default=None, foreign_key="asset.id", sa_type=Id)
    condition: str | None = None
    cancelled_by: str | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
