"""The records that measures look at: which rows, which of them count, and what they belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Text,
    and_,
    cast,
    func,
    literal,
    null,
    select,
    true,
    union_all,
)

from connector.model.kinds import SuggestionState, Tracking
from connector.model.lifecycle import TICKET_OPEN, AssetState, ReviewState
from connector.model.refs import EntityKind
from connector.storage.query import ENTITIES, EVERYTHING, Sight
from connector.storage.tables import alias_suggestion, identity_review, product, quarantine, site, source_ref

GONE: Final = frozenset({AssetState.RETIRED, AssetState.DISPOSED, AssetState.LOST})
"""States of devices that do not count any more."""
_NOWHERE: Final[ColumnElement[Any]] = cast(null(), BigInteger)
"""Of records that belong to no site, or to no product."""


@dataclass(frozen=True, slots=True)
class Base:
    """The records of an entity as measures look at them: joined rows, which of them count, and what they belong to.

    source_id: of records that belong to one source; None where references of sources say who has them.
    """

    rows: FromClause
    id: ColumnElement[int]
    counts: ColumnElement[bool]
    label: ColumnElement[str]
    site_id: ColumnElement[Any]
    product_id: ColumnElement[Any]
    source_id: ColumnElement[int] | None = None


class Tables:
    """The rows of entities that are there for somebody, the same alias each time."""

    def __init__(self, sight: Sight = EVERYTHING) -> None:
        self._sight = sight
        self._tables: dict[str, FromClause] = {}

    def table(self, entity: str) -> FromClause:
        """The rows of an entity that are there."""
        if entity not in self._tables:
            self._tables[entity] = self.other(entity)
        return self._tables[entity]

    def other(self, entity: str) -> FromClause:
        """The same as another alias, to be looked into for one row of the first."""
        return self._sight.rows(ENTITIES[entity])

    def hidden_of(self, entity: str) -> frozenset[str]:
        """The names of its columns that are kept from whoever looks."""
        return self._sight.hidden_of(ENTITIES[entity])


def _asset(tables: Tables) -> Base:
    rows = tables.table("asset").c
    return Base(
        rows=tables.table("asset"),
        id=rows.id,
        counts=and_(rows.retired_at.is_(None), rows.state.not_in(GONE)),
        label=func.coalesce(rows.name, rows.serial, rows.asset_tag, cast(rows.id, Text)),
        site_id=rows.site_id,
        product_id=rows.product_id,
    )


def _product(tables: Tables) -> Base:
    rows = tables.table("product").c
    return Base(
        rows=tables.table("product"),
        id=rows.id,
        counts=rows.retired_at.is_(None),
        label=rows.manufacturer + " " + rows.model,
        site_id=_NOWHERE,
        product_id=rows.id,
    )


def _site(tables: Tables) -> Base:
    rows = tables.table("site").c
    return Base(
        rows=tables.table("site"),
        id=rows.id,
        counts=rows.retired_at.is_(None),
        label=func.coalesce(rows.code, rows.name),
        site_id=rows.id,
        product_id=_NOWHERE,
    )


def _stock(tables: Tables) -> Base:
    rows, hub, model = (tables.table(name) for name in ("stock", "hub", "product"))
    joined = rows.join(hub, hub.c.id == rows.c.hub_id).join(model, model.c.id == rows.c.product_id)
    return Base(
        rows=joined,
        id=rows.c.id,
        counts=rows.c.tracking == Tracking.SERIALISED,
        label=func.coalesce(hub.c.code, hub.c.name) + ": " + model.c.manufacturer + " " + model.c.model,
        site_id=_NOWHERE,
        product_id=rows.c.product_id,
    )


def _ticket(tables: Tables) -> Base:
    rows, asset = tables.table("ticket"), tables.other("asset")
    return Base(
        rows=rows.outerjoin(asset, asset.c.id == rows.c.asset_id),
        id=rows.c.id,
        counts=and_(rows.c.retired_at.is_(None), rows.c.state.in_(TICKET_OPEN)),
        label=rows.c.number,
        site_id=func.coalesce(rows.c.site_id, asset.c.site_id),
        product_id=func.coalesce(asset.c.product_id, rows.c.product_id),
        source_id=rows.c.source_id,
    )


def _waiting(kind: EntityKind | None, waiting: Any, label: ColumnElement[str], detail: ColumnElement[str]) -> Base:
    """Records that wait, and what sources have that does not: of a kind, or of all."""
    refs = source_ref.c
    waits = select(
        waiting.c.id, waiting.c.source_id, label.label("label"), detail.label("detail"), literal(1).label("waits")
    ).where(waiting.c.resolved_at.is_(None) if waiting is quarantine else waiting.c.state == ReviewState.OPEN)
    has = select(
        refs.id, refs.source_id, refs.external_id.label("label"), cast(null(), Text).label("detail"), literal(0)
    ).where(refs.deleted_at.is_(None), refs.entity_id.is_not(None), *([refs.kind == kind] if kind else ()))
    rows = union_all(waits, has).subquery("waiting")
    return Base(
        rows=rows, id=rows.c.id, counts=true(), label=rows.c.label, site_id=_NOWHERE, product_id=_NOWHERE,
        source_id=rows.c.source_id,
    )  # fmt: skip


def _suggested(_: Tables) -> Base:
    """Suggestions that wait, and the things that names stand for."""
    suggested, things = alias_suggestion.c, []
    for table, label in (
        (product, product.c.manufacturer + " " + product.c.model),
        (site, func.coalesce(site.c.code, site.c.name)),
    ):
        known = select(table.c.id, label.label("label"), cast(null(), Text).label("detail"), literal(0).label("waits"))
        things.append(known.where(table.c.retired_at.is_(None)))
    waits = select(suggested.id, suggested.name.label("label"), suggested.evidence.label("detail"), literal(1))
    rows = union_all(*things, waits.where(suggested.state == SuggestionState.OPEN)).subquery("suggested")
    return Base(
        rows=rows, id=rows.c.id, counts=true(), label=rows.c.label, site_id=_NOWHERE, product_id=_NOWHERE
    )  # fmt: skip


BASES: Final[Mapping[str, Callable[[Tables], Base]]] = {
    "asset": _asset,
    "product": _product,
    "site": _site,
    "stock": _stock,
    "ticket": _ticket,
    "quarantine": lambda _: _waiting(
        None, quarantine, func.coalesce(quarantine.c.external_ref, quarantine.c.stream), quarantine.c.reason
    ),
    "alias_suggestion": _suggested,
    "identity_review": lambda _: _waiting(
        EntityKind.ASSET,
        identity_review,
        func.coalesce(identity_review.c.name, identity_review.c.external_id),
        identity_review.c.reason,
    ),
}
