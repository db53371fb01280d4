"""The ordinary executor over rows in memory: what the compiled engine must answer, found in the most naive way.

graphql-core walks the hub's own schema. Root fields and relations are resolved here, by loops over lists; nothing of
the selection, the statement or the shapes is used.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from functools import cmp_to_key
from types import SimpleNamespace
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLObjectType, GraphQLSchema, execute_sync, get_named_type
from sqlalchemy import select

from connector.api.schema import new_schema
from connector.api.schema.fields import PAGED, RELATION
from connector.model.geo import Point, great_circle_km
from connector.storage.database.engine import Database, reading
from connector.storage.query import ENTITIES, Row, ToOne
from tests.api.compiled.grouping import grouped

TYPES = {entity: entity.title().replace("_", "") for entity in ENTITIES} | {
    "document": "ShipmentLabel",
    "quarantine": "QuarantinedRecord",
}
"""Entity -> GraphQL type."""
ENTITY_OF = {name: entity for entity, name in TYPES.items()}
Rows = Mapping[str, Sequence[Row]]
Order = Sequence[tuple[str, bool]]
"""Names to sort by, each with whether it is descending."""


async def read_rows(engine: Database) -> Rows:
    """Every row of every entity, in the order of the keys."""
    found: dict[str, list[Row]] = {}
    async with reading(engine) as tx:
        for name, entity in ENTITIES.items():
            names = [*entity.columns, *entity.computed]
            columns = [entity.expression(each, entity.table).label(each) for each in names]
            rows = (await tx.execute(select(*columns).order_by(entity.table.c.id))).all()
            found[name] = [Row(name, dict(zip(names, row, strict=True))) for row in rows]
    return found


class PlainExecutor:
    """Answers operations from rows in memory."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.schema: GraphQLSchema = new_schema(subgraph=True)._schema  # one of its own: its resolvers are replaced
        for name, type_ in self.schema.type_map.items():
            if name in ENTITY_OF and isinstance(type_, GraphQLObjectType):
                self._resolve_relations(type_)
        self._resolve_roots()

    def execute(self, document: Any, variables: Mapping[str, Any], context: Any) -> ExecutionResult:
        """The response of the operation."""
        found = execute_sync(self.schema, document, variable_values=dict(variables), context_value=context)
        assert isinstance(found, ExecutionResult)
        return found

    def cursor(self, entity: str, order: Order, row: Row) -> str:
        """The cursor of a row in an ordering of things of its kind."""
        whole = _whole(order)
        signature = f"{entity}:" + ",".join(f"-{name}" if descending else name for name, descending in whole)
        content = orjson.dumps([signature, *(row.values[name] for name, _ in whole)])
        return base64.urlsafe_b64encode(content).decode().rstrip("=")

    def _resolve_relations(self, type_: GraphQLObjectType) -> None:
        entity = ENTITIES[ENTITY_OF[type_.name]]
        for field in type_.fields.values():
            metadata = field.extensions["strawberry-definition"].metadata
            if RELATION in metadata:
                relation = entity.relations[metadata[RELATION]]
                field.resolve = self._relation(relation, paged=bool(metadata.get(PAGED)))

    def _relation(self, relation: Any, *, paged: bool) -> Callable[..., Any]:
        def resolve(row: Row, _info: Any, **arguments: Any) -> Any:
            mine = self._belonging(relation, row)
            if isinstance(relation, ToOne) or relation.newest_only:
                return mine[0] if mine else None
            if paged:
                return self._connection(relation.target, mine, arguments)
            there = [other for other in mine if other.values.get("retired_at") is None]
            return _sorted(there, [(name, False) for name in (*relation.sorted_by, "id")])

        return resolve

    def _resolve_roots(self) -> None:
        query = self.schema.query_type
        assert query is not None
        for name, field in query.fields.items():
            type_ = get_named_type(field.type)
            row = type_.name.removesuffix("Connection")
            counted = type_.name.removesuffix("Aggregate")
            if counted != type_.name and counted in ENTITY_OF:
                field.resolve = self._grouping(ENTITY_OF[counted])
            elif row != type_.name and row in ENTITY_OF:
                field.resolve = self._listing(ENTITY_OF[row])
            elif type_.name in ENTITY_OF:
                field.resolve = self._single(ENTITY_OF[type_.name])
            elif name == "node":
                field.resolve = lambda _root, _info, id: self._by_id(id)
            elif name == "nodes":
                field.resolve = lambda _root, _info, ids: [self._by_id(id_) for id_ in ids]
            elif name == "_entities":
                field.resolve = lambda _root, _info, representations: [
                    self._represented(one) for one in representations
                ]

    def _listing(self, entity: str) -> Callable[..., Any]:
        return lambda _root, _info, **arguments: self._connection(entity, self.rows[entity], arguments)

    def _grouping(self, entity: str) -> Callable[..., Any]:
        return lambda _root, _info, **arguments: grouped(
            entity, self._listed(entity, self.rows[entity], arguments), arguments, TYPES
        )

    def _single(self, entity: str) -> Callable[..., Any]:
        def resolve(_root: Any, _info: Any, **given: Any) -> Any:
            arguments = {name: value for name, value in given.items() if value is not None}
            if "id" in arguments:
                return self._by_id(arguments["id"])
            if not arguments:
                return next((row for row in self.rows[entity] if row.values["is_active"]), None)
            ((name, text),) = arguments.items()
            return next((row for row in self.rows[entity] if row.values[name] == text), None)

        return resolve

    def _by_id(self, text: str) -> Row | None:
        name, _, key = base64.b64decode(text).decode().partition(":")
        return self._find(ENTITY_OF[name], int(key))

    def _represented(self, given: Mapping[str, str]) -> Row | None:
        if "id" in given:
            return self._by_id(given["id"])
        (name,) = given.keys() - {"__typename"}
        rows = self.rows[ENTITY_OF[given["__typename"]]]
        return next((row for row in rows if row.values[name] == given[name]), None)

    def _find(self, entity: str, key: int | None) -> Row | None:
        return next((row for row in self.rows[entity] if row.id == key), None)

    def _connection(self, entity: str, rows: Sequence[Row], given: Mapping[str, Any]) -> Any:
        found = self._listed(entity, rows, given)
        total = len(found)
        order = [(key["field"].value, key["direction"].value == "desc") for key in given.get("orderBy") or ()]
        whole = _whole(order)
        found = _sorted(found, whole)
        after, before = given.get("after"), given.get("before")
        if after is not None:
            found = [row for row in found if _compare(whole, _keys(whole, row), _place(after)) > 0]
        if before is not None:
            found = [row for row in found if _compare(whole, _keys(whole, row), _place(before)) < 0]
        last = given.get("last")
        size = last if last is not None else 50 if given.get("first") is None else given["first"]
        more = len(found) > size
        shown = found[len(found) - size :] if last is not None and more else found[:size]
        edges = [SimpleNamespace(node=row, cursor=self.cursor(entity, order, row)) for row in shown]
        return SimpleNamespace(
            edges=edges,
            nodes=shown,
            total_count=total,
            page_info=SimpleNamespace(
                has_next_page=more if last is None else before is not None,
                has_previous_page=more if last is not None else after is not None,
                start_cursor=edges[0].cursor if edges else None,
                end_cursor=edges[-1].cursor if edges else None,
            ),
        )

    def _listed(self, entity: str, rows: Sequence[Row], given: Mapping[str, Any]) -> list[Row]:
        found = [row for row in rows if self._holds(entity, row, given.get("filter") or {})]
        return found if given.get("includeRetired") else [row for row in found if row.values.get("retired_at") is None]

    def _holds(self, entity: str, row: Row, test: Mapping[str, Any]) -> bool:
        return all(self._part_holds(entity, row, name, part) for name, part in test.items() if part is not None)

    def _part_holds(self, entity: str, row: Row, name: str, part: Any) -> bool:
        match name:
            case "and":
                return all(self._holds(entity, row, each) for each in part)
            case "or":
                return any(self._holds(entity, row, each) for each in part)
            case "not":
                return not self._holds(entity, row, part)
            case "near":
                place = row.values["latitude"], row.values["longitude"]
                there = part.get("point") or Point(part["latitude"], part["longitude"])
                return None not in place and great_circle_km(there, Point(*place)) <= part["withinKm"]
        own = _snake(name)
        relation = ENTITIES[entity].relations.get(own)
        if relation is None:
            return all(_satisfies(own, row.values[own], *each) for each in part.items())
        mine = self._belonging(relation, row)
        if not isinstance(relation, ToOne) and not relation.newest_only:
            there = [other for other in mine if other.values.get("retired_at") is None]
            said = {
                which: [self._holds(relation.target, other, test) for other in there]
                for which, test in part.items()
                if test is not None
            }
            return any(said.get("some", [True])) and all(said.get("every", ())) and not any(said.get("none", ()))
        if isinstance(relation, ToOne):
            key = set(part) <= {"id"} and bool(part)
            if key:  # a comparison of the id alone asks about the key, which may be missing
                return all(_satisfies("id", row.values[relation.key], *each) for each in (part["id"] or {}).items())
        return bool(mine) and self._holds(relation.target, mine[0], part)

    def _belonging(self, relation: Any, row: Row) -> list[Row]:
        if isinstance(relation, ToOne):
            other = self._find(relation.target, row.values[relation.key])
            return [] if other is None else [other]
        mine = [other for other in self.rows[relation.target] if other.values[relation.key] == row.id]
        return [max(mine, key=lambda other: other.id)] if relation.newest_only and mine else mine


