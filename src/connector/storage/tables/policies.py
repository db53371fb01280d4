"""Policies as documents: every version that was ever taken in, and which was active from when on.

Both tables are only appended to: what decided a year ago can be read today.
"""

from datetime import datetime
from typing import ClassVar

from sqlmodel import Field

from connector.model.kinds import ActivationKind
from connector.storage.tables.columns import Declared, EnumText, Id, UtcDateTime, one_of


class Policy(Declared, table=True):
    """A version of a policy. version: its name and the hash of its text, which is kept as it was written."""

    __tablename__: ClassVar[str] = "policy"

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    version: str = Field(unique=True)
    name: str = Field(index=True)
    text: str
    author: str
    comment: str | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)


class PolicyActivation(Declared, table=True):
    """A policy became active; the newest row is the one that counts.

    previous_id: the activation that a rollback goes back to. forced_because: why it was activated although tests in
    its document failed.
    """

    __tablename__: ClassVar[str] = "policy_activation"
    __table_args__ = (one_of("kind", ActivationKind),)

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    policy_id: int = Field(foreign_key="policy.id", index=True, sa_type=Id)
    previous_id: int | None = Field(default=None, foreign_key="policy_activation.id", sa_type=Id)
    kind: ActivationKind = Field(sa_type=EnumText(ActivationKind))
    activated_by: str
    activated_at: datetime = Field(sa_type=UtcDateTime)
    comment: str | None = None
    forced_because: str | None = None
