"""Which changes of the log tell that what a statement reads has become another; and what becomes another unannounced.

Whoever keeps what a statement answered asks here what ends that. A table or function that is not named here counts as
unannounced, so that one that is added is read anew each time until somebody has thought of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from sqlalchemy import Column, Select, Table
from sqlalchemy.sql import visitors
from sqlalchemy.sql.expression import ColumnClause
from sqlalchemy.sql.functions import FunctionElement

from connector.model.refs import EntityKind
from connector.storage.database.functions import BASE64, BASE64_URL

KINDS: Final[Mapping[str, EntityKind]] = {
    **{
        kind.value: kind
        for kind in EntityKind
        if kind not in (EntityKind.SOURCE, EntityKind.QUARANTINE, EntityKind.API_KEY, EntityKind.AUDIT)
    },
    "approval_vote": EntityKind.APPROVAL,
    "asset_relation": EntityKind.ASSET,
    "asset_mac": EntityKind.ASSET,
    "document": EntityKind.SHIPMENT,
    "identity_candidate": EntityKind.IDENTITY_REVIEW,
    "kit_component": EntityKind.KIT,
    "policy_activation": EntityKind.POLICY,
    "shipment_event": EntityKind.SHIPMENT,
    "source": EntityKind.SOURCE,
    "ticket_link": EntityKind.TICKET,
}
"""Table -> the kind that a line of the log has whenever a row of it is written."""

UNANNOUNCED: Final[Mapping[str, str]] = {
    "change": "the log itself, where positions are given after the commit",
    "field_conflict": "conflicts are noted without a line in the log",
    "field_override": "the line in the log is one of the thing, of whatever kind that is",
    "incident_group_ticket": "a ticket joins a group without a line in the log",
    "quarantine": "further attempts at a record are counted without a line in the log",
    "source_stream": "pulls are counted without a line in the log",
    "sync_plan": "plans of syncs are made and decided without a line in the log",
    "sync_run": "pulls are counted without a line in the log",
}
"""Tables that are written without a line in the log -> why that is so."""

UNANNOUNCED_COLUMNS: Final[Mapping[tuple[str, str], str]] = {
    ("decision", "looked_at"): "that the rules came to the same is noted without a line in the log",
    **{
        ("source", name): "how a pull goes is noted without a line in the log"
        for name in ("state", "failures", "not_before", "last_success_at", "last_error", "last_error_at", "updated_at")
    },
}
"""Columns of other tables that are."""

STEADY: Final = frozenset(
    {
        *("any", "coalesce", "count", "exists", "max", "min", "sum"),
        *("json", "json_agg", "json_array", "json_build_array", "json_each", "json_group_array", "row_to_json"),
        *("convert_to", "replace", "rtrim", "timezone", "to_char", "to_json"),
        *("row_number", "translate", "upper"),
        *("date", "date_trunc", "datetime", "encode", "hex", "minutes_between", "printf", "strftime", "substr"),
        *("abs", BASE64, BASE64_URL, "group_concat", "json_object", "json_quote", "members", "trim"),
        *("concat", "json_scalar", "string_agg"),
        *("cos", "radians", "sin"),
    }
)
"""Functions whose value follows from their arguments alone. SQLite's of times are given columns, never 'now'."""


class Unannounced(Exception):  # noqa: N818 - named by what is wrong
    """What is read may become another without a line in the log; says why."""


def announced_by(statement: Select[*tuple[object, ...]]) -> frozenset[EntityKind]:
    """The kinds of change without which the statement answers what it did. Raises Unannounced."""
    found: set[EntityKind] = set()
    for table, column in _read_by(statement):
        if table in UNANNOUNCED:
            raise Unannounced(f"{table}: {UNANNOUNCED[table]}")
        if (table, column) in UNANNOUNCED_COLUMNS:
            raise Unannounced(f"{table}.{column}: {UNANNOUNCED_COLUMNS[table, column]}")
        if table not in KINDS:
            raise Unannounced(f"{table}: nobody says what announces its changes")
        found.add(KINDS[table])
    return frozenset(found)


def _read_by(statement: Select[*tuple[object, ...]]) -> Iterator[tuple[str, str]]:
    """Tables and their columns; a table by itself with an empty text for the column."""
    for element in visitors.iterate(statement):
        match element:
            case Table():
                yield element.name, ""
            case FunctionElement():
                if element.name not in STEADY:
                    raise Unannounced(f"{element.name}(): nobody says that it is a function of its arguments alone")
            case ColumnClause():
                for column in element.base_columns:
                    if isinstance(column, Column) and isinstance(column.table, Table):
                        yield column.table.name, column.name
