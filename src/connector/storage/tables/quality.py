"""How good data was, day by day."""

from datetime import date
from typing import ClassVar

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field

from connector.model.quality import QualityScope
from connector.storage.tables.columns import Declared, EnumText, Id, one_of


class QualityMeasureRow(Declared, table=True):
    """What a measure came to on a day, in UTC, for one scope: `defects` of `records`.

    measure: one of `connector.model.quality.QualityMeasure`, or `score`. scope_id: the id of source, site or product; 0
    for the hub as a whole, which has a row of every measure of a day that was measured. Sites and products have one of
    what they have defects in, and of their score.
    """

    __tablename__: ClassVar[str] = "quality_measure"
    __table_args__ = (
        Index("ix_quality_measure_day", "day"),
        one_of("scope_kind", QualityScope),
        CheckConstraint("defects >= 0 AND defects <= records", name="defects_within_records"),
    )

    scope_kind: QualityScope = Field(primary_key=True, sa_type=EnumText(QualityScope))
    scope_id: int = Field(primary_key=True, sa_type=Id)
    measure: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    defects: int
    records: int
