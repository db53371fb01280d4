"""What a merge changed, row by row, as JSON: enough to take exactly that back, and to see what has changed since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeAlias

from sqlalchemy import Column, Date, Table

from connector.storage.database.rows import json_value
from connector.storage.tables.columns import EnumText, UtcDateTime

Entry: TypeAlias = dict[str, Any]
"""One row: `did` says what was done to it (`moved`, `changed` or `dropped`), `table` and `id` which one it is."""


def moved(table: str, columns: Sequence[str], row: Mapping[str, Any], same: Sequence[str]) -> Entry:
    """The row names the device that is kept in these columns, in place of the other. same: what it is known by."""
    known = {name: json_value(row[name]) for name in same}
    return {"did": "moved", "table": table, "id": row["id"], "columns": list(columns), "same": known}


def changed(table: str, row_id: int, columns: Mapping[str, tuple[Any, Any]]) -> Entry:
    """The row has other values. columns: name -> before and after."""
    pairs = {name: [json_value(before), json_value(after)] for name, (before, after) in columns.items()}
    return {"did": "changed", "table": table, "id": row_id, "columns": pairs}


def dropped(table: Table, row: Mapping[str, Any], *, beside: int) -> Entry:
    """The row is gone, since another one of the kept device says the same. beside: that one."""
    return {"did": "dropped", "table": table.name, "id": row["id"], "row": as_json(row), "beside": beside}


def as_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """A whole row."""
    return {name: json_value(value) for name, value in row.items()}


def from_json(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """Values as the columns have them."""
    return {name: _value(table.c[name], value) for name, value in row.items()}


def _value(column: Column[Any], value: Any) -> Any:
    if value is None:
        return None
    match column.type:
        case UtcDateTime():
            return datetime.fromisoformat(value)
        case EnumText(enum=enum):
            return enum(value)
        case Date():
            return date.fromisoformat(value)
        case _:
            return value
