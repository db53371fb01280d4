"""Random valid operations over the stored types of the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

import orjson
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    get_nullable_type,
    parse,
    validate,
)
from hypothesis import strategies as st

from connector.api.limits import QueryLimits
from connector.api.schema.fields import RELATION
from connector.api.schema.nodes import global_id
from connector.storage.query import ENTITIES, Row
from tests.api.compiled.furnished import NUMBERS, REALS, TIMES
from tests.api.compiled.literals import Either, Word, as_json, literal
from tests.api.compiled.plain import ENTITY_OF, TYPES, PlainExecutor, _snake, written

DEPTH = 3
"""Relations within relations."""
NEEDLES = ("", "a", "A", "B", "%", "_", "\\", "日", "ß", "0")
UNIQUE = {
    "hub": "code",
    "kit": "name",
    "policy": "version",
    "product": "sku",
    "rollout": "name",
    "service_class": "name",
    "source": "name",
}
"""Entity -> what else than its key names one row at most."""
LATER = frozenset({"complete_kits"})
"""Names that are not compared by: what they are is worked out by the database in any case."""


@dataclass
class Operation:
    """A document and its variables. others: some that it could be sent with next."""

    document: str
    variables: Mapping[str, Any]
    others: Mapping[str, Any]

    def __repr__(self) -> str:
        given, others = (orjson.dumps(each).decode() for each in (self.variables, self.others))
        return f"\n{self.document}\nvariables: {given}\nothers: {others}"


@dataclass
class _Writing:
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

    def variable(self, type_: str, value: Any) -> str:
        name = self.name("v")
        self.types[name], self.variables[name] = type_, as_json(value)
        self.others[name] = as_json(value, other=True)
        return f"${name}"


def operations(plain: PlainExecutor, part: int = 0) -> st.SearchStrategy[Operation]:
    """Operations whose arguments fit the rows that the executor has; other ones in each part.

    Made from a seed, not of draws: a draw for every choice costs more than the queries themselves, and makes smaller
    cases of a failing one for minutes.
    """
    return st.integers(0, 2**48).map(lambda seed: _operation(_Writing(Random(f"{part} {seed}"), plain)))  # noqa: S311


def subscription_of(seed: int, plain: PlainExecutor) -> tuple[str, Mapping[str, str], Operation]:
    """A subscription from the beginning of the log on: its field, what it is narrowed to, and the operation."""
    random = Random(seed)  # noqa: S311
    while True:
        name, narrowed, operation = _subscription(_Writing(random, plain))
        if not validate(plain.schema, parse(operation.document), [QueryLimits]):  # few have more aliases than are taken
            return name, narrowed, operation


def _subscription(w: _Writing) -> tuple[str, Mapping[str, str], Operation]:
    type_ = w.plain.schema.subscription_type
    assert type_ is not None
    name = w.choose(sorted(type_.fields))
    field_ = type_.fields[name]
    narrowed: dict[str, str] = {}
    if w.chance(3):
        argument = w.choose(sorted(set(field_.args) - {"after"}) or [None])
        if argument is not None:
            states = get_named_type(field_.args[argument].type)
            is_state = isinstance(states, GraphQLEnumType)
            narrowed[argument] = (
                w.choose(list(states.values)) if is_state else _id(w, _snake(argument.removesuffix("Id")))
            )
    given = [f"{argument}: {w.variable(str(field_.args[argument].type), narrowed[argument])}" for argument in narrowed]
    given.append(f"after: {w.variable('String', '0') if w.chance(2) else literal('0')}")
    alias = f"{w.name('s')}: " if w.chance(3) else ""
    body = f"{alias}{name}({', '.join(given)}) {_object(w, get_named_type(field_.type).name, DEPTH)}"
    head = ", ".join(f"${each}: {type_}" for each, type_ in w.types.items())
    document = f"subscription{f' ({head})' if head else ''} {{ {body} }}"
    return name, narrowed, Operation("\n".join([document, *w.fragments]), w.variables, w.others)


def _operation(w: _Writing) -> Operation:
    fields = [_root(w) for _ in range(1 + w.number(1))]
    if w.chance(4):
        fields.append("__typename")
    head = ", ".join(f"${name}: {type_}" for name, type_ in w.types.items())
    document = f"query{f' ({head})' if head else ''} {{ {' '.join(fields)} }}"
    return Operation("\n".join([document, *w.fragments]), w.variables, w.others)


def _root(w: _Writing) -> str:
    query = w.plain.schema.query_type
    assert query is not None
    alias = w.name("r")
    if w.chance(5):
        return _node(w, alias)
    if w.chance(5):
        return _aggregate(w, query, alias)
    listed = [entity for entity in TYPES if _listing(query, entity)]
    entity = w.choose(listed)
    if w.chance(4):
        singular = next(
            (name for name, one in query.fields.items() if one.type == w.plain.schema.get_type(TYPES[entity])), None
        )
        if singular is not None:
            type_ = str(query.fields[singular].args["id"].type)
            return (
                f"{alias}: {singular}({_argument(w, 'id', type_, _ids(w, entity))}) {_object(w, TYPES[entity], DEPTH)}"
            )
    name = _listing(query, entity)
    assert name is not None
    return f"{alias}: {name}{_page_arguments(w, entity)} {_connection(w, query.fields[name], DEPTH)}"


def _aggregate(w: _Writing, query: GraphQLObjectType, alias: str) -> str:
    types = {get_named_type(one.type).name: name for name, one in query.fields.items()}
    entity = w.choose([entity for entity in TYPES if f"{TYPES[entity]}Aggregate" in types])
    name = types[f"{TYPES[entity]}Aggregate"]
    given = []
    if w.chance(2):
        type_ = w.plain.schema.get_type(f"{TYPES[entity]}Filter")
        assert isinstance(type_, GraphQLInputObjectType)
        given.append(_argument(w, "filter", type_.name, _filter(w, entity, type_, 2)))
    if not w.chance(4):
        keys = w.plain.schema.get_type(f"{TYPES[entity]}GroupField")
        assert isinstance(keys, GraphQLEnumType)
        chosen = dict.fromkeys(w.choose([key for key in keys.values if key.lower() not in LATER]) for _ in "ab")
        by = [_group_key(w, entity, key) for key in chosen]
        given.append(_argument(w, "groupBy", f"[{TYPES[entity]}GroupBy!]", by))
    if w.chance(3):
        given.append(_argument(w, "first", "Int!", w.choose((0, 1, 3, 500))))
    if w.chance(4):
        given.append(_argument(w, "skip", "Int!", w.choose((0, 1, 2))))
    if ENTITIES[entity].retires and w.chance(3):
        given.append(_argument(w, "includeRetired", "Boolean!", w.chance(2)))
    arguments = f"({', '.join(given)})" if given else ""
    group = w.plain.schema.get_type(f"{TYPES[entity]}Group")
    assert isinstance(group, GraphQLObjectType)
    parts = [_group_part(w, group, w.choose(list(group.fields))) for _ in range(1 + w.number(3))]
    return f"{alias}: {name}{arguments} {{ hasMore{_directive(w)} groups {{ __typename {' '.join(parts)} }} }}"


def _group_key(w: _Writing, entity: str, key: str) -> dict[str, Any]:
    found: dict[str, Any] = {"field": Word(key)}
    if ENTITIES[entity].value_type(key.lower()) is datetime and w.chance(2):
        found["truncate"] = Word(w.choose(("DAY", "WEEK", "MONTH", "QUARTER", "YEAR")))
        if w.chance(2):
            found["timeZone"] = w.choose(("UTC", "Europe/Berlin", "Asia/Kathmandu"))
    return found


def _group_part(w: _Writing, group: GraphQLObjectType, name: str) -> str:
    type_ = get_named_type(group.fields[name].type)
    alias = f"{w.name('g')}: "
    if not isinstance(type_, GraphQLObjectType):
        return f"{alias}{name}{_directive(w)}"
    names = [one for one in type_.fields if _snake(one) not in LATER]
    if not names:
        return f"{alias}{name} {{ __typename }}"
    below = " ".join(f"{w.name('k')}: {w.choose(names)}{_directive(w)}" for _ in range(1 + w.number(3)))
    return f"{alias}{name} {{ {below} {w.name('last')}: __typename }}"


def _node(w: _Writing, alias: str) -> str:
    entities = [w.choose(list(TYPES)) for _ in range(1 + w.number(2))]
    ids = [_id(w, entity) for entity in entities]
    parts = [f"... on {TYPES[entity]} {_object(w, TYPES[entity], DEPTH - 1, aliased=True)}" for entity in set(entities)]
    body = f"{{ __typename id ... on Node {{ {w.name('n')}: id }} {' '.join(sorted(parts))} }}"
    if w.chance(2):
        return f"{alias}: node(id: {w.variable('ID!', Either(ids[0], _id(w, entities[0])))}) {body}"
    if w.chance(2):
        named = [_represented(w, entity, id_) for entity, id_ in zip(entities, ids, strict=True)]
        body = f"{{ ... on _Entity {{ __typename }} {' '.join(sorted(parts))} }}"
        given = w.variable("[_Any!]!", named) if w.chance(2) else literal(named)
        return f"{alias}: _entities(representations: {given}) {body}"
    return f"{alias}: nodes(ids: {w.variable('[ID!]!', ids)}) {body}"


def _represented(w: _Writing, entity: str, id_: str) -> dict[str, Any]:
    """What a gateway calls a thing: by its id, or by what else is unique."""
    name = UNIQUE.get(entity)
    known = [row.values[name] for row in w.plain.rows[entity] if row.values[name] is not None] if name else []
    if name is None or not known or w.chance(3):
        return {"__typename": TYPES[entity], "id": id_, "other": [1]}
    return {"__typename": TYPES[entity], name: w.choose([*known, "nobody has it"])}


def _listing(query: GraphQLObjectType, entity: str) -> str | None:
    wanted = f"{TYPES[entity]}Connection"
    return next((name for name, one in query.fields.items() if get_named_type(one.type).name == wanted), None)


def _id(w: _Writing, entity: str) -> str:
    rows = w.plain.rows[entity]
    return global_id(TYPES[entity], 999 if w.chance(6) or not rows else w.choose(rows).id)


def _ids(w: _Writing, entity: str) -> Either:
    return Either(_id(w, entity), _id(w, entity))


def _object(w: _Writing, type_name: str, depth: int, *, aliased: bool = False) -> str:
    type_ = w.plain.schema.get_type(type_name)
    assert isinstance(type_, GraphQLObjectType)
    fields = list(_fields(w, type_, depth, aliased=aliased))
    return f"{{ {' '.join(fields)} }}"


def _fields(w: _Writing, type_: GraphQLObjectType, depth: int, *, aliased: bool) -> Iterator[str]:
    if w.chance(6):
        yield "__typename"
    names = list(type_.fields)
    for _ in range(1 + w.number(4)):
        text = _field(w, type_, w.choose(names), depth, aliased=aliased)
        if text is None:
            continue
        match w.number(11):
            case 0:
                yield f"... on {type_.name} {{ {text} }}"
            case 1:
                yield f"...{_directive(w)} {{ {text} }}"
            case 2:
                fragment = w.name("F")
                w.fragments.append(f"fragment {fragment} on {type_.name} {{ {text} }}")
                yield f"...{fragment}{_directive(w)}"
            case 3 if type_.name in ENTITY_OF:
                yield f"... on Node {{ {w.name('n')}: id __typename }} {text}"
            case _:
                yield text
    yield f"{w.name('last')}: __typename"


def _field(w: _Writing, type_: GraphQLObjectType, name: str, depth: int, *, aliased: bool) -> str | None:
    one = type_.fields[name]
    target = get_named_type(one.type)
    alias = f"{w.name('a')}: " if aliased or w.chance(4) else ""
    if not isinstance(target, GraphQLObjectType | GraphQLInterfaceType):
        return f"{alias}{name}{_directive(w)}"
    metadata = one.extensions["strawberry-definition"].metadata
    if RELATION in metadata and depth == 0:
        return None
    if target.name.endswith("Connection"):
        entity = ENTITY_OF[target.name.removesuffix("Connection")]
        call = f"{w.name('a')}: {name}{_page_arguments(w, entity, inner=True)}"
        return f"{call}{_directive(w)} {_connection(w, one, depth - 1)}"
    return f"{alias}{name}{_directive(w)} {_object(w, target.name, depth - (RELATION in metadata), aliased=aliased)}"


def _connection(w: _Writing, one: GraphQLField, depth: int) -> str:
    type_ = get_named_type(one.type)
    row = type_.name.removesuffix("Connection")
    parts = []
    for _ in range(1 + w.number(2)):
        match w.number(5):
            case 0:
                parts.append("totalCount" + _directive(w))
            case 1:
                parts.append("pageInfo { hasNextPage startCursor } pageInfo { hasPreviousPage endCursor __typename }")
            case 2:
                parts.append(
                    f"{w.name('e')}: edges {{ cursor node {_object(w, row, depth, aliased=True)} __typename }}"
                )
            case 3:
                parts.append(f"edges {{ {w.name('n')}: node {_object(w, row, depth, aliased=True)} }}")
            case _:
                parts.append(f"{w.name('n')}: nodes {_object(w, row, depth, aliased=True)}")
    return f"{{ {' '.join(parts)} {w.name('last')}: __typename }}"


def _directive(w: _Writing) -> str:
    match w.number(15):
        case 0:
            return f" @skip(if: {w.variable('Boolean!', w.chance(2))})"
        case 1:
            return f" @include(if: {w.variable('Boolean!', not w.chance(3))})"
        case 2:
            return " @include(if: true) @skip(if: false)"
        case _:
            return ""


def _page_arguments(w: _Writing, entity: str, *, inner: bool = False) -> str:
    given: list[str] = []
    order: list[dict[str, Any]] = []
    if w.chance(2):
        names = [name for name in ENTITIES[entity].names() if name not in LATER]
        chosen = dict.fromkeys(w.choose(names) for _ in range(1 + w.number(2)))
        order = [{"field": Word(name.upper()), "direction": Word(w.choose(("ASC", "DESC")))} for name in chosen]
        given.append(_argument(w, "orderBy", f"[{TYPES[entity]}Order!]", order))
    if w.chance(2):
        type_ = w.plain.schema.get_type(f"{TYPES[entity]}Filter")
        assert isinstance(type_, GraphQLInputObjectType)
        given.append(_argument(w, "filter", type_.name, _filter(w, entity, type_, 2)))
    keys = [(key["field"].name.lower(), key["direction"].name == "DESC") for key in order]
    for name in ("after", "before"):
        if w.chance(4) and w.plain.rows[entity]:
            cursor = Either(*(w.plain.cursor(entity, keys, w.choose(w.plain.rows[entity])) for _ in range(2)))
            given.append(_argument(w, name, "String", cursor))
    if inner or w.chance(2):
        given.append(_argument(w, w.choose(("first", "last")), "Int", w.choose((0, 1, 2, 3, 5, 5 if inner else 12))))
    if ENTITIES[entity].retires and w.chance(3):
        given.append(_argument(w, "includeRetired", "Boolean!", w.chance(2)))
    return f"({', '.join(given)})" if given else ""


def _argument(w: _Writing, name: str, type_: str, value: Any) -> str:
    return f"{name}: {w.variable(type_, value) if w.chance(3) else literal(value)}"


def _filter(w: _Writing, entity: str, type_: GraphQLInputObjectType, depth: int) -> dict[str, Any]:
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
                found[name] = [_filter(w, entity, type_, depth - 1) for _ in range(w.number(2))]
        elif name == "not":
            if depth:
                found[name] = _filter(w, entity, type_, depth - 1)
        elif name == "near":
            found[name] = _near(w, entity)
        elif relation is not None:
            if depth and isinstance(target, GraphQLInputObjectType):
                found[name] = _related(w, relation.target, target, depth - 1)
        elif isinstance(target, GraphQLInputObjectType):
            found[name] = _comparison(w, entity, own, target)
    return found


def _near(w: _Writing, entity: str) -> dict[str, Any]:
    places = [(row.values["latitude"], row.values["longitude"]) for row in w.plain.rows[entity]]
    latitude, longitude = w.choose([*[place for place in places if None not in place], (-90.0, 180.0)])
    within = {"withinKm": w.choose((0, 1, 250.5, 1000, 20_000))}
    if w.chance(2):
        return {"point": {"type": "Point", "coordinates": [longitude, latitude]}, **within}
    return {"latitude": latitude, "longitude": longitude, **within}


def _related(w: _Writing, entity: str, type_: GraphQLInputObjectType, depth: int) -> dict[str, Any]:
    if not type_.name.endswith("ListFilter"):
        return _filter(w, entity, type_, depth)
    wanted = w.choose((["some"], ["every"], ["none"], ["some", "every"]))
    inner = get_named_type(type_.fields["some"].type)
    assert isinstance(inner, GraphQLInputObjectType)
    return {which: _filter(w, entity, inner, depth) for which in wanted}


def _comparison(w: _Writing, entity: str, name: str, type_: GraphQLInputObjectType) -> dict[str, Any]:
    operator = w.choose(list(type_.fields))
    nullable = get_nullable_type(type_.fields[operator].type)
    if operator == "isNull":
        return {operator: w.chance(2)}
    if isinstance(nullable, GraphQLList):
        return {operator: [_operand(w, entity, name, operator, nullable.of_type) for _ in range(w.number(3))]}
    if operator in ("eq", "ne") and w.chance(8):
        return {operator: None}
    return {operator: _operand(w, entity, name, operator, nullable)}


def _operand(w: _Writing, entity: str, name: str, operator: str, type_: Any) -> Either:
    value, other = (_one_operand(w, entity, name, operator, type_) for _ in range(2))
    return Either(value, other)


def _one_operand(w: _Writing, entity: str, name: str, operator: str, type_: Any) -> Any:
    inner = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    if isinstance(inner, GraphQLEnumType):
        return Word(w.choose(list(inner.values)))
    if inner.name == "ID":
        return _id(w, entity)
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
