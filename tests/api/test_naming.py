"""One naming: whoever knows a name in one place of the schema can guess it in another."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
)

from connector.api.schema import build_schema
from connector.api.schema.nodes import TYPE_NAMES

OWN = frozenset({"id", "ids"})
"""Of the thing itself, where it is looked up."""
ODD = ("GroupKey", "IdFilter")
"""How types end whose ids are named after relations, or compared."""
ANYTHING = frozenset({"Approval.subjectId"})
"""Ids of things of many types."""
TIMES = ("At", "at", "Since", "notBefore")
"""How instants end."""


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema()._schema


def ids(schema: GraphQLSchema) -> Iterator[tuple[str, str]]:
    """Arguments, members of inputs and fields of results that hold ids: where, and by what name."""
    for type_ in schema.type_map.values():
        if type_.name.startswith("__") or not isinstance(type_, GraphQLObjectType | GraphQLInputObjectType):
            continue
        for name, field in type_.fields.items():
            if get_named_type(field.type).name == "ID" and not type_.name.endswith(ODD):
                yield f"{type_.name}.{name}", name
            if isinstance(field, GraphQLField):
                for argument, given in field.args.items():
                    if get_named_type(given.type).name == "ID":
                        yield f"{type_.name}.{name}({argument})", argument


def test_what_holds_an_id_is_named_by_the_type_that_it_is_of(schema: GraphQLSchema):
    ends = tuple(f"{name}{end}" for name in TYPE_NAMES for end in ("Id", "Ids"))

    unclear = [
        where
        for where, name in ids(schema)
        if name not in OWN and where not in ANYTHING and not (name[0].upper() + name[1:]).endswith(ends)
    ]

    assert unclear == []


def test_names_are_written_as_their_kinds_are(schema: GraphQLSchema):
    odd = []
    for type_ in schema.type_map.values():
        if type_.name.startswith("__"):
            continue
        if not re.fullmatch(r"[A-Z][A-Za-z]*", type_.name):
            odd.append(type_.name)
        members = type_.values if isinstance(type_, GraphQLEnumType) else getattr(type_, "fields", {})
        form = r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*" if isinstance(type_, GraphQLEnumType) else r"[a-z][A-Za-z0-9]*"
        odd += [f"{type_.name}.{name}" for name in members if not re.fullmatch(form, name)]

    assert odd == []


def test_every_mutation_takes_one_input_and_answers_a_payload_with_refusals(schema: GraphQLSchema):
    assert schema.mutation_type is not None
    odd = []
    for name, field in schema.mutation_type.fields.items():
        payload = get_named_type(field.type)
        assert isinstance(payload, GraphQLObjectType)
        given = {argument: get_named_type(one.type).name for argument, one in field.args.items()}
        is_usual = list(given) == ["input"] and given["input"].endswith("Input") and payload.name.endswith("Payload")
        if not is_usual or "errors" not in payload.fields or str(payload.fields["errors"].type) != "[Refusal!]!":
            odd.append(name)

    assert odd == []


def test_what_is_a_time_or_an_amount_says_so(schema: GraphQLSchema):
    """Instants and days are told by their ends; hundredths are whole numbers, whose fellow is in units."""
    odd = []
    for type_ in schema.type_map.values():
        if not isinstance(type_, GraphQLObjectType):
            continue
        for name, field in type_.fields.items():
            scalar = get_named_type(field.type).name
            if (scalar == "DateTime" and not name.endswith(TIMES)) or (
                scalar == "Date" and not name.endswith(("On", "Dates"))
            ):
                odd.append(f"{type_.name}.{name}")
            if name.endswith("Cents") and scalar not in ("Int", "BigInt"):
                odd.append(f"{type_.name}.{name}")

    assert odd == []
