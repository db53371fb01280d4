"""Requests for approval, the votes on them, and who may vote for whom."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field

from connector.model.kinds import Verdict
from connector.model.lifecycle import ApprovalState
from connector.model.refs import EntityKind
from connector.storage.tables.columns import Declared, EnumText, Id, Json, UtcDateTime, one_of

_PENDING = text("state = 'pending'")


class Approval(Declared, table=True):
    """Something that waits for a yes; the terms are those of the policy when it was asked for.

    key: makes asking twice one request. subject_kind, subject_id: what it is about. roles: who may answer at first;
    widenings: `{at, roles}`, who may from when on as well, of which so many were announced. needed: how many different
    people must approve. reason: why it ended as it did; decided_by: the people, `policy` or `time-out`.
    """

    __tablename__: ClassVar[str] = "approval"
    __table_args__ = (
        Index("ix_approval_subject", "subject_kind", "subject_id"),
        Index("ix_approval_pending", "deadline_at", sqlite_where=_PENDING, postgresql_where=_PENDING),
        one_of("state", ApprovalState),
        one_of("on_timeout", Verdict),
        CheckConstraint("needed > 0", name="needed_positive"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    key: str = Field(unique=True)
    name: str
    policy_version: str
    state: ApprovalState = Field(sa_type=EnumText(ApprovalState))
    subject_kind: EntityKind = Field(sa_type=EnumText(EntityKind))
    subject_id: int = Field(sa_type=Id)
    ticket_id: int | None = Field(default=None, foreign_key="ticket.id", index=True, sa_type=Id)
    title: str
    details: str | None = None
    cost_cents: int | None = None
    requested_by: str
    roles: list[str] = Field(sa_type=Json)
    widenings: list[dict[str, Any]] = Field(sa_type=Json)
    announced: int = 0
    needed: int = 1
    on_timeout: Verdict = Field(sa_type=EnumText(Verdict))
    on_refusal: str
    requester_may_approve: bool = False
    deadline_at: datetime = Field(sa_type=UtcDateTime)
    decided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    decided_by: str | None = None
    reason: str | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class ApprovalVote(Declared, table=True):
    """One answer. voter: who gave it; on_behalf_of: whose right to answer was used, the same unless delegated.

    Nobody answers twice, and nobody's right is used twice: so many votes are so many different people.
    """

    __tablename__: ClassVar[str] = "approval_vote"
    __table_args__ = (
        UniqueConstraint("approval_id", "voter", name="uq_approval_vote_voter"),
        UniqueConstraint("approval_id", "on_behalf_of", name="uq_approval_vote_right"),
        one_of("verdict", Verdict),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    approval_id: int = Field(foreign_key="approval.id", sa_type=Id)
    voter: str
    on_behalf_of: str
    verdict: Verdict = Field(sa_type=EnumText(Verdict))
    reason: str | None = None
    cast_at: datetime = Field(sa_type=UtcDateTime)


class Delegation(Declared, table=True):
    """A person lets another answer in their place for a time. roles: those that are passed on."""

    __tablename__: ClassVar[str] = "delegation"
    __table_args__ = (Index("ix_delegation_delegate", "delegate", "ends_at"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    delegator: str
    delegate: str
    roles: list[str] = Field(sa_type=Json)
    reason: str
    starts_at: datetime = Field(sa_type=UtcDateTime)
    ends_at: datetime = Field(sa_type=UtcDateTime)
    ended_by: str | None = None
    created_by: str
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
