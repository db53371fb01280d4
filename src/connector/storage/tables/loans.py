"""Units that are lent to tickets until their replacements are there."""

from datetime import datetime
from typing import ClassVar, Final

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field

from connector.model.kinds import Lane
from connector.model.lifecycle import LoanState
from connector.storage.tables.columns import Declared, EnumText, Id, UtcDateTime, one_of

LOAN_LINE: Final = 0
"""The line of a ticket whose reservation is its loan; what it gets for good begins at line 1."""

_OUT = text("state IN ('lent', 'due_back')")


class Loan(Declared, table=True):
    """A unit on loan: one per ticket, ever. lane, hub_id: the pool that it belongs to. holder: whose it is meanwhile.

    due_back_at: at the latest; once the replacement is there, return_days after that. overdue_since: that time, once it
    has passed and people were told. returned_hub_id: who took it in. wipe: how its data were removed, if it bears any.
    """

    __tablename__: ClassVar[str] = "loan"
    __table_args__ = (
        Index("uq_loan_ticket", "ticket_id", unique=True),
        Index("uq_loan_reservation", "reservation_id", unique=True),
        Index("ix_loan_out", "due_back_at", sqlite_where=_OUT, postgresql_where=_OUT),
        one_of("state", LoanState),
        one_of("lane", Lane),
        CheckConstraint("return_days > 0", name="return_days_positive"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    ticket_id: int = Field(foreign_key="ticket.id", sa_type=Id)
    reservation_id: int = Field(foreign_key="reservation.id", sa_type=Id)
    asset_id: int | None = Field(default=None, foreign_key="asset.id", index=True, sa_type=Id)
    product_id: int = Field(foreign_key="product.id", index=True, sa_type=Id)
    hub_id: int = Field(foreign_key="hub.id", index=True, sa_type=Id)
    site_id: int | None = Field(default=None, foreign_key="site.id", index=True, sa_type=Id)
    lane: Lane = Field(sa_type=EnumText(Lane))
    holder: str | None = None
    state: LoanState = Field(sa_type=EnumText(LoanState))
    due_back_at: datetime = Field(sa_type=UtcDateTime)
    return_days: int
    reason: str | None = None
    lent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    overdue_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    returned_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    returned_hub_id: int | None = Field(default=None, foreign_key="hub.id", sa_type=Id)
    wipe: str | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
