"""The measures as they stand: counted, broken down, and the records behind each.

One statement each, whatever the size of the fleet; every list is a page.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    and_,
    case,
    distinct,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import InvalidInput
from connector.model.quality import DEFINITIONS, QualityDimension, QualityMeasure, QualityScope, percent_of
from connector.model.refs import EntityKind
from connector.storage.quality.populations import Probe, Probes, flawed_of
from connector.storage.tables import product, site, source, source_ref


@dataclass(frozen=True, slots=True)
class Within:
    """What a question is narrowed to. manufacturer: as `product.manufacturer_key` writes it."""

    source_id: int | None = None
    site_id: int | None = None
    product_id: int | None = None
    manufacturer: str | None = None

    @property
    def scopes(self) -> frozenset[QualityScope]:
        """What it is narrowed by."""
        stated = (
            (QualityScope.SOURCE, self.source_id),
            (QualityScope.SITE, self.site_id),
            (QualityScope.PRODUCT, self.product_id),
            (QualityScope.MANUFACTURER, self.manufacturer),
        )
        return frozenset(scope for scope, key in stated if key is not None)


HUB_WIDE: Final = Within()

_SCOPES: Final[Mapping[str, frozenset[QualityScope]]] = {
    "asset": frozenset({QualityScope.SITE, QualityScope.PRODUCT, QualityScope.MANUFACTURER}),
    "ticket": frozenset({QualityScope.SITE, QualityScope.PRODUCT, QualityScope.MANUFACTURER}),
    "product": frozenset({QualityScope.PRODUCT, QualityScope.MANUFACTURER}),
    "stock": frozenset({QualityScope.PRODUCT, QualityScope.MANUFACTURER}),
    "site": frozenset({QualityScope.SITE}),
    "quarantine": frozenset(),
    "identity_review": frozenset(),
    "alias_suggestion": frozenset(),
}

_OF_SOURCES: Final = frozenset(_SCOPES) - {"alias_suggestion"}


def breaks_down(measure: QualityMeasure, by: QualityScope) -> bool:
    """Whether records of a measure can belong to such a part: a site is of no product."""
    entity = DEFINITIONS[measure].entity
    return by is QualityScope.ALL or by in _SCOPES[entity] or (by is QualityScope.SOURCE and entity in _OF_SOURCES)


def is_about(measure: QualityMeasure, within: Within) -> bool:
    """Whether records of a measure can belong to all that a question is narrowed to."""
    return all(breaks_down(measure, scope) for scope in within.scopes)


def require_about(measure: QualityMeasure, within: Within) -> None:
    """Refuse a question that no record can answer. Raises InvalidInput naming what may be asked instead."""
    if not is_about(measure, within):
        *_, wrong = sorted(scope for scope in within.scopes if not breaks_down(measure, scope))
        may = ", ".join(by.value for by in QualityDimension if breaks_down(measure, by.scope)) or "nothing"
        raise InvalidInput(
            f"{measure.value} cannot be narrowed to a {wrong}: its records belong to none",
            hint=f"It can be narrowed by: {may}.",
        )


@dataclass(frozen=True, slots=True)
class Count:
    """How many of the records of a measure have the defect."""

    defects: int
    records: int

    @property
    def percent(self) -> int | None:
        """Of those without it, rounded down; None where there are no records."""
        return percent_of(self.defects, self.records)


@dataclass(frozen=True, slots=True)
class Group:
    """One part of a breakdown. id: of the source, site or product; None for what belongs to none, and makers.

    name: of it, for people.
    """

    id: int | None
    name: str | None
    count: Count


@dataclass(frozen=True, slots=True)
class Flawed:
    """A record behind a measure. id: of the entity that `DEFINITIONS` names. detail: what is wrong with it, if told."""

    id: int
    label: str
    detail: str | None


async def count_of(tx: AsyncConnection, probes: Probes, measure: QualityMeasure, within: Within = HUB_WIDE) -> Count:
    """What a measure comes to now."""
    rows = _looked_at(probes, measure, within)
    return Count(*map(int, (await tx.execute(select(*_counts(rows)))).one()))


async def groups_of(
    tx: AsyncConnection,
    probes: Probes,
    measure: QualityMeasure,
    by: QualityScope,
    *,
    within: Within = HUB_WIDE,
) -> list[Group]:
    """What it comes to for each source, site, product or manufacturer, those with the most defects first.

    A record that two sources have counts for both of them.
    """
    rows = _looked_at(probes, measure, within)
    statement = _grouped(rows, DEFINITIONS[measure].entity, by)
    columns = statement.selected_columns
    found = await tx.execute(statement.order_by(columns.defects.desc(), columns.name, columns.id))
    return [Group(row[0], row[1], Count(int(row[2]), int(row[3]))) for row in found]


async def records_behind(
    tx: AsyncConnection,
    probes: Probes,
    measure: QualityMeasure,
    *,
    within: Within = HUB_WIDE,
    after: int = 0,
    limit: int = 50,
) -> list[Flawed]:
    """A page of the records with the defect, by id: exactly those that are counted."""
    probe = probes.probe(measure)
    statement = (
        select(probe.base.id, probe.base.label, probe.detail)
        .select_from(probe.base.rows)
        .where(probe.base.counts, probe.is_flawed, probe.base.id > after)
        .where(*_narrowed(probe, DEFINITIONS[measure].entity, within))
        .order_by(probe.base.id)
        .limit(limit)
    )
    return [Flawed(row[0], row[1], row[2]) for row in await tx.execute(statement)]


async def scores_of(
    tx: AsyncConnection, probes: Probes, by: QualityScope, ids: Collection[int] | None = None
) -> dict[int, Count]:
    """Of each product or site how many of the records behind it have any defect that counts.

    Behind a product: itself, its devices, its shelves of serialised units. Behind a site: itself, the devices there.
    Where no measure may be told of a kind of record, those do not count either.
    """
    judged = {DEFINITIONS[measure].entity for measure in probes.seen if DEFINITIONS[measure].scores}
    parts = [_scored(probes, entity, by) for entity in _SCORED[by] if entity in judged]
    if not parts:
        return {}
    rows = union_all(*parts).subquery("scored")
    statement = select(rows.c.scope_id, func.sum(rows.c.flawed), func.count()).group_by(rows.c.scope_id)
    if ids is not None:
        statement = statement.where(rows.c.scope_id.in_(sorted(ids)))
    return {row[0]: Count(int(row[1]), int(row[2])) for row in await tx.execute(statement)}


_SCORED: Final = {
    QualityScope.PRODUCT: ("product", "asset", "stock"),
    QualityScope.SITE: ("site", "asset"),
}


def _scored(probes: Probes, entity: str, by: QualityScope) -> Select[Any]:
    base = probes.base(entity)
    scope_id = base.product_id if by is QualityScope.PRODUCT else base.site_id
    flawed = case((flawed_of(probes, entity), 1), else_=0)
    return (
        select(scope_id.label("scope_id"), flawed.label("flawed"))
        .select_from(base.rows)
        .where(base.counts, scope_id.is_not(None))
    )


def _looked_at(probes: Probes, measure: QualityMeasure, within: Within) -> Subquery:
    """The records that a measure is about, each with whether it has the defect and what it belongs to."""
    probe = probes.probe(measure)
    base = probe.base
    columns = [
        base.id.label("id"),
        case((probe.defect, 1), else_=0).label("flawed"),
        base.site_id.label("site_id"),
        base.product_id.label("product_id"),
    ]
    if base.source_id is not None:
        columns.append(base.source_id.label("source_id"))
    statement = select(*columns).select_from(base.rows).where(base.counts, probe.applies)
    return statement.where(*_narrowed(probe, DEFINITIONS[measure].entity, within)).subquery("looked_at")


def _narrowed(probe: Probe, entity: str, within: Within) -> Sequence[ColumnElement[bool]]:
    base, tests = probe.base, list[ColumnElement[bool]]()
    if within.site_id is not None:
        tests.append(base.site_id == within.site_id)
    if within.product_id is not None:
        tests.append(base.product_id == within.product_id)
    if within.manufacturer is not None:
        made = select(product.c.id).where(product.c.manufacturer_key == within.manufacturer)
        tests.append(base.product_id.in_(made))
    if within.source_id is not None and base.source_id is not None:
        tests.append(base.source_id == within.source_id)
    elif within.source_id is not None:
        ref = source_ref.alias().c
        tests.append(
            select(ref.id)
            .where(_refers(ref, entity, base.id), ref.source_id == within.source_id)
            .correlate_except(ref.id.table)
            .exists()
        )
    return tests


def _refers(ref: Any, entity: str, key: ColumnElement[Any]) -> ColumnElement[bool]:
    return and_(ref.kind == EntityKind(entity), ref.entity_id == key, ref.deleted_at.is_(None))


def _counts(rows: FromClause) -> tuple[ColumnElement[int], ColumnElement[int]]:
    return func.coalesce(func.sum(rows.c.flawed), 0).label("defects"), func.count().label("records")


def _grouped(rows: Subquery, entity: str, by: QualityScope) -> Select[Any]:
    """Id, name, defects and records of each group."""
    defects, records = _counts(rows)
    match by:
        case QualityScope.SITE:
            name = func.max(func.coalesce(site.c.code, site.c.name)).label("name")
            joined = rows.outerjoin(site, site.c.id == rows.c.site_id)
            return (
                select(rows.c.site_id.label("id"), name, defects, records).select_from(joined).group_by(rows.c.site_id)
            )
        case QualityScope.PRODUCT:
            name = func.max(product.c.manufacturer + " " + product.c.model).label("name")
            joined = rows.outerjoin(product, product.c.id == rows.c.product_id)
            key = rows.c.product_id
            return select(key.label("id"), name, defects, records).select_from(joined).group_by(key)
        case QualityScope.MANUFACTURER:
            makers = _makers()
            joined = rows.outerjoin(product, product.c.id == rows.c.product_id)
            joined = joined.outerjoin(makers, makers.c.key == product.c.manufacturer_key)
            none = literal(None, product.c.id.type).label("id")
            name = func.max(makers.c.name).label("name")
            return select(none, name, defects, records).select_from(joined).group_by(makers.c.key)
        case QualityScope.SOURCE if "source_id" in rows.c:
            joined = rows.outerjoin(source, source.c.id == rows.c.source_id)
            name, key = func.max(source.c.name).label("name"), rows.c.source_id
            return select(key.label("id"), name, defects, records).select_from(joined).group_by(key)
        case QualityScope.SOURCE:
            ref = source_ref.alias()
            joined = rows.outerjoin(ref, _refers(ref.c, entity, rows.c.id))
            joined = joined.outerjoin(source, source.c.id == ref.c.source_id)
            flawed = func.count(distinct(case((rows.c.flawed == 1, rows.c.id)))).label("defects")
            return (
                select(
                    source.c.id.label("id"), func.max(source.c.name).label("name"),
                    flawed, func.count(distinct(rows.c.id)).label("records"),
                )
                .select_from(joined)
                .group_by(source.c.id)
            )  # fmt: skip
        case _:
            key = literal(0)
            return select(key.label("id"), func.max(literal("")).label("name"), defects, records)


def _makers() -> Subquery:
    """Every manufacturer with one name, whichever of its products a measure is about."""
    key, name = product.c.manufacturer_key, product.c.manufacturer
    return select(key.label("key"), func.max(name).label("name")).group_by(key).subquery("makers")
