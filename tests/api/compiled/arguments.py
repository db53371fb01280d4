"""Arguments of random operations: pages, orderings, filters, and where their values stand.

A value stands in the document, or in a variable: the whole argument or a part of it, with a default or without, sent or
left out where that may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    get_named_type,
    get_nullable_type,
    parse_type,
    type_from_ast,
)

from connector.api.schema.nodes import global_id
from connector.storage.query import ENTITIES, Row
from tests.api.compiled.furnished import NUMBERS, REALS, TIMES
from tests.api.compiled.literals import Either, Word, as_json, literal
from tests.api.compiled.plain import TYPES, PlainExecutor, written

NEEDLES = ("", "a", "A", "B", "%", "_", "\\", "日", "ß", "0")
WHOLE = ("Near", "GroupBy")
"""How types end whose members cannot be left out, the one without the other."""
LATER = frozenset({"complete_kits"})
"""Names that are not compared by: what they are is worked out by the database in any case."""


@dataclass
class Writing:
    """What has been written so far."""

    random: Random
    plain: PlainExecutor
    fragments: list[str] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)
    names: int = 0

    def number(self, most: int) -> int:
        return self.random.randint(0, most)

    def chance(self, one_in: int) -> bool:
        return self.number(one_in - 1) == 0

    def choose(self, values: Sequence[Any]) -> Any:
        return values[self.number(len(values) - 1)]

    def name(self, kind: str) -> str:
        self.names += 1
        return f"{kind}{self.names}"

    def variable(self, type_: str, value: Any, *, may_be_left_out: bool = False) -> str:
        name, default, is_sent = self.name("v"), "", True
        match self.number(8):
            case 0:
                default = f" = {literal(value.other if isinstance(value, Either) else value)}"
            case 1:
                default, is_sent = f" = {literal(value)}", False
            case 2 if may_be_left_out and not type_.endswith("!"):
                is_sent = False
        self.types[name] = type_ + default
        if is_sent:
            self.variables[name], self.others[name] = as_json(value), as_json(value, other=True)
        return f"${name}"


def id_of(w: Writing, entity: str) -> str:
    rows = w.plain.rows[entity]
    return global_id(TYPES[entity], 999 if w.chance(6) or not rows else w.choose(rows).id)


def ids_of(w: Writing, entity: str) -> Either:
    return Either(id_of(w, entity), id_of(w, entity))


def group_key(w: Writing, entity: str, key: str) -> dict[str, Any]:
    found: dict[str, Any] = {"field": Word(key)}
    if ENTITIES[entity].value_type(key.lower()) is datetime and w.chance(2):
        found["truncate"] = Word(w.choose(("DAY", "WEEK", "MONTH", "QUARTER", "YEAR")))
        if w.chance(2):
            found["timeZone"] = w.choose(("UTC", "Europe/Berlin", "Asia/Kathmandu"))
    return found


def page_arguments(w: Writing, entity: str, *, inner: bool = False) -> str:
    given: list[str] = []
    order: list[dict[str, Any]] = []
    if w.chance(2):
        names = [name for name in ENTITIES[entity].names() if name not in LATER]
        chosen = dict.fromkeys(w.choose(names) for _ in range(1 + w.number(2)))
        order = [{"field": Word(name.upper()), "direction": Word(w.choose(("ASC", "DESC")))} for name in chosen]
        given.append(argument(w, "orderBy", f"[{TYPES[entity]}Order!]", order, may_be_left_out=False))
    if w.chance(2):
        type_ = w.plain.schema.get_type(f"{TYPES[entity]}Filter")
        assert isinstance(type_, GraphQLInputObjectType)
        given.append(argument(w, "filter", type_.name, filter_of(w, entity, type_, 2)))
    keys = [(key["field"].name.lower(), key["direction"].name == "DESC") for key in order]
    for name in ("after", "before"):
        if w.chance(4) and w.plain.rows[entity]:
            cursor = Either(*(w.plain.cursor(entity, keys, w.choose(w.plain.rows[entity])) for _ in range(2)))
            given.append(argument(w, name, "String", cursor))
    if inner or w.chance(2):
        given.append(argument(w, w.choose(("first", "last")), "Int", w.choose((0, 1, 2, 3, 5, 5 if inner else 12))))
    if ENTITIES[entity].retires and w.chance(3):
        given.append(argument(w, "includeRetired", "Boolean!", w.chance(2)))
    return f"({', '.join(given)})" if given else ""


def argument(w: Writing, name: str, type_: str, value: Any, *, may_be_left_out: bool = True) -> str:
    if w.chance(4):
        return f"{name}: {w.variable(type_, value, may_be_left_out=may_be_left_out)}"
    known = type_from_ast(w.plain.schema, parse_type(type_))
    assert known is not None
    return f"{name}: {_placed(w, known, value)}"


def _placed(w: Writing, type_: GraphQLInputType, value: Any) -> str:
    """As the document has it, parts of it in variables."""
    known = get_nullable_type(type_)
    match value:
        case dict() if isinstance(known, GraphQLInputObjectType):
            may_be_left_out = not known.name.endswith(WHOLE)
            members = []
            for name, member in value.items():
                inner = known.fields[name].type
                if w.chance(6):
                    shown = w.variable(str(inner), member, may_be_left_out=may_be_left_out)
                else:
                    shown = _placed(w, inner, member)
                members.append(f"{name}: {shown}")
            return f"{{{', '.join(members)}}}"
        case list() if isinstance(known, GraphQLList):
            inner = known.of_type
            items = [w.variable(str(inner), one) if w.chance(6) else _placed(w, inner, one) for one in value]
            return f"[{', '.join(items)}]"
        case _:
            return literal(value)


def filter_of(w: Writing, entity: str, type_: GraphQLInputObjectType, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(w.number(2) + (depth == 2)):
        name = w.choose(list(type_.fields))
        target = get_named_type(type_.fields[name].type)
        own = "".join(f"_{sign.lower()}" if sign.isupper() else sign for sign in name)
        relation = ENTITIES[entity].relations.get(own)
        if own in LATER:
            continue
        if name in ("and", "or"):
            if depth:
                found[name] = [filter_of(w, entity, type_, depth - 1) for _ in range(w.number(2))]
        elif name == "not":
            if depth:
                found[name] = filter_of(w, entity, type_, depth - 1)
        elif name == "near":
            found[name] = _near(w, entity)
        elif relation is not None:
            if depth and isinstance(target, GraphQLInputObjectType):
                found[name] = _related(w, relation.target, target, depth - 1)
        elif isinstance(target, GraphQLInputObjectType):
            found[name] = _comparison(w, entity, own, target)
    return found


def _near(w: Writing, entity: str) -> dict[str, Any]:
    places = [(row.values["latitude"], row.values["longitude"]) for row in w.plain.rows[entity]]
    latitude, longitude = w.choose([*[place for place in places if None not in place], (-90.0, 180.0)])
    within = {"withinKm": w.choose((0, 1, 250.5, 1000, 20_000))}
    if w.chance(2):
        return {"point": {"type": "Point", "coordinates": [longitude, latitude]}, **within}
    return {"latitude": latitude, "longitude": longitude, **within}


def _related(w: Writing, entity: str, type_: GraphQLInputObjectType, depth: int) -> dict[str, Any]:
    if not type_.name.endswith("ListFilter"):
        return filter_of(w, entity, type_, depth)
    wanted = w.choose((["some"], ["every"], ["none"], ["some", "every"]))
    inner = get_named_type(type_.fields["some"].type)
    assert isinstance(inner, GraphQLInputObjectType)
    return {which: filter_of(w, entity, inner, depth) for which in wanted}


def _comparison(w: Writing, entity: str, name: str, type_: GraphQLInputObjectType) -> dict[str, Any]:
    operator = w.choose(list(type_.fields))
    nullable = get_nullable_type(type_.fields[operator].type)
    if operator == "isNull":
        return {operator: w.chance(2)}
    if isinstance(nullable, GraphQLList):
        return {operator: [_operand(w, entity, name, operator, nullable.of_type) for _ in range(w.number(3))]}
    if operator in ("eq", "ne") and w.chance(8):
        return {operator: None}
    return {operator: _operand(w, entity, name, operator, nullable)}


def _operand(w: Writing, entity: str, name: str, operator: str, type_: Any) -> Either:
    value, other = (_one_operand(w, entity, name, operator, type_) for _ in range(2))
    return Either(value, other)


def _one_operand(w: Writing, entity: str, name: str, operator: str, type_: Any) -> Any:
    inner = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    if isinstance(inner, GraphQLEnumType):
        return Word(w.choose(list(inner.values)))
    if inner.name == "ID":
        return id_of(w, entity)
    if operator in ("contains", "startsWith", "endsWith"):
        return w.choose(NEEDLES)
    own = [value for row in w.plain.rows[entity] if (value := _value(row, name)) is not None]
    if own and not w.chance(4):
        return w.choose(own)
    match inner.name:
        case "Int":
            return w.choose(NUMBERS)
        case "Float":
            return w.choose(REALS)
        case "DateTime":
            return written(w.choose(TIMES))
        case "Date":
            return "2026-11-25"
        case "Boolean":
            return w.chance(2)
        case _:
            return w.choose(NEEDLES)


def _value(row: Row, name: str) -> Any:
    return written(row.values[name])
