"""Shelves that are filled up: what was proposed, what was decided, what came."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field

from connector.model.kinds import Lane, ReplenishmentKind
from connector.model.lifecycle import ReplenishmentState
from connector.rules.policy.values import Mode
from connector.storage.tables.columns import Declared, EnumText, Id, UtcDateTime, WholeJson, one_of

_OPEN = text("state IN ('proposed', 'approved', 'under_way')")


class Replenishment(Declared, table=True):
    """Units that a shelf is filled up with, from other hubs and from suppliers; one open one per shelf.

    quantity: units that are wanted; transfer_quantity and purchase_quantity of them come, received_quantity have come.
    free, coming, reorder_point, target: of the shelf, when that was worked out. mode: how transfers travel, within
    delivery_days. cost_cents: of what is bought. expected_at: when the last of that is expected. ticket_id: the hub's
    own ticket that claims and orders hang on, once there are any. approval_name: what orders wait for. explanation: see
    `connector.rules.replenishment.told`. decided_by, decided_at: who let it go out, or did not want it. cancelled_by:
    who called it off later. has_failed: something of it could not be sent, or was refused.
    """

    __tablename__: ClassVar[str] = "replenishment"
    __table_args__ = (
        Index("uq_replenishment_open", "stock_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_replenishment_stock", "stock_id", "id"),
        Index("uq_replenishment_ticket", "ticket_id", unique=True),
        Index("ix_replenishment_state", "state"),
        one_of("kind", ReplenishmentKind),
        one_of("state", ReplenishmentState),
        one_of("lane", Lane),
        one_of("mode", Mode),
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint("transfer_quantity + purchase_quantity <= quantity", name="parts_within_quantity"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    state: ReplenishmentState = Field(sa_type=EnumText(ReplenishmentState))
    kind: ReplenishmentKind = Field(sa_type=EnumText(ReplenishmentKind))
    stock_id: int = Field(foreign_key="stock.id", sa_type=Id)
    hub_id: int = Field(foreign_key="hub.id", index=True, sa_type=Id)
    product_id: int = Field(foreign_key="product.id", index=True, sa_type=Id)
    lane: Lane = Field(sa_type=EnumText(Lane))
    quantity: int
    transfer_quantity: int = 0
    purchase_quantity: int = 0
    received_quantity: int = 0
    free: int
    coming: int = 0
    reorder_point: int
    target: int | None = None
    mode: Mode = Field(sa_type=EnumText(Mode))
    delivery_days: int
    cost_cents: int | None = None
    currency: str | None = None
    expected_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ticket_id: int | None = Field(default=None, foreign_key="ticket.id", sa_type=Id)
    rule: str
    approval_name: str | None = None
    policy_version: str
    explanation: dict[str, Any] = Field(sa_type=WholeJson)
    reason: str
    decided_by: str | None = None
    decided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    cancelled_by: str | None = None
    has_failed: bool = False
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
