"""What is done about parcels in trouble."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import Index
from sqlmodel import Field

from connector.model.kinds import Trouble
from connector.model.lifecycle import RecoveryState
from connector.storage.tables.columns import Declared, EnumText, Id, UtcDateTime, one_of


class Recovery(Declared, table=True):
    """A parcel in trouble and what was done about it: one per ticket and line, so that nothing is sent a third time.

    shipment_id: the first parcel. reservation_id: the second unit; NULL as long as there is none. trouble, reason: what
    was wrong, as it was found last. predicted_at: when the first one was expected then; NULL: not at all.
    """

    __tablename__: ClassVar[str] = "recovery"
    __table_args__ = (
        Index("uq_recovery_line", "ticket_id", "line", unique=True),
        Index("ix_recovery_state", "state"),
        one_of("trouble", Trouble),
        one_of("state", RecoveryState),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    ticket_id: int = Field(foreign_key="ticket.id", sa_type=Id)
    line: int = 1
    shipment_id: int = Field(foreign_key="shipment.id", index=True, sa_type=Id)
    reservation_id: int | None = Field(default=None, foreign_key="reservation.id", index=True, sa_type=Id)
    decision_id: int | None = Field(default=None, foreign_key="decision.id", sa_type=Id)
    trouble: Trouble = Field(sa_type=EnumText(Trouble))
    state: RecoveryState = Field(sa_type=EnumText(RecoveryState))
    reason: str
    predicted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
