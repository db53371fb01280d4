"""To which regions things belong, and what is there for somebody who is limited to some of them.

Every entity says in `BELONGING` by which way it belongs to regions. What lies outside is left out where rows are read,
and keys that lead outside read as missing, so that no list, count, group, filter or relation tells that it exists.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache
from typing import Any, Final, TypeAlias, assert_never

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Table,
    and_,
    case,
    false,
    func,
    not_,
    null,
    or_,
    select,
    true,
    type_coerce,
)

from connector.storage.query.entities import ENTITIES
from connector.storage.query.entity import Entity, Expression, ToMany, ToOne


class Ground(Enum):
    """The simple cases. EVERYBODYS: it belongs to no region. OWN: its column `region` says it.

    HUB_WIDE: it is about all regions, so only those who are not limited see it.
    """

    EVERYBODYS = "everybodys"
    OWN = "own"
    HUB_WIDE = "hub_wide"


@dataclass(frozen=True, slots=True)
class Through:
    """It belongs where one of these relations to one thing leads; nowhere when none leads anywhere.

    hidden: columns that tell of hubs everywhere; they read as missing.
    """

    relations: tuple[str, ...]
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Whole:
    """It is seen where every one of the things of this relation is, and there is one. hidden: as in `Through`."""

    relation: str
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ReferredTo:
    """It belongs where things of an entity do whose key column names it."""

    entity: str
    key: str


Belonging: TypeAlias = Ground | Through | Whole | ReferredTo

BELONGING: Final[Mapping[str, Belonging]] = {
    "service_class": Ground.EVERYBODYS,
    "site": Ground.OWN,
    "hub": Ground.OWN,
    "policy": Ground.EVERYBODYS,
    "policy_activation": Ground.EVERYBODYS,
    "product": Ground.EVERYBODYS,
    "compatibility": Ground.EVERYBODYS,
    "kit": Ground.EVERYBODYS,
    "kit_component": Ground.EVERYBODYS,
    "asset": Through(("site", "hub")),
    "stock": Through(("hub",)),
    "ticket": Through(("site",)),
    "ticket_link": Through(("ticket",)),
    "decision": Through(("ticket",), hidden=frozenset({"explanation", "grounds"})),
    "reservation": Through(("ticket", "hub", "site", "to_hub")),
    "procurement": Through(("ticket", "hub", "site")),
    "loan": Through(("ticket", "hub", "site")),
    "rma": Through(("ticket", "hub", "site")),
    "replenishment": Through(("hub",), hidden=frozenset({"explanation"})),
    "shipment": Through(("ticket", "hub", "site", "to_hub")),
    "shipment_event": Through(("shipment",)),
    "document": ReferredTo("shipment", "label_document_id"),
    "recovery": Through(("ticket",)),
    "incident_group": Whole("members"),
    "incident_group_ticket": Through(("ticket",)),
    "rollout": Whole("lines", hidden=frozenset({"plan"})),
    "rollout_line": Through(("site", "hub")),
    "approval": Through(("ticket",)),
    "approval_vote": Through(("approval",)),
    "task": Through(("ticket", "hub", "reservation", "shipment", "approval")),
    "delegation": Ground.EVERYBODYS,
    "red_channel": Ground.HUB_WIDE,
    "source": Ground.EVERYBODYS,
    "source_stream": Ground.EVERYBODYS,
    "quarantine": Ground.HUB_WIDE,
}
"""Entity -> how it belongs to regions. A site, a hub or a ticket whose region nobody knows lies in none."""


RAW: Final = "raw_"
"""What columns begin with that hold a key wherever it leads, for joining with what is there."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is there for somebody. regions: what they are limited to, None for everything."""

    regions: frozenset[str] | None = None

    @property
    def is_limited(self) -> bool:
        """Whether something may be left out."""
        return self.regions is not None

    def rows(self, entity: Entity) -> FromClause:
        """The entity's rows that are there, keys and documents as somebody reads them who has this sight.

        A new alias each time; without a limit it is one of the table itself.
        """
        return self._source(entity).alias()

    def rows_at(self, entity: Entity, depth: int) -> FromClause:
        """The same for a level of a statement: always the same alias. Levels side by side do not see each other."""
        return _rows_at(self, entity.name, depth)

    def _source(self, entity: Entity) -> Table | CTE:
        if self.regions is None or (BELONGING[entity.name] is Ground.EVERYBODYS and not _guarded(entity)):
            return entity.table
        return _rows(self.regions, entity.name)


EVERYTHING: Final = Sight()


def joining_key(entity: Entity, name: str, source: FromClause) -> Expression:
    """The key column of that name as it is kept, whether or not what it leads to is there; an index serves it."""
    column = entity.columns[name].name
    raw: Expression = source.c[f"{RAW}{column}" if f"{RAW}{column}" in source.c else column]
    return raw


