"""To which regions things belong, and what is there for somebody who is limited to some of them.

Every entity says in `BELONGING` by which way it belongs to regions. What lies outside is left out where rows are read,
and keys that lead outside read as missing, so that no list, count, group, filter or relation tells that it exists.
Columns that are kept from somebody read as missing in the same place, whatever asks for them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
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
    cast,
    false,
    func,
    not_,
    null,
    or_,
    select,
    true,
)

from connector.storage.facts.provenance import UNTOLD
from connector.storage.query.entities import ENTITIES
from connector.storage.query.entity import Entity, Expression, ToMany, ToOne
from connector.storage.query.telling import QUARANTINED, Column


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

    hidden: columns that tell of hubs everywhere; they read as missing. hidden_where: columns that do so in some rows:
    those in which another column, that is never null, has a value.
    """

    relations: tuple[str, ...]
    hidden: frozenset[str] = frozenset()
    hidden_where: Mapping[str, tuple[str, str]] = field(default_factory=dict)


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
    "asset_relation": Through(("asset",)),
    "field_conflict": Through(("asset", "site", "hub", "product"), hidden_where={"statements": ("field", "place")}),
    "field_override": Through(("asset", "site", "hub", "product")),
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
    "pickup": Through(("hub",)),
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
    "name_alias": Ground.HUB_WIDE,
    "alias_suggestion": Ground.HUB_WIDE,
    "source": Ground.EVERYBODYS,
    "source_stream": Ground.EVERYBODYS,
    "sync_run": Ground.EVERYBODYS,
    "sync_plan": Ground.HUB_WIDE,
    "quarantine": Ground.HUB_WIDE,
    "asset_merge": Through(("kept",)),
    "identity_review": Ground.HUB_WIDE,
    "identity_candidate": Through(("review",)),
}
"""Entity -> how it belongs to regions. A site, a hub or a ticket whose region nobody knows lies in none."""


AS_SENT: Final = frozenset({QUARANTINED[0], "identity_review", "identity_candidate"})
"""What holds records, or parts of them, as they were sent: none of it is there where some of that is hidden."""

MOST_VIEWS: Final = 50
"""Limits of which the views are remembered."""

RAW: Final = "raw_"
"""What columns begin with that hold a key wherever it leads, for joining with what is there."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is there for somebody. regions: what they are limited to, None for everything.

    hidden: columns that read as missing, and with them whatever tells them (`with_what_tells`). Records in quarantine
    are not there at all where what they hold is hidden.
    """

    regions: frozenset[str] | None = None
    hidden: frozenset[Column] = frozenset()

    @property
    def is_limited(self) -> bool:
        """Whether something may be left out."""
        return self.regions is not None

    def hidden_of(self, entity: Entity) -> frozenset[str]:
        """The names of the entity's columns that read as missing, as its table has them."""
        if not self.hidden:
            return frozenset()
        return frozenset(
            entity.columns[name].name for of, name in self.hidden if of == entity.name and name in entity.columns
        )

    def rows(self, entity: Entity) -> FromClause:
        """The entity's rows that are there, keys and documents as somebody reads them who has this sight.

        A new alias each time; without a limit it is one of the table itself.
        """
        return self._source(entity).alias()

    def rows_at(self, entity: Entity, depth: int) -> FromClause:
        """The same for a level of a statement: always the same alias. Levels side by side do not see each other."""
        return _views(self.regions, self.hidden).rows_at(entity, depth)

    def _source(self, entity: Entity) -> Table | CTE:
        return _views(self.regions, self.hidden).source(entity)


EVERYTHING: Final = Sight()


def joining_key(entity: Entity, name: str, source: FromClause) -> Expression:
    """The key column of that name as it is kept, whether or not what it leads to is there; an index serves it."""
    column = entity.columns[name].name
    raw: Expression = source.c[f"{RAW}{column}" if f"{RAW}{column}" in source.c else column]
    return raw


@lru_cache(maxsize=MOST_VIEWS)
def _views(regions: frozenset[str] | None, hidden: frozenset[Column]) -> _Views:
    return _Views(regions, hidden)