def _satisfies(name: str, value: Any, operator: str, operand: Any) -> bool:
    if operand is None and operator not in ("eq", "ne"):
        return True
    if name == "id":
        operand = _key(operand)
    if isinstance(value, Enum):
        value = value.value
    if isinstance(operand, Enum):
        operand = operand.value
    match operator:
        case "eq":
            return bool(value == operand)
        case "ne":
            return bool(value != operand)
        case "isNull":
            return (value is None) == operand
        case "in":
            return value is not None and value in [getattr(each, "value", each) for each in operand if each is not None]
        case "notIn":
            return value is None or value not in [getattr(each, "value", each) for each in operand if each is not None]
    if value is None:
        return False
    tests: Mapping[str, Callable[[], bool]] = {
        "lt": lambda: value < operand,
        "lte": lambda: value <= operand,
        "gt": lambda: value > operand,
        "gte": lambda: value >= operand,
        "contains": lambda: operand.lower() in value.lower(),
        "startsWith": lambda: value.lower().startswith(operand.lower()),
        "endsWith": lambda: value.lower().endswith(operand.lower()),
    }
    return tests[operator]()


def _key(operand: Any) -> Any:
    if isinstance(operand, list):
        return [_key(each) for each in operand]
    return int(base64.b64decode(operand).decode().partition(":")[2]) if isinstance(operand, str) else operand