@lru_cache(maxsize=1_000)
def _rows_at(sight: Sight, entity: str, depth: int) -> FromClause:
    """Made once since all columns are copied. Names of views are those of a whole statement, so they say of what."""
    rows = sight._source(ENTITIES[entity])
    return rows.alias(f"t{depth}" if isinstance(rows, Table) else f"{entity}_t{depth}")


@lru_cache(maxsize=1_000)
def _rows(regions: frozenset[str], entity: str) -> CTE:
    """The rows that are there, as a view that is written once in a statement.

    Written out at every place, tests within tests are deeper than SQLite's parser goes. Views are looked into row by
    row, so they must not be worked out as a whole.
    """
    known = ENTITIES[entity]
    guarded, belonging = _guarded(known), BELONGING[entity]
    hidden = belonging.hidden if isinstance(belonging, Through | Whole) else frozenset()
    columns: list[ColumnElement[Any]] = []
    for column in known.table.c:
        if column.name in hidden:
            columns.append(type_coerce(null(), column.type).label(column.name))
        elif column.name in guarded:
            tests = [_leads(regions, known.table, relation) for relation in guarded[column.name]]
            columns += [case((and_(*tests), column)).label(column.name), column.label(f"{RAW}{column.name}")]
        else:
            columns.append(column)
    return select(*columns).where(_is_there(regions, entity)).cte(f"rows_{entity}").prefix_with("NOT MATERIALIZED")


@lru_cache(maxsize=1_000)
def _seen(regions: frozenset[str], entity: str) -> CTE:
    """The ids of what is there, to be looked into by id."""
    there = select(ENTITIES[entity].table.c.id).where(_is_there(regions, entity))
    return there.cte(f"seen_{entity}").prefix_with("NOT MATERIALIZED")


def _is_there(regions: frozenset[str], entity: str) -> ColumnElement[bool]:
    known = ENTITIES[entity]
    table = known.table
    match BELONGING[entity]:
        case Ground.EVERYBODYS:
            return true()
        case Ground.HUB_WIDE:
            return false()
        case Ground.OWN:
            return func.coalesce(table.c.region.in_(sorted(regions)), false())
        case Through(relations):
            return or_(*(_leads(regions, table, _to_one(known, name)) for name in relations))
        case Whole(name):
            part = _to_many(known, name)
            parts = ENTITIES[part.target].table.alias()
            own = parts.c[part.key] == table.c.id
            there = _names(regions, parts.c.id, part.target)
            some = select(parts.c.id).where(own).correlate(table).exists()
            return and_(some, not_(select(parts.c.id).where(own, not_(there)).correlate(table).exists()))
        case ReferredTo(name, key):
            named = ENTITIES[name].table.alias()
            own = named.c[key] == table.c.id
            return select(named.c.id).where(own, _names(regions, named.c.id, name)).correlate(table).exists()
        case _ as never:
            assert_never(never)


def _leads(regions: frozenset[str], source: FromClause, relation: ToOne) -> ColumnElement[bool]:
    """What the relation leads to is there."""
    return _names(regions, source.c[relation.key], relation.target)


def _names(regions: frozenset[str], key: ColumnElement[Any], entity: str) -> ColumnElement[bool]:
    """The key is the id of something that is there."""
    seen = _seen(regions, entity).alias()
    return select(seen.c.id).where(seen.c.id == key).correlate_except(seen).exists()


@cache
def _guarded_of(entity: str) -> Mapping[str, tuple[ToOne, ...]]:
    known, found = ENTITIES[entity], defaultdict[str, tuple[ToOne, ...]](tuple)
    for name, relation in known.relations.items():
        if isinstance(relation, ToOne) and not _is_sure(known, name):
            found[known.columns[relation.key].name] += (relation,)
    return dict(found)


def _guarded(entity: Entity) -> Mapping[str, tuple[ToOne, ...]]:
    """Key columns that may lead to what is not there, and the relations that follow them."""
    return _guarded_of(entity.name)


def _is_sure(entity: Entity, name: str) -> bool:
    """Whether what the relation leads to is there whenever the row is."""
    relation, belonging = _to_one(entity, name), BELONGING[entity.name]
    if BELONGING[relation.target] is Ground.EVERYBODYS:
        return True
    return isinstance(belonging, Through) and belonging.relations == (name,)


def _to_one(entity: Entity, name: str) -> ToOne:
    relation = entity.relations[name]
    if not isinstance(relation, ToOne):
        raise TypeError(f"{entity.name}.{name} leads to many things: say Whole")
    return relation


def _to_many(entity: Entity, name: str) -> ToMany:
    relation = entity.relations[name]
    if not isinstance(relation, ToMany):
        raise TypeError(f"{entity.name}.{name} leads to one thing: say Through")
    return relation
