"""Who may do what, as a table for people: every root field of the schema by every role."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from graphql import GraphQLObjectType, GraphQLSchema

from connector.api.field_names import told_with
from connector.api.permissions import ANYONE, EVERYWHERE, MAY
from connector.model.principals import ADMIN, Principal

ROLES: Final = ("viewer", "technician", "dispatcher", "approver", "incident-manager", "planner", "machine", ADMIN)
"""Those that mean something to the hub."""
YES, NO, POLICY = "yes", "-", "policy"

_HEAD: Final = """# Who may do what

Written by `connector schema --rights docs/rights.md`; do not edit. `yes`: may. `-`: is refused as `FORBIDDEN`.
`policy`: the policy names the roles, for each approval and each red channel. The last column is about keys and people
who are [limited to regions](configuration.md#regions): what they may where they have the role, with what they see.
"""
_FIELDS: Final = """## Fields

As `[auth.fields]` of the configuration has it. `-`: reads as missing, and so does what stands in the last column, since
it tells of the field. All other fields are read by everybody."""


def matrix(schema: GraphQLSchema, fields: Mapping[str, Sequence[str]] | None = None) -> str:
    """The page: a table for each of the three roots, and one of fields that are configured to be for some roles."""
    parts = [_HEAD]
    for title, type_ in (
        ("Queries", schema.query_type),
        ("Mutations", schema.mutation_type),
        ("Subscriptions", schema.subscription_type),
    ):
        if type_ is not None:
            columns = ("field", *ROLES, "limited to regions")
            parts.append("\n".join([f"## {title}", "", *_table(columns, _rows(type_, schema)), ""]))
    if fields:
        parts.append("\n".join([_FIELDS, "", *_table(("field", *ROLES, "missing with it"), _kept(fields, schema)), ""]))
    return "\n".join(parts)


def _kept(fields: Mapping[str, Sequence[str]], schema: GraphQLSchema) -> Iterator[list[str]]:
    for name, readers in sorted(fields.items()):
        cells = [YES if Principal("", frozenset({role})).has_any(readers) else NO for role in ROLES]
        yield [f"`{name}`", *cells, ", ".join(f"`{other}`" for other in told_with(name, schema)) or NO]


def _table(columns: tuple[str, ...], rows: Iterable[list[str]]) -> Iterator[str]:
    yield from (_line(columns), _line(["---"] * len(columns)), *map(_line, rows))


def _rows(type_: GraphQLObjectType, schema: GraphQLSchema) -> Iterator[list[str]]:
    for name in sorted(type_.fields):
        cells = [_cell(role, name) if type_ is schema.mutation_type else YES for role in ROLES]
        yield [f"`{name}`", *cells, NO if name in EVERYWHERE else YES]


def _cell(role: str, mutation: str) -> str:
    roles = MAY.get(mutation, frozenset())
    if role == ADMIN or role in roles:
        return YES
    return POLICY if roles == ANYONE else NO


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
