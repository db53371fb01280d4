"""Who is who: addresses by which devices are told apart, and records of which a person has to say whose they are."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field

from connector.model.kinds import RelationKind
from connector.model.lifecycle import ReviewState
from connector.storage.tables.columns import Declared, EnumText, Id, Json, UtcDateTime, WholeJson, one_of

_OPEN = text("state = 'open'")
_STANDS = text("undone_at IS NULL")


class AssetMac(Declared, table=True):
    """An address of a network adapter of a device, as a source states it. mac: as `connector.model.macs` writes it."""

    __tablename__: ClassVar[str] = "asset_mac"
    __table_args__ = (
        UniqueConstraint("asset_id", "source_id", "mac", name="uq_asset_mac"),
        Index("ix_asset_mac_mac", "mac"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    asset_id: int = Field(foreign_key="asset.id", sa_type=Id)
    source_id: int = Field(foreign_key="source.id", sa_type=Id)
    mac: str


class AssetRelated(Declared, table=True):
    """What a source says of a device and another one. other_id: NULL until the other is known.

    said_by, external_id: how the source names the device and the other one. Kept by these, since a record may come to
    stand for another device than before, and what it says goes along.
    """

    __tablename__: ClassVar[str] = "asset_relation"
    __table_args__ = (
        UniqueConstraint("source_id", "said_by", "kind", "external_id", name="uq_asset_relation"),
        Index("ix_asset_relation_asset", "asset_id", "id"),
        Index("ix_asset_relation_other", "other_id", "id"),
        Index("ix_asset_relation_named", "source_id", "external_id"),
        one_of("kind", RelationKind),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    asset_id: int = Field(foreign_key="asset.id", sa_type=Id)
    kind: RelationKind = Field(sa_type=EnumText(RelationKind))
    source_id: int = Field(foreign_key="source.id", sa_type=Id)
    said_by: str
    external_id: str
    other_id: int | None = Field(default=None, foreign_key="asset.id", sa_type=Id)
    created_at: datetime = Field(sa_type=UtcDateTime)


class IdentityReview(Declared, table=True):
    """A record of which the match rules cannot tell which device it is about, and what a person says of it.

    quarantine_id: where the record waits; NULL where it was no question, since somebody split it off a device. stated:
    what it says of the facts that are compared. attempts: what each rule came to. evidence: digest of both and of the
    candidates, by which the same question is known again. asset_id: the device that the record stands for since it is
    decided, NULL before.
    """

    __tablename__: ClassVar[str] = "identity_review"
    __table_args__ = (
        Index(
            "uq_identity_review_open", "source_id", "external_id",
            unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN,
        ),
        Index("ix_identity_review_record", "source_id", "external_id"),
        Index("ix_identity_review_quarantine", "quarantine_id"),
        Index("ix_identity_review_state", "state", "id"),
        one_of("state", ReviewState),
    )  # fmt: skip

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    source_id: int = Field(foreign_key="source.id", sa_type=Id)
    external_id: str
    quarantine_id: int | None = Field(default=None, foreign_key="quarantine.id", sa_type=Id)
    name: str | None = None
    state: ReviewState = Field(default=ReviewState.OPEN, sa_type=EnumText(ReviewState))
    reason: str
    stated: dict[str, Any] = Field(sa_type=Json)
    attempts: list[dict[str, Any]] = Field(sa_type=Json)
    evidence: str
    asset_id: int | None = Field(default=None, foreign_key="asset.id", sa_type=Id)
    decided_by: str | None = None
    decided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    decision_reason: str | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class IdentityCandidate(Declared, table=True):
    """A device that the record of a review may be about.

    rules: those that find it. facts: each fact with what the record states, what is known of the device, and whether
    they agree, as they were when the review was made or last renewed.
    """

    __tablename__: ClassVar[str] = "identity_candidate"
    __table_args__ = (
        UniqueConstraint("review_id", "asset_id", name="uq_identity_candidate"),
        Index("ix_identity_candidate_asset", "asset_id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    review_id: int = Field(foreign_key="identity_review.id", sa_type=Id)
    asset_id: int = Field(foreign_key="asset.id", sa_type=Id)
    rules: list[str] = Field(sa_type=Json)
    facts: list[dict[str, Any]] = Field(sa_type=Json)


class AssetMerge(Declared, table=True):
    """Two records of one device that somebody made one.

    moved: how many rows went over, by the word for people. journal: what was changed and how it was before (see
    `connector.storage.merging.journal`), for taking it back. stayed: what had changed meanwhile when it was taken back
    and is the kept one's still, each with the reason; NULL while it stands.
    """

    __tablename__: ClassVar[str] = "asset_merge"
    __table_args__ = (
        Index("ix_asset_merge_kept", "kept_id", "id"),
        Index("uq_asset_merge_standing", "merged_id", unique=True, sqlite_where=_STANDS, postgresql_where=_STANDS),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    kept_id: int = Field(foreign_key="asset.id", sa_type=Id)
    merged_id: int = Field(foreign_key="asset.id", sa_type=Id)
    reason: str
    merged_by: str
    moved: dict[str, int] = Field(sa_type=Json)
    journal: dict[str, Any] = Field(sa_type=WholeJson)
    undone_by: str | None = None
    undone_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    undo_reason: str | None = None
    stayed: list[dict[str, Any]] | None = Field(default=None, sa_type=Json)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
