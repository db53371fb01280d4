"""What is got from outside for tickets: replacements in advance, purchases, places in the queue for stock."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field

from connector.model.kinds import Lane, ProcurementKind
from connector.model.lifecycle import ProcurementState
from connector.storage.tables.columns import Declared, EnumText, Id, UtcDateTime, one_of

_OPEN = text("state IN ('requested', 'approved', 'ordered', 'confirmed', 'shipped')")


class Procurement(Declared, table=True):
    """Units of a product that are got for a ticket. supplier: by its name in the policy, "" for a backorder.

    order_number: the supplier's. hub_id: where the goods go, to be sent on or to fill up its shelf; NULL for site_id
    itself. lane: of the shelf that they are put on there. expected_at: there.
    cost_cents: expected, then as recorded. contact: how a person orders there. is_wanted: false once the ticket does
    not need it any more. approval_name: what it waits for before it is ordered. reason: why it is so. revision: the one
    that the goods must have; NULL when any will do.
    via: name of the source that takes the order to the supplier; NULL for a person. external_id: its name there.
    carrier, tracking_number, shipment_id: of the parcel that it was sent with. delivered_at: as the supplier, or the
    courier, says; received_at is when it was taken in here.
    """

    __tablename__: ClassVar[str] = "procurement"
    __table_args__ = (
        Index(
            "uq_procurement_open",
            "ticket_id",
            "product_id",
            "kind",
            "supplier",
            unique=True,
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
        Index("ix_procurement_product", "product_id", "state"),
        Index("ix_procurement_external", "external_id"),
        one_of("kind", ProcurementKind),
        one_of("state", ProcurementState),
        one_of("lane", Lane),
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint("cost_cents IS NULL OR cost_cents >= 0", name="cost_not_negative"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    kind: ProcurementKind = Field(sa_type=EnumText(ProcurementKind))
    state: ProcurementState = Field(sa_type=EnumText(ProcurementState))
    ticket_id: int = Field(foreign_key="ticket.id", index=True, sa_type=Id)
    decision_id: int | None = Field(default=None, foreign_key="decision.id", index=True, sa_type=Id)
    product_id: int = Field(foreign_key="product.id", sa_type=Id)
    quantity: int = 1
    revision: str | None = None
    supplier: str = ""
    contact: str | None = None
    via: str | None = None
    external_id: str | None = None
    order_number: str | None = None
    hub_id: int | None = Field(default=None, foreign_key="hub.id", index=True, sa_type=Id)
    site_id: int | None = Field(default=None, foreign_key="site.id", index=True, sa_type=Id)
    lane: Lane = Field(default=Lane.NORMAL, sa_type=EnumText(Lane))
    cost_cents: int | None = None
    currency: str | None = None
    expected_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ordered_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    carrier: str | None = None
    tracking_number: str | None = None
    shipment_id: int | None = Field(default=None, foreign_key="shipment.id", index=True, sa_type=Id)
    delivered_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    received_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    is_wanted: bool = True
    approval_name: str | None = None
    reason: str | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
