"""What each measure looks at, as SQL of both databases: which records it is about, and which of them have the defect.

The definitions in words are `connector.model.quality.DEFINITIONS`. A population is built over what somebody sees
(`Sight`), so that neither a count nor a list tells of what lies outside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Text,
    and_,
    cast,
    distinct,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    true,
)

from connector.model.kinds import GoldenReason, Tracking
from connector.model.lifecycle import AssetState
from connector.model.quality import DEFINITIONS, QualityMeasure
from connector.model.refs import EntityKind
from connector.rules.golden.fields import FIELDS
from connector.storage.quality.bases import BASES, GONE, Base, Tables
from connector.storage.query import EVERYTHING, Sight
from connector.storage.query.sight import AS_SENT
from connector.storage.query.telling import QUARANTINED, Column
from connector.storage.tables import (
    field_conflict,
    name_alias,
    source,
    source_ref,
)

PLACED: Final = frozenset(
    {
        AssetState.DEPLOYED,
        AssetState.IN_STOCK,
        AssetState.RESERVED,
        AssetState.QUARANTINED,
        AssetState.WIPING,
        AssetState.INSPECTION,
    }
)
"""States of devices that are somewhere."""
ON_THE_SHELF: Final = frozenset({AssetState.IN_STOCK, AssetState.RESERVED})


@dataclass(frozen=True, slots=True)
class Terms:
    """When it is measured, and for how long a device counts as confirmed after a source was read."""

    at: datetime
    confirmed_for: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Probe:
    """One measure on its base. applies: to which records; defect: which have it; detail: what of them, for people."""

    base: Base
    applies: ColumnElement[bool]
    defect: ColumnElement[bool]
    detail: ColumnElement[Any]

    @property
    def is_flawed(self) -> ColumnElement[bool]:
        """Whether a record of the base has the defect."""
        return and_(self.applies, self.defect)


class Probes(Tables):
    """The measures as somebody sees the records.

    Bases are made once each, so that several measures can be asked of one row.
    """

    def __init__(self, terms: Terms, sight: Sight = EVERYTHING) -> None:
        super().__init__(sight)
        self._terms = terms
        self._bases: dict[str, Base] = {}

    @property
    def seen(self) -> tuple[QualityMeasure, ...]:
        """The measures that somebody may be told: those that look at nothing that is kept from them."""
        return tuple(measure for measure in DEFINITIONS if self._is_seen(measure))

    def _is_seen(self, measure: QualityMeasure) -> bool:
        entity = DEFINITIONS[measure].entity
        if self._sight.is_limited and entity in _HUB_WIDE:
            return False
        if entity in AS_SENT and QUARANTINED in self._sight.hidden:
            return False
        return not (READS[measure] & self._sight.hidden)

    def probe(self, measure: QualityMeasure) -> Probe:
        """The measure."""
        return _PROBES[measure](self)

    def base(self, entity: str) -> Base:
        """The records of an entity."""
        if entity not in self._bases:
            self._bases[entity] = BASES[entity](self)
        return self._bases[entity]

    @property
    def confirmed_since(self) -> datetime:
        """Sources that were read since then confirm what they have."""
        return self._terms.at - self._terms.confirmed_for


_HUB_WIDE: Final = frozenset({"quarantine", "identity_review", "alias_suggestion"})
"""Entities whose records belong to no region."""

_ASSET = ("state", "retired_at", "name", "serial", "asset_tag", "product_id", "site_id", "hub_id")


def _columns(entity: str, *names: str) -> frozenset[Column]:
    return frozenset((entity, name) for name in names)


READS: Final[Mapping[QualityMeasure, frozenset[Column]]] = {
    measure: {
        "asset": _columns("asset", *_ASSET) | _columns("product", "manufacturer", "model", "tracking"),
        "product": _columns("product", "manufacturer", "model"),
        "site": _columns("site", "name", "latitude", "longitude", "time_zone", "address"),
        "stock": _columns("stock", "on_hand", "tracking", "lane") | _columns("asset", "state", "hub_id"),
        "ticket": _columns("ticket", "number", "asset_id", "site_id", "asset_hint", "site_hint", "state"),
        "quarantine": _columns("quarantine", "reason", "external_ref"),
        "identity_review": _columns("asset", *_ASSET),
        "alias_suggestion": _columns("product", "manufacturer", "model") | _columns("site", "name"),
    }[definition.entity]
    for measure, definition in DEFINITIONS.items()
}
"""Columns that a measure looks at: whoever does not read one of them is not told the measure."""


def _named(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a text is stated."""
    return and_(column.is_not(None), column != literal(""))