class _Views:
    """What is there for somebody who is limited, or from whom something is kept; made once for each entity.

    All of it lives as long as the rest: views refer to each other, and a statement must have one of a name.
    """

    def __init__(self, regions: frozenset[str] | None, hidden: frozenset[Column]) -> None:
        self._regions = regions
        self._hidden: Mapping[str, frozenset[str]] = {
            entity: frozenset(name for of, name in hidden if of == entity) for entity, _ in hidden
        }
        self._rows: dict[str, CTE] = {}
        self._seen: dict[str, CTE] = {}
        self._at: dict[tuple[str, int], FromClause] = {}

    def source(self, entity: Entity) -> Table | CTE:
        """Where the entity's rows are read from."""
        is_whole = self._regions is None or (BELONGING[entity.name] is Ground.EVERYBODYS and not _guarded(entity))
        if is_whole and entity.name not in self._hidden and not self._is_gone(entity):
            return entity.table
        if entity.name not in self._rows:
            self._rows[entity.name] = self._rows_of(entity)
        return self._rows[entity.name]

    def rows_at(self, entity: Entity, depth: int) -> FromClause:
        """An alias of that for a level of a statement. Names of views are those of a whole statement: they say of what.

        Made once since all columns are copied.
        """
        key = entity.name, depth
        if key not in self._at:
            rows = self.source(entity)
            self._at[key] = rows.alias(f"t{depth}" if isinstance(rows, Table) else f"{entity.name}_t{depth}")
        return self._at[key]

    def _rows_of(self, entity: Entity) -> CTE:
        """The rows that are there, as a view that is written once in a statement.

        Written out at every place, tests within tests are deeper than SQLite's parser goes. Views are looked into row
        by row, so they must not be worked out as a whole.
        """
        guarded, hidden, sometimes = self._guarded(entity), self._hidden_in(entity), self._hidden_where(entity)
        columns: list[ColumnElement[Any]] = []
        for column in entity.table.c:
            if column.name in hidden:
                columns.append(_missing(column, column.name))
            elif column.name in sometimes:
                by, value = sometimes[column.name]
                columns.append(case((entity.table.c[by] != value, column)).label(column.name))
            elif column.name in guarded:
                tests = [self._leads(entity.table, relation) for relation in guarded[column.name]]
                columns += [case((and_(*tests), column)).label(column.name), column.label(f"{RAW}{column.name}")]
            else:
                columns.append(column)
        for name in sorted(self._hidden.get(entity.name, frozenset()) & entity.computed.keys()):
            columns.append(_missing(entity.expression(name, entity.table), name))
        if "provenance" in entity.computed:
            columns += [null().label(f"{UNTOLD}{name}") for name in sorted(hidden)]
        there = select(*columns).where(self._is_there(entity))
        return there.cte(f"rows_{entity.name}").prefix_with("NOT MATERIALIZED")

    def _guarded(self, entity: Entity) -> Mapping[str, tuple[ToOne, ...]]:
        return _guarded(entity) if self._regions is not None else {}

    def _hidden_in(self, entity: Entity) -> frozenset[str]:
        """Columns of the table that read as missing."""
        belonging = BELONGING[entity.name]
        own = frozenset(
            entity.columns[name].name for name in self._hidden.get(entity.name, ()) if name in entity.columns
        )
        if self._regions is not None and isinstance(belonging, Through | Whole):
            return own | belonging.hidden
        return own

    def _hidden_where(self, entity: Entity) -> Mapping[str, tuple[str, str]]:
        belonging = BELONGING[entity.name]
        return belonging.hidden_where if self._regions is not None and isinstance(belonging, Through) else {}

    def _seen_of(self, entity: str) -> CTE:
        """The ids of what is there, to be looked into by id."""
        if entity not in self._seen:
            there = select(ENTITIES[entity].table.c.id).where(self._is_there(ENTITIES[entity]))
            self._seen[entity] = there.cte(f"seen_{entity}").prefix_with("NOT MATERIALIZED")
        return self._seen[entity]

    def _is_there(self, entity: Entity) -> ColumnElement[bool]:
        table = entity.table
        if self._is_gone(entity):
            return false()
        if self._regions is None:
            return true()
        match BELONGING[entity.name]:
            case Ground.EVERYBODYS:
                return true()
            case Ground.HUB_WIDE:
                return false()
            case Ground.OWN:
                return func.coalesce(table.c.region.in_(sorted(self._regions or ())), false())
            case Through(relations):
                return or_(*(self._leads(table, _to_one(entity, name)) for name in relations))
            case Whole(name):
                part = _to_many(entity, name)
                parts = ENTITIES[part.target].table.alias()
                own = parts.c[part.key] == table.c.id
                there = self._names(parts.c.id, part.target)
                some = select(parts.c.id).where(own).correlate(table).exists()
                return and_(some, not_(select(parts.c.id).where(own, not_(there)).correlate(table).exists()))
            case ReferredTo(name, key):
                named = ENTITIES[name].table.alias()
                own = named.c[key] == table.c.id
                return select(named.c.id).where(own, self._names(named.c.id, name)).correlate(table).exists()
            case _ as never:
                assert_never(never)

    def _is_gone(self, entity: Entity) -> bool:
        """Whether none of it is there, since records are kept as they were sent and some of that is hidden."""
        return entity.name in AS_SENT and QUARANTINED[1] in self._hidden.get(QUARANTINED[0], ())

    def _leads(self, source: FromClause, relation: ToOne) -> ColumnElement[bool]:
        """What the relation leads to is there."""
        return self._names(source.c[relation.key], relation.target)

    def _names(self, key: ColumnElement[Any], entity: str) -> ColumnElement[bool]:
        """The key is the id of something that is there."""
        seen = self._seen_of(entity).alias()
        return select(seen.c.id).where(seen.c.id == key).correlate_except(seen).exists()


def _missing(column: ColumnElement[Any], name: str) -> ColumnElement[Any]:
    """NULL of the type of a column, which PostgreSQL would take for a text."""
    return cast(null(), column.type).label(name)


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
