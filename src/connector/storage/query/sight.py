"""To which regions things belong, and what is there for somebody who is limited to some of them.

Every entity says in `BELONGING` by which way it belongs to regions. What lies outside is left out where rows are read,
and keys that lead outside read as missing, so that no list, count, group, filter or relation tells that it exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final, TypeAlias, assert_never

from sqlalchemy import CTE, ColumnElement, FromClause, and_, case, false, func, not_, null, or_, select, type_coerce

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


@dataclass(frozen=True, slots=True)
class Sight:
    """What is there for somebody. regions: what they are limited to, None for everything."""

    regions: frozenset[str] | None = None

    @property
    def is_limited(self) -> bool:
        """Whether something may be left out."""
        return self.regions is not None

    def tests(self, entity: Entity, source: FromClause) -> tuple[ColumnElement[bool], ...]:
        """What rows of the entity's table, or of an alias of it, must satisfy to be there."""
        if self.regions is None or BELONGING[entity.name] is Ground.EVERYBODYS:
            return ()
        return (self._is_there(entity, source),)

    def expression(self, entity: Entity, name: str, source: FromClause) -> Expression:
        """The column or computed expression of that name, as somebody reads it who has this sight."""
        column = entity.expression(name, source)
        if self.regions is None:
            return column
        belonging = BELONGING[entity.name]
        if isinstance(belonging, Through | Whole) and name in belonging.hidden:
            return type_coerce(null(), column.type)
        tests = [
            self._leads(source, relation)
            for relation_name, relation in entity.relations.items()
            if isinstance(relation, ToOne) and relation.key == name and not _is_sure(entity, relation_name)
        ]
        return case((and_(*tests), column)) if tests else column

    def _is_there(self, entity: Entity, source: FromClause) -> ColumnElement[bool]:
        match BELONGING[entity.name]:
            case Ground.EVERYBODYS:
                return ~false()
            case Ground.HUB_WIDE:
                return false()
            case Ground.OWN:
                return func.coalesce(source.c.region.in_(sorted(self.regions or ())), false())
            case Through(relations):
                return or_(*(self._leads(source, _to_one(entity, name)) for name in relations))
            case Whole(name):
                relation = _to_many(entity, name)
                seen = self._belong(source, relation.target, relation.key, outside=False)
                return and_(seen, not_(self._belong(source, relation.target, relation.key, outside=True)))
            case ReferredTo(name, key):
                return self._belong(source, name, key, outside=False)
            case _ as never:
                assert_never(never)

    def _leads(self, source: FromClause, relation: ToOne) -> ColumnElement[bool]:
        """What the relation leads to is there."""
        seen = _seen(self, relation.target).alias()
        return select(seen.c.id).where(seen.c.id == source.c[relation.key]).correlate(source).exists()

    def _belong(self, source: FromClause, entity: str, key: str, *, outside: bool) -> ColumnElement[bool]:
        """Things that name the row by this key are there, or are outside."""
        alias = ENTITIES[entity].table.alias()
        there = self._is_there(ENTITIES[entity], alias)
        test = not_(there) if outside else there
        return select(alias.c.id).where(alias.c[key] == source.c.id, test).correlate(source).exists()


EVERYTHING: Final = Sight()


@lru_cache(maxsize=1_000)
def _seen(sight: Sight, entity: str) -> CTE:
    """The ids of what is there, as a view that is written once in a statement.

    It is looked into by id, row by row, so it must not be worked out as a whole. Written out at every place, tests
    within tests are deeper than SQLite reads.
    """
    table = ENTITIES[entity].table
    there = sight._is_there(ENTITIES[entity], table)
    return select(table.c.id).where(there).cte(f"seen_{entity}").prefix_with("NOT MATERIALIZED")


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
