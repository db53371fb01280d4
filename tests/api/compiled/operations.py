"""Random valid operations over the stored types of the schema."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import orjson
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    get_named_type,
    parse,
    validate,
)
from hypothesis import strategies as st

from connector.api.limits import QueryLimits
from connector.api.schema.fields import RELATION
from connector.storage.query import ENTITIES
from tests.api.compiled.arguments import LATER, Writing, argument, filter_of, group_key, id_of, ids_of, page_arguments
from tests.api.compiled.literals import Either, Word, literal
from tests.api.compiled.plain import ENTITY_OF, TYPES, PlainExecutor, _snake

DEPTH = 3
"""Relations within relations."""
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


@dataclass
class Operation:
    """A document and its variables. others: some that it could be sent with next."""

    document: str
    variables: Mapping[str, Any]
    others: Mapping[str, Any]

    def __repr__(self) -> str:
        given, others = (orjson.dumps(each).decode() for each in (self.variables, self.others))
        return f"\n{self.document}\nvariables: {given}\nothers: {others}"


def operations(plain: PlainExecutor, part: int = 0) -> st.SearchStrategy[Operation]:
    """Operations whose arguments fit the rows that the executor has; other ones in each part.

    Made from a seed, not of draws: a draw for every choice costs more than the queries themselves, and makes smaller
    cases of a failing one for minutes.
    """
    return st.integers(0, 2**48).map(lambda seed: _operation(Writing(Random(f"{part} {seed}"), plain)))  # noqa: S311


def subscription_of(seed: int, plain: PlainExecutor) -> tuple[str, Mapping[str, str], Operation]:
    """A subscription from the beginning of the log on: its field, what it is narrowed to, and the operation."""
    random = Random(seed)  # noqa: S311
    while True:
        name, narrowed, operation = _subscription(Writing(random, plain))
        if not validate(plain.schema, parse(operation.document), [QueryLimits]):  # few have more aliases than are taken
            return name, narrowed, operation


def _subscription(w: Writing) -> tuple[str, Mapping[str, str], Operation]:
    type_ = w.plain.schema.subscription_type
    assert type_ is not None
    name = w.choose(sorted(type_.fields))
    field_ = type_.fields[name]
    narrowed: dict[str, str] = {}
    values: dict[str, str | Word] = {}
    if w.chance(3):
        argument = w.choose(sorted(set(field_.args) - {"after"}) or [None])
        if argument is not None:
            states = get_named_type(field_.args[argument].type)
            is_state = isinstance(states, GraphQLEnumType)
            narrowed[argument] = (
                w.choose(list(states.values)) if is_state else id_of(w, _snake(argument.removesuffix("Id")))
            )
            values[argument] = Word(narrowed[argument]) if is_state else narrowed[argument]
    given = [f"{argument}: {w.variable(str(field_.args[argument].type), value)}" for argument, value in values.items()]
    given.append(f"after: {w.variable('String', '0') if w.chance(2) else literal('0')}")
    alias = f"{w.name('s')}: " if w.chance(3) else ""
    body = f"{alias}{name}({', '.join(given)}) {_object(w, get_named_type(field_.type).name, DEPTH)}"
    head = ", ".join(f"${each}: {type_}" for each, type_ in w.types.items())
    document = f"subscription{f' ({head})' if head else ''} {{ {body} }}"
    return name, narrowed, Operation("\n".join([document, *w.fragments]), w.variables, w.others)


def _operation(w: Writing) -> Operation:
    fields = [_somewhere(w, _root(w)) for _ in range(1 + w.number(1))]
    if w.chance(4):
        fields.append("__typename")
    head = ", ".join(f"${name}: {type_}" for name, type_ in w.types.items())
    document = f"query{f' ({head})' if head else ''} {{ {' '.join(fields)} }}"
    return Operation("\n".join([document, *w.fragments]), w.variables, w.others)


def _root(w: Writing) -> str:
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
            named = _named(w, entity, query.fields[singular])
            return f"{alias}: {singular}({named}){_directive(w)} {_object(w, TYPES[entity], DEPTH)}"
    name = _listing(query, entity)
    assert name is not None
    return f"{alias}: {name}{page_arguments(w, entity)}{_directive(w)} {_connection(w, query.fields[name], DEPTH)}"


def _named(w: Writing, entity: str, one: GraphQLField) -> str:
    """By what a single thing is asked for: its id, or what people call it."""
    names = [name for name, given in one.args.items() if str(given.type) == "String"]
    if names and w.chance(2):
        values = Counter(row.values[_snake(names[0])] for row in w.plain.rows[entity])
        known = [value for value, rows in values.items() if value is not None and rows == 1]
        given = Either(w.choose([*known, "nobody has it"]), w.choose([*known, "nobody"]))
        return argument(w, names[0], "String", given, may_be_left_out=False)
    return argument(w, "id", str(one.args["id"].type), ids_of(w, entity), may_be_left_out=False)


def _somewhere(w: Writing, text: str) -> str:
    """A root field by itself, or in a fragment."""
    match w.number(7):
        case 0:
            return f"... on Query{_directive(w)} {{ {text} }}"
        case 1:
            return f"...{_directive(w)} {{ {text} }}"
        case 2:
            fragment = w.name("F")
            w.fragments.append(f"fragment {fragment} on Query {{ {text} }}")
            return f"...{fragment}{_directive(w)}"
        case _:
            return text


def _aggregate(w: Writing, query: GraphQLObjectType, alias: str) -> str:
    types = {get_named_type(one.type).name: name for name, one in query.fields.items()}
    entity = w.choose([entity for entity in TYPES if f"{TYPES[entity]}Aggregate" in types])
    name = types[f"{TYPES[entity]}Aggregate"]
    given = []
    if w.chance(2):
        type_ = w.plain.schema.get_type(f"{TYPES[entity]}Filter")
        assert isinstance(type_, GraphQLInputObjectType)
        given.append(argument(w, "filter", type_.name, filter_of(w, entity, type_, 2)))
    if not w.chance(4):
        keys = w.plain.schema.get_type(f"{TYPES[entity]}GroupField")
        assert isinstance(keys, GraphQLEnumType)
        chosen = dict.fromkeys(w.choose([key for key in keys.values if key.lower() not in LATER]) for _ in "ab")
        by = [group_key(w, entity, key) for key in chosen]
        given.append(argument(w, "groupBy", f"[{TYPES[entity]}GroupBy!]", by))
    if w.chance(3):
        given.append(argument(w, "first", "Int!", w.choose((0, 1, 3, 500))))
    if w.chance(4):
        given.append(argument(w, "skip", "Int!", w.choose((0, 1, 2))))
    if ENTITIES[entity].retires and w.chance(3):
        given.append(argument(w, "includeRetired", "Boolean!", w.chance(2)))
    arguments = f"({', '.join(given)})" if given else ""
    group = w.plain.schema.get_type(f"{TYPES[entity]}Group")
    assert isinstance(group, GraphQLObjectType)
    parts = [_group_part(w, group, w.choose(list(group.fields))) for _ in range(1 + w.number(3))]
    return f"{alias}: {name}{arguments} {{ hasMore{_directive(w)} groups {{ __typename {' '.join(parts)} }} }}"


def _group_part(w: Writing, group: GraphQLObjectType, name: str) -> str:
    type_ = get_named_type(group.fields[name].type)
    alias = f"{w.name('g')}: "
    if not isinstance(type_, GraphQLObjectType):
        return f"{alias}{name}{_directive(w)}"
    names = [one for one in type_.fields if _snake(one) not in LATER]
    if not names:
        return f"{alias}{name} {{ __typename }}"
    below = " ".join(f"{w.name('k')}: {w.choose(names)}{_directive(w)}" for _ in range(1 + w.number(3)))
    return f"{alias}{name} {{ {below} {w.name('last')}: __typename }}"


def _node(w: Writing, alias: str) -> str:
    entities = [w.choose(list(TYPES)) for _ in range(1 + w.number(2))]
    ids = [id_of(w, entity) for entity in entities]
    kinds = dict.fromkeys(TYPES[entity] for entity in entities)
    parts = [f"... on {kind} {_object(w, kind, DEPTH - 1, aliased=True)}" for kind in kinds]
    body = f"{{ __typename id ... on Node {{ {w.name('n')}: id }} {' '.join(sorted(parts))} }}"
    if w.chance(2):
        return f"{alias}: node(id: {w.variable('ID!', Either(ids[0], id_of(w, entities[0])))}) {body}"
    if w.chance(2):
        named = [_represented(w, entity, id_) for entity, id_ in zip(entities, ids, strict=True)]
        body = f"{{ ... on _Entity {{ __typename }} {' '.join(sorted(parts))} }}"
        given = w.variable("[_Any!]!", named) if w.chance(2) else literal(named)
        return f"{alias}: _entities(representations: {given}) {body}"
    return f"{alias}: nodes(ids: {w.variable('[ID!]!', ids)}) {body}"


def _represented(w: Writing, entity: str, id_: str) -> dict[str, Any]:
    """What a gateway calls a thing: by its id, or by what else is unique."""
    name = UNIQUE.get(entity)
    known = [row.values[name] for row in w.plain.rows[entity] if row.values[name] is not None] if name else []
    if name is None or not known or w.chance(3):
        return {"__typename": TYPES[entity], "id": id_, "other": [1]}
    return {"__typename": TYPES[entity], name: w.choose([*known, "nobody has it"])}


def _listing(query: GraphQLObjectType, entity: str) -> str | None:
    wanted = f"{TYPES[entity]}Connection"
    return next((name for name, one in query.fields.items() if get_named_type(one.type).name == wanted), None)


def _object(w: Writing, type_name: str, depth: int, *, aliased: bool = False) -> str:
    type_ = w.plain.schema.get_type(type_name)
    assert isinstance(type_, GraphQLObjectType)
    fields = list(_fields(w, type_, depth, aliased=aliased))
    return f"{{ {' '.join(fields)} }}"


def _fields(w: Writing, type_: GraphQLObjectType, depth: int, *, aliased: bool) -> Iterator[str]:
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


def _field(w: Writing, type_: GraphQLObjectType, name: str, depth: int, *, aliased: bool) -> str | None:
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
        call = f"{w.name('a')}: {name}{page_arguments(w, entity, inner=True)}"
        return f"{call}{_directive(w)} {_connection(w, one, depth - 1)}"
    return f"{alias}{name}{_directive(w)} {_object(w, target.name, depth - (RELATION in metadata), aliased=aliased)}"


def _connection(w: Writing, one: GraphQLField, depth: int) -> str:
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


def _directive(w: Writing) -> str:
    match w.number(15):
        case 0:
            return f" @skip(if: {w.variable('Boolean!', w.chance(2))})"
        case 1:
            return f" @include(if: {w.variable('Boolean!', not w.chance(3))})"
        case 2:
            return " @include(if: true) @skip(if: false)"
        case _:
            return ""
