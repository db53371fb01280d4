"""What the measures came to day by day, and what products and sites come to since the last one.

A day is measured once by the schedule and as often as somebody asks; the last time counts. It is read in a snapshot
that no writer waits for, and written in short transactions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Table, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import InvalidInput
from connector.model.quality import DEFINITIONS, QualityMeasure, QualityScope
from connector.model.refs import EntityKind
from connector.storage.database.bulk import among, insert_rows, update_rows
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.engine import Database, reading, transaction
from connector.storage.quality.measuring import Count, Within, breaks_down, groups_of, scores_of
from connector.storage.quality.populations import Probes, Terms
from connector.storage.tables import product, quality_measure, site

SCORE: Final = "score"
"""The measure under which days keep the scores of products and sites."""
HUB: Final = 0
"""Id of the hub as a whole."""
MEASURER: Final = "data-quality"
"""Who changes the percent of products and sites, in the log."""
LONGEST_TREND: Final = 3_650
"""Days, as long as they may be kept."""
QUALITY_LOCK: Final = 0x5155414C
"""Advisory lock on PostgreSQL: one writes a day at a time."""

_AT_ONCE: Final = 1_000
_BY: Final = (QualityScope.SOURCE, QualityScope.SITE, QualityScope.PRODUCT)
_SCORED: Final[Mapping[QualityScope, tuple[EntityKind, Table]]] = {
    QualityScope.PRODUCT: (EntityKind.PRODUCT, product),
    QualityScope.SITE: (EntityKind.SITE, site),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """What measuring a day did. rows: of the day; rescored: products and sites that come to something else now."""

    day: date
    rows: int
    rescored: int


@dataclass(frozen=True, slots=True)
class Day:
    """What a measure came to on a day; records is None for a site or product that had no defect of it then."""

    day: date
    defects: int
    records: int | None


@dataclass(slots=True)
class _Reading:
    """What was read of a day: rows to keep, scores and defects by product and by site."""

    rows: list[dict[str, Any]]
    scores: dict[QualityScope, dict[int, Count]]
    defects: dict[QualityScope, dict[int, dict[str, int]]]


@dataclass(frozen=True, slots=True)
class Measuring:
    """How data quality is measured. confirmed_for: see `Terms`. kept: how long days are."""

    confirmed_for: timedelta = timedelta(days=30)
    kept: timedelta = timedelta(days=400)

    def terms(self, at: datetime) -> Terms:
        """On which terms it is measured at a moment."""
        return Terms(at, self.confirmed_for)


MEASURING: Final = Measuring()
"""As it is done where nothing is configured."""


def day_of(at: datetime) -> date:
    """The day, in UTC, that a moment is counted for."""
    return at.astimezone(UTC).date()


async def measure_day(database: Database, terms: Terms, *, kept: timedelta) -> Measured:
    """Measure the day of `terms.at`, in place of what was measured of it before; forget days older than `kept`."""
    day = day_of(terms.at)
    async with reading(database) as tx:
        found = await _read(tx, terms, day)
    async with transaction(database) as tx:
        if tx.dialect.name == "postgresql":
            await tx.execute(select(func.pg_advisory_xact_lock(QUALITY_LOCK)))
        c = quality_measure.c
        await tx.execute(delete(quality_measure).where((c.day == day) | (c.day < day - kept)))
        await insert_rows(tx, quality_measure, found.rows)
    rescored = 0
    for scope in _SCORED:
        ids = sorted(found.scores[scope])
        for first in range(0, len(ids), _AT_ONCE):
            async with transaction(database) as tx:
                rescored += await _rescore(tx, scope, ids[first : first + _AT_ONCE], found, at=terms.at)
    return Measured(day, len(found.rows), rescored)


async def measure_if_due(database: Database, terms: Terms, *, kept: timedelta) -> Measured | None:
    """Measure the day unless that was done; None then."""
    async with reading(database) as tx:
        if await last_day(tx) == day_of(terms.at):
            return None
    return await measure_day(database, terms, kept=kept)


async def last_day(tx: AsyncConnection) -> date | None:
    """The day that was measured last; None before the first."""
    c = quality_measure.c
    found: date | None = (
        await tx.execute(select(func.max(c.day)).where(c.scope_kind == QualityScope.ALL, c.scope_id == HUB))
    ).scalar_one()
    return found


@dataclass(frozen=True, slots=True)
class TrendOf:
    """Of what a trend is told: of the hub, a source, a site or a product."""

    scope: QualityScope
    id: int

    @classmethod
    def within(cls, within: Within) -> TrendOf:
        """That which a question is narrowed to. Raises InvalidInput for what no days are kept of."""
        stated = {
            QualityScope.SOURCE: within.source_id,
            QualityScope.SITE: within.site_id,
            QualityScope.PRODUCT: within.product_id,
        }
        narrowed = [(scope, key) for scope, key in stated.items() if key is not None]
        if len(narrowed) > 1 or within.manufacturer is not None:
            raise InvalidInput("a trend is kept of the hub, of a source, of a site or of a product", hint="Name one.")
        return cls(*narrowed[0]) if narrowed else WHOLE_HUB

    @property
    def measures(self) -> tuple[QualityMeasure | None, ...]:
        """What is kept of it; None for the score."""
        score: tuple[None, ...] = (None,) if self.scope in _SCORED else ()
        return *score, *(each for each in DEFINITIONS if breaks_down(each, self.scope))


WHOLE_HUB: Final = TrendOf(QualityScope.ALL, HUB)


async def trends_of(
    tx: AsyncConnection,
    measures: Collection[QualityMeasure | None],
    *,
    days: int,
    until: date,
    of: TrendOf = WHOLE_HUB,
) -> dict[QualityMeasure | None, list[Day]]:
    """The last days that were measured, at most so many calendar days back, the oldest first, by measure.

    measures: None among them for the score, which products and sites have.
    """
    c = quality_measure.c
    since = date.fromordinal(max(1, until.toordinal() - min(days, LONGEST_TREND) + 1))
    is_within = c.day.between(since, until)
    anchor = (c.scope_kind == QualityScope.ALL, c.scope_id == HUB, c.measure == next(iter(DEFINITIONS)).value)
    every = (await tx.execute(select(c.day).where(*anchor, is_within).order_by(c.day))).scalars().all()
    names = {measure: SCORE if measure is None else measure.value for measure in measures}
    own = (c.scope_kind == of.scope, c.scope_id == of.id, c.measure.in_(names.values()))
    rows = await tx.execute(select(c.measure, c.day, c.defects, c.records).where(*own, is_within))
    found = {(row[0], row[1]): (row[2], row[3]) for row in rows}
    return {measure: [Day(day, *found.get((name, day), (0, None))) for day in every] for measure, name in names.items()}


async def _read(tx: AsyncConnection, terms: Terms, day: date) -> _Reading:
    probes = Probes(terms)
    found = _Reading([], {}, {scope: defaultdict(dict) for scope in _SCORED})
    for measure, definition in DEFINITIONS.items():
        [whole] = await groups_of(tx, probes, measure, QualityScope.ALL)
        found.rows.append(_row(day, measure.value, QualityScope.ALL, HUB, whole.count))
        for by in (by for by in _BY if breaks_down(measure, by)):
            for group in await groups_of(tx, probes, measure, by):
                if group.id is None or not (group.count.defects or by is QualityScope.SOURCE):
                    continue
                found.rows.append(_row(day, measure.value, by, group.id, group.count))
                if definition.scores and by in found.defects:
                    found.defects[by][group.id][measure.value] = group.count.defects
    for by in _SCORED:
        found.scores[by] = await scores_of(tx, probes, by)
        found.rows += [_row(day, SCORE, by, key, count) for key, count in found.scores[by].items()]
    return found


def _row(day: date, measure: str, scope: QualityScope, scope_id: int, count: Count) -> dict[str, Any]:
    return {
        "scope_kind": scope,
        "scope_id": scope_id,
        "measure": measure,
        "day": day,
        "defects": count.defects,
        "records": count.records,
    }


async def _rescore(
    tx: AsyncConnection, scope: QualityScope, ids: Collection[int], found: _Reading, *, at: datetime
) -> int:
    """Write down what products or sites come to, where it is something else, so that who waits for it is told."""
    kind, table = _SCORED[scope]
    c = table.c
    statement = select(c.id, c.data_quality, c.data_defects).where(among(tx, c.id, ids)).order_by(c.id)
    before = (await tx.execute(statement.with_for_update(key_share=True))).all()
    changed = list(_changed(before, found.scores[scope], found.defects[scope]))
    await update_rows(
        tx, table, [{"id": key, "data_quality": new[0], "data_defects": new[1]} for key, _, new in changed]
    )
    changes = [NewChange(kind, key, "updated", _fields(old, new)) for key, old, new in changed]
    await log_changes(tx, changes, actor=MEASURER, at=at)
    return len(changed)


def _fields(old: tuple[Any, ...], new: tuple[Any, ...]) -> dict[str, tuple[Any, Any]]:
    pairs = zip(("data_quality", "data_defects"), old, new, strict=True)
    return {name: (before, after) for name, before, after in pairs if before != after}


def _changed(
    before: Sequence[Any], scores: Mapping[int, Count], defects: Mapping[int, Mapping[str, int]]
) -> Iterator[tuple[int, tuple[Any, ...], tuple[Any, ...]]]:
    for key, *old in before:
        new = scores[key].percent, dict(defects.get(key, {}))
        if tuple(old) != new:
            yield key, tuple(old), new
