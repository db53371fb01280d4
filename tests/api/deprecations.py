"""The rules by which something in the schema is deprecated (docs/graphql.md, "Changes to the schema"), as a checker."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    is_required_argument,
    is_required_input_field,
    validate,
)
from graphql.validation import NoDeprecatedCustomRule, specified_rules

REASON = re.compile(r"Since (\d+)\.(\d+): use (`[\w.]+`.*)\.")
"""Since which version, and what to use instead: a neighbour by its name, something elsewhere as `Type.field`."""


@dataclass(frozen=True)
class Usable:
    """Something that a client may use. place: for people. name: within `holder`, the type or field that has it."""

    place: str
    holder: str
    name: str
    reason: str | None
    is_required: bool = False


def usable(schema: GraphQLSchema) -> Iterator[Usable]:
    """Everything that can be deprecated."""
    for type_name, type_ in schema.type_map.items():
        if type_name.startswith("__"):
            continue
        match type_:
            case GraphQLObjectType() | GraphQLInterfaceType():
                for name, field in type_.fields.items():
                    place = f"{type_name}.{name}"
                    yield Usable(place, type_name, name, field.deprecation_reason)
                    yield from _arguments(place, field.args)
            case GraphQLInputObjectType():
                for name, given in type_.fields.items():
                    yield _given(f"{type_name}.{name}", type_name, name, given)
            case GraphQLEnumType():
                for name, value in type_.values.items():
                    yield Usable(f"{type_name}.{name}", type_name, name, value.deprecation_reason)
    for directive in schema.directives:
        yield from _arguments(f"@{directive.name}", directive.args)


def _arguments(holder: str, arguments: dict[str, GraphQLArgument]) -> Iterator[Usable]:
    for name, argument in arguments.items():
        yield _given(f"{holder}({name}:)", holder, name, argument)


def _given(place: str, holder: str, name: str, given: GraphQLArgument | GraphQLInputField) -> Usable:
    required = is_required_argument if isinstance(given, GraphQLArgument) else is_required_input_field
    return Usable(place, holder, name, given.deprecation_reason, required(given))


def breaches(schema: GraphQLSchema, version: str) -> list[str]:
    """What is deprecated against the rules, each with the rule. version: of the hub."""
    everything = list(usable(schema))
    there = {(each.holder, each.name) for each in everything if each.reason is None}
    found = []
    for each in everything:
        if each.reason is None:
            continue
        if each.is_required:
            found.append(f"{each.place} is required: clients cannot leave it out, make it optional first")
        said = REASON.fullmatch(each.reason)
        if said is None:
            found.append(f"{each.place} does not say since when, and what to use instead: {each.reason!r}")
            continue
        if (int(said[1]), int(said[2])) > tuple(map(int, version.split(".")[:2])):
            found.append(f"{each.place} is deprecated since {said[1]}.{said[2]}, and this is {version}")
        for name in re.findall(r"`([\w.]+)`", said[3]):
            holder, _, heir = name.rpartition(".")
            if (holder or each.holder, heir) not in there:
                found.append(f"{each.place} sends to `{name}`, which is not there or is deprecated as well")
    return found


def uses(schema: GraphQLSchema, document: DocumentNode) -> list[str]:
    """What is wrong with a document, the use of something that is deprecated included."""
    return [error.message for error in validate(schema, document, [*specified_rules, NoDeprecatedCustomRule])]