def _whole(order: Order) -> Order:
    if any(name == "id" for name, _ in order):
        return order
    return [*order, ("id", bool(order) and order[-1][1])]


def _sorted(rows: Sequence[Row], order: Order) -> list[Row]:
    return sorted(rows, key=cmp_to_key(lambda a, b: _compare(order, _keys(order, a), _keys(order, b))))


def _keys(order: Order, row: Row) -> list[Any]:
    found: list[Any] = orjson.loads(orjson.dumps([row.values[name] for name, _ in order]))
    return found


def _place(cursor: str) -> list[Any]:
    found: list[Any] = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))[1:]
    return found


def _compare(order: Order, one: Sequence[Any], other: Sequence[Any]) -> int:
    """Below zero when one comes first. Missing values come last whichever way it is sorted."""
    for (_, descending), a, b in zip(order, one, other, strict=True):
        if a == b:
            continue
        if a is None or b is None:
            return 1 if a is None else -1
        return (1 if a > b else -1) * (-1 if descending else 1)
    return 0


def _snake(name: str) -> str:
    return "".join(f"_{sign.lower()}" if sign.isupper() else sign for sign in name)


def written(value: Any) -> Any:
    """A value of a row as it is written in a document or a variable."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return value


def as_json(data: Any) -> Any:
    """What a client reads of an answer: every object as the list of its members, every number as what it is.

    Databases write `5` for `5.0`, and blanks between members; nothing else may differ.
    """
    return _told(orjson.loads(orjson.dumps(data)))


def _told(value: Any) -> Any:
    match value:
        case dict():
            return [(key, _told(item)) for key, item in value.items()]
        case list():
            return [_told(item) for item in value]
        case bool():
            return "true" if value else "false"
        case _:
            return value
