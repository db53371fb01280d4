"""Who may do what, as a table for people: every root field of the schema by every role."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from graphql import GraphQLObjectType, GraphQLSchema

from connector.api.permissions import ANYONE, EVERYWHERE, MAY
from connector.model.principals import ADMIN

ROLES: Final = ("viewer", "technician", "dispatcher", "approver", "incident-manager", "planner", "machine", ADMIN)
"""Those that mean something to the hub."""
YES, NO, POLICY = "yes", "-", "policy"

_HEAD: Final = """# Who may do what

Written by `connector schema --rights docs/rights.md`; do not edit. `yes`: may. `-`: is refused as `FORBIDDEN`.
`policy`: the policy names the roles, for each approval and each red channel. The last column is about keys and people
who are [limited to regions](configuration.md#regions): what they may where they have the role, with what they see.
"""


def matrix(schema: GraphQLSchema) -> str:
    """The page: a table for each of the three roots."""
    parts = [_HEAD]
    for title, type_ in (
        ("Queries", schema.query_type),
        ("Mutations", schema.mutation_type),
        ("Subscriptions", schema.subscription_type),
    ):
        if type_ is not None:
            columns = ("field", *ROLES, "limited to regions")
            lines = [_line(columns), _line(["---"] * len(columns)), *map(_line, _rows(type_, schema))]
            parts.append("\n".join([f"## {title}", "", *lines, ""]))
    return "\n".join(parts)


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
