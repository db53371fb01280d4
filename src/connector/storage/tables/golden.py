"""The golden record: what people say whatever sources say, where sources differ, and whose word goes first."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field

from connector.model.kinds import GoldenReason
from connector.model.refs import EntityKind
from connector.storage.tables.columns import Declared, EnumText, Id, Json, UtcDateTime, one_of

_STANDS = text("released_at IS NULL")
_ABOUT_ONE = "entity_id = coalesce(asset_id, site_id, hub_id, product_id)"


def _about(table: str) -> list[Index]:
    """An index for each column that may say of which thing a row is; it holds the rows that are of such a thing."""
    of = {name: text(f"{name}_id IS NOT NULL") for name in ("asset", "site", "hub", "product")}
    return [
        Index(f"ix_{table}_{name}", f"{name}_id", "id", sqlite_where=there, postgresql_where=there)
        for name, there in of.items()
    ]


class FieldOverride(Declared, table=True):
    """What somebody said that a field of a thing is, whatever sources say.

    entity_id: the one of the four ids that is there. value: a list of the values of the field's columns. replaced: the
    same as it was before. until: when it ends by itself. released_by: who took it back, or put another in its place.
    """

    __tablename__: ClassVar[str] = "field_override"
    __table_args__ = (
        Index(
            "uq_field_override_standing",
            *("kind", "entity_id", "field"),
            unique=True,
            sqlite_where=_STANDS,
            postgresql_where=_STANDS,
        ),
        *_about("field_override"),
        CheckConstraint(_ABOUT_ONE, name="about_one"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    kind: EntityKind = Field(sa_type=EnumText(EntityKind))
    entity_id: int = Field(sa_type=Id)
    asset_id: int | None = Field(default=None, foreign_key="asset.id", sa_type=Id)
    site_id: int | None = Field(default=None, foreign_key="site.id", sa_type=Id)
    hub_id: int | None = Field(default=None, foreign_key="hub.id", sa_type=Id)
    product_id: int | None = Field(default=None, foreign_key="product.id", sa_type=Id)
    field: str
    value: list[Any] = Field(sa_type=Json)
    replaced: list[Any] = Field(sa_type=Json)
    reason: str
    created_by: str
    created_at: datetime = Field(sa_type=UtcDateTime)
    until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    released_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    released_by: str | None = None


class FieldConflict(Declared, table=True):
    """A field of which sources that have the thing state different values, for as long as they do.

    source, reason: whose value holds, and why; no source where a person overrode it. statements: all of them, each
    (source, external id, values of the columns, microseconds at which it was first heard, version in microseconds).
    """

    __tablename__: ClassVar[str] = "field_conflict"
    __table_args__ = (
        UniqueConstraint("kind", "entity_id", "field", name="uq_field_conflict"),
        *_about("field_conflict"),
        one_of("reason", GoldenReason),
        CheckConstraint(_ABOUT_ONE, name="about_one"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    kind: EntityKind = Field(sa_type=EnumText(EntityKind))
    entity_id: int = Field(sa_type=Id)
    asset_id: int | None = Field(default=None, foreign_key="asset.id", sa_type=Id)
    site_id: int | None = Field(default=None, foreign_key="site.id", sa_type=Id)
    hub_id: int | None = Field(default=None, foreign_key="hub.id", sa_type=Id)
    product_id: int | None = Field(default=None, foreign_key="product.id", sa_type=Id)
    field: str
    source: str | None = None
    reason: GoldenReason = Field(sa_type=EnumText(GoldenReason))
    statements: list[Any] = Field(sa_type=Json)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class PrecedenceRow(Declared, table=True):
    """Whose word goes first, as it holds now: one row, with the id 1.

    orders, lapsed: as `connector.rules.golden.choosing.Precedence` has them. previous: the two as they were while
    things are worked out anew, references up to row settled_to having been looked at; NULL when that is done.
    """

    __tablename__: ClassVar[str] = "precedence"

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    orders: dict[str, Any] = Field(sa_type=Json)
    lapsed: list[str] = Field(sa_type=Json)
    previous: dict[str, Any] | None = Field(default=None, sa_type=Json)
    settled_to: int = Field(default=0, sa_type=Id)
    updated_at: datetime = Field(sa_type=UtcDateTime)