def _has_reference(kind: EntityKind, key: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a source has the thing with this id."""
    ref = source_ref.alias().c
    return select(ref.id).where(ref.kind == kind, ref.entity_id == key, ref.deleted_at.is_(None)).exists()


def _is_confirmed(key: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a source has the product with this id in its catalogue, or somebody let a name stand for it."""
    alias = name_alias.alias().c
    return or_(_has_reference(EntityKind.PRODUCT, key), select(alias.id).where(alias.product_id == key).exists())


def _without_serial(probes: Probes) -> Probe:
    base, rows, model = probes.base("asset"), probes.table("asset").c, probes.other("product")
    is_counted = (
        select(model.c.id)
        .where(model.c.id == rows.product_id, model.c.tracking == Tracking.COUNTED)
        .correlate(probes.table("asset"))
        .exists()
    )
    applies = and_(rows.state != AssetState.ORDERED, not_(is_counted))
    return Probe(base, applies, not_(_named(rows.serial)), null())


def _of_unknown_model(probes: Probes) -> Probe:
    rows, model = probes.table("asset").c, probes.other("product")
    name = select(model.c.manufacturer + " " + model.c.model).where(model.c.id == rows.product_id)
    defect = or_(rows.product_id.is_(None), not_(_is_confirmed(rows.product_id)))
    return Probe(probes.base("asset"), true(), defect, name.correlate(probes.table("asset")).scalar_subquery())


def _without_place(probes: Probes) -> Probe:
    rows = probes.table("asset").c
    defect = and_(rows.site_id.is_(None), rows.hub_id.is_(None))
    return Probe(probes.base("asset"), rows.state.in_(PLACED), defect, cast(rows.state, Text))


def _not_confirmed(probes: Probes) -> Probe:
    rows, ref, its = probes.table("asset").c, source_ref.alias().c, source.alias().c
    confirmed = select(ref.id).where(
        ref.kind == EntityKind.ASSET,
        ref.entity_id == rows.id,
        ref.deleted_at.is_(None),
        its.id == ref.source_id,
        its.last_success_at >= probes.confirmed_since,
    )
    return Probe(probes.base("asset"), true(), not_(confirmed.exists()), null())


def _in_conflict(kind: EntityKind, probes: Probes) -> Probe:
    base, conflict, ref = probes.base(kind.value), field_conflict.alias().c, source_ref.alias().c
    kept = probes.hidden_of(kind.value)
    untold = [field.name for field in FIELDS[kind].values() if not kept.isdisjoint(field.columns)]
    differs = and_(
        conflict.kind == kind,
        conflict.entity_id == base.id,
        conflict.reason != GoldenReason.OVERRIDE,
        conflict.field.not_in(untold),
    )
    has = and_(ref.kind == kind, ref.entity_id == base.id, ref.deleted_at.is_(None))
    sources = select(func.count(distinct(ref.source_id))).where(has).correlate(probes.table(kind.value))
    is_in_conflict = select(conflict.id).where(differs).exists()
    fields = select(func.aggregate_strings(conflict.field, ", ")).where(differs).correlate(probes.table(kind.value))
    return Probe(base, or_(sources.scalar_subquery() > 1, is_in_conflict), is_in_conflict, fields.scalar_subquery())


def _duplicate(column: str, probes: Probes) -> Probe:
    """Devices that share a serial, of one maker, or an asset tag."""
    rows, other = probes.table("asset"), probes.other("asset")
    same = [
        other.c[column] == rows.c[column],
        other.c.id != rows.c.id,
        other.c.retired_at.is_(None),
        other.c.state.not_in(GONE),
    ]
    if column == "serial":
        mine, its = probes.other("product"), probes.other("product")
        makers = [
            func.coalesce(
                select(of.c.manufacturer_key).where(of.c.id == device.c.product_id).correlate(device).scalar_subquery(),
                "",
            )
            for of, device in ((mine, rows), (its, other))
        ]
        same.append(makers[0] == makers[1])
    twin = select(other.c.id).where(*same).correlate(rows).exists()
    return Probe(probes.base("asset"), _named(rows.c[column]), twin, rows.c[column])


def _product_not_confirmed(probes: Probes) -> Probe:
    rows = probes.table("product").c
    return Probe(probes.base("product"), true(), not_(_is_confirmed(rows.id)), null())


def _site_lacks(defect: Callable[[Any], ColumnElement[bool]], probes: Probes) -> Probe:
    rows = probes.table("site")
    return Probe(probes.base("site"), true(), defect(rows.c), rows.c.name)


def _no_address(rows: Any) -> ColumnElement[bool]:
    return or_(*(func.coalesce(rows.address[name].as_string(), "") == literal("") for name in ("line1", "city")))


def _stock_disagrees(probes: Probes) -> Probe:
    rows, unit = probes.table("stock"), probes.other("asset")
    units = (
        select(func.count())
        .select_from(unit)
        .where(
            unit.c.hub_id == rows.c.hub_id,
            unit.c.product_id == rows.c.product_id,
            unit.c.lane == rows.c.lane,
            unit.c.state.in_(ON_THE_SHELF),
            unit.c.retired_at.is_(None),
        )
        .correlate(rows)
        .scalar_subquery()
    )
    detail = cast(rows.c.on_hand, Text) + " in the book, " + cast(units, Text) + " units"
    return Probe(probes.base("stock"), true(), rows.c.on_hand != units, detail)


def _as_text(what: str, probes: Probes) -> Probe:
    base, rows = probes.base("ticket"), probes.table("ticket").c
    hint, key = rows[f"{what}_hint"], rows[f"{what}_id"]
    found = key if what == "asset" else base.site_id
    return Probe(base, or_(key.is_not(None), _named(hint)), and_(found.is_(None), _named(hint)), hint)


def _waits(entity: str, probes: Probes) -> Probe:
    base = probes.base(entity)
    return Probe(base, true(), base.rows.c.waits == 1, base.rows.c.detail)


_M: TypeAlias = QualityMeasure
_PROBES: Final[Mapping[QualityMeasure, Callable[[Probes], Probe]]] = {
    _M.ASSET_WITHOUT_SERIAL: _without_serial,
    _M.ASSET_OF_UNKNOWN_MODEL: _of_unknown_model,
    _M.ASSET_WITHOUT_PLACE: _without_place,
    _M.ASSET_NOT_CONFIRMED: _not_confirmed,
    _M.DUPLICATE_SERIAL: partial(_duplicate, "serial"),
    _M.DUPLICATE_ASSET_TAG: partial(_duplicate, "asset_tag"),
    _M.ASSET_IN_CONFLICT: partial(_in_conflict, EntityKind.ASSET),
    _M.PRODUCT_NOT_CONFIRMED: _product_not_confirmed,
    _M.SITE_WITHOUT_COORDINATES: partial(
        _site_lacks, lambda rows: or_(rows.latitude.is_(None), rows.longitude.is_(None))
    ),
    _M.SITE_WITHOUT_TIME_ZONE: partial(_site_lacks, lambda rows: not_(_named(rows.time_zone))),
    _M.SITE_WITHOUT_ADDRESS: partial(_site_lacks, _no_address),
    _M.SITE_IN_CONFLICT: partial(_in_conflict, EntityKind.SITE),
    _M.STOCK_DISAGREES: _stock_disagrees,
    _M.TICKET_DEVICE_AS_TEXT: partial(_as_text, "asset"),
    _M.TICKET_SITE_AS_TEXT: partial(_as_text, "site"),
    _M.RECORD_IN_QUARANTINE: partial(_waits, "quarantine"),
    _M.IDENTITY_IN_REVIEW: partial(_waits, "identity_review"),
    _M.NAME_IN_QUESTION: partial(_waits, "alias_suggestion"),
}


def flawed_of(probes: Probes, entity: str) -> ColumnElement[bool]:
    """Whether a record of an entity has any of the defects that count against scores."""
    counted = [m for m in probes.seen if DEFINITIONS[m].scores and DEFINITIONS[m].entity == entity]
    return or_(*(probes.probe(measure).is_flawed for measure in counted)) if counted else false()
