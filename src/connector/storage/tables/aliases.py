"""Names that stand for what the catalogue calls otherwise, and suggestions of more of them."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field

from connector.model.kinds import AliasKind, AliasOrigin, SuggestionState
from connector.storage.tables.columns import Declared, EnumText, Id, UtcDateTime, one_of

_MANUFACTURERS = text("kind = 'manufacturer'")
_MODELS = text("kind = 'model'")
_SITES = text("kind = 'site'")
_SITES_OF_ALL = text("kind = 'site' AND source_id IS NULL")

FITS_KIND = (
    "(kind = 'manufacturer' AND manufacturer_key IS NOT NULL AND product_id IS NULL AND site_id IS NULL"
    " AND hub_id IS NULL AND source_id IS NULL) OR "
    "(kind = 'model' AND manufacturer_key IS NOT NULL AND product_id IS NOT NULL AND site_id IS NULL"
    " AND hub_id IS NULL AND source_id IS NULL) OR "
    "(kind = 'site' AND manufacturer_key IS NULL AND product_id IS NULL AND (site_id IS NULL) <> (hub_id IS NULL))"
)
"""What an alias of each kind has."""


class NameAlias(Declared, table=True):
    """A name that stands for something. name: as people write it; alias_key: the same folded, for matching.

    manufacturer_key: of a manufacturer's alias what it stands for, of a model's alias within which manufacturer it
    holds. product_id, site_id, hub_id: what it stands for. source_id: the one source whose places it names; NULL for
    all.
    """

    __tablename__: ClassVar[str] = "name_alias"
    __table_args__ = (
        Index(
            "uq_name_alias_manufacturer",
            "alias_key",
            unique=True,
            sqlite_where=_MANUFACTURERS,
            postgresql_where=_MANUFACTURERS,
        ),
        Index(
            "uq_name_alias_model",
            "alias_key",
            "manufacturer_key",
            unique=True,
            sqlite_where=_MODELS,
            postgresql_where=_MODELS,
        ),
        Index(
            "uq_name_alias_site", "alias_key", "source_id", unique=True, sqlite_where=_SITES, postgresql_where=_SITES
        ),
        Index(
            "uq_name_alias_site_of_all",
            "alias_key",
            unique=True,
            sqlite_where=_SITES_OF_ALL,
            postgresql_where=_SITES_OF_ALL,
        ),
        one_of("kind", AliasKind),
        one_of("origin", AliasOrigin),
        CheckConstraint(FITS_KIND, name="fits_kind"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    kind: AliasKind = Field(sa_type=EnumText(AliasKind))
    name: str
    alias_key: str
    manufacturer_key: str | None = None
    product_id: int | None = Field(default=None, foreign_key="product.id", index=True, sa_type=Id)
    site_id: int | None = Field(default=None, foreign_key="site.id", index=True, sa_type=Id)
    hub_id: int | None = Field(default=None, foreign_key="hub.id", index=True, sa_type=Id)
    source_id: int | None = Field(default=None, foreign_key="source.id", sa_type=Id)
    origin: AliasOrigin = Field(sa_type=EnumText(AliasOrigin))
    reason: str | None = None
    created_by: str
    created_at: datetime = Field(sa_type=UtcDateTime)


class AliasSuggestion(Declared, table=True):
    """Two names that may be of one thing: the alias that would make them one, how likely it is, and why.

    pair: names both sides, so that a suggestion is made once, whatever became of it. name, alias_key,
    manufacturer_key, product_id, site_id, hub_id, source_id: as the alias would have them. double_product_id,
    double_site_id: what carries the other name now, NULL where nothing does. score: 0 to 100. evidence: for people.
    """

    __tablename__: ClassVar[str] = "alias_suggestion"
    __table_args__ = (
        Index("ix_alias_suggestion_state", "state", "kind"),
        one_of("kind", AliasKind),
        one_of("state", SuggestionState),
        CheckConstraint("score BETWEEN 0 AND 100", name="score_in_percent"),
        CheckConstraint(FITS_KIND, name="fits_kind"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    pair: str = Field(unique=True)
    kind: AliasKind = Field(sa_type=EnumText(AliasKind))
    state: SuggestionState = Field(default=SuggestionState.OPEN, sa_type=EnumText(SuggestionState))
    score: int
    evidence: str
    name: str
    alias_key: str
    manufacturer_key: str | None = None
    product_id: int | None = Field(default=None, foreign_key="product.id", index=True, sa_type=Id)
    site_id: int | None = Field(default=None, foreign_key="site.id", index=True, sa_type=Id)
    hub_id: int | None = Field(default=None, foreign_key="hub.id", index=True, sa_type=Id)
    source_id: int | None = Field(default=None, foreign_key="source.id", sa_type=Id)
    double_product_id: int | None = Field(default=None, foreign_key="product.id", index=True, sa_type=Id)
    double_site_id: int | None = Field(default=None, foreign_key="site.id", index=True, sa_type=Id)
    reason: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
