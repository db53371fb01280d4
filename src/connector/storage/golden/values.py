"""Values of fields as columns have them, and as statements have them: as JSON has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final, TypeAlias

from sqlalchemy import Date, Float
from sqlalchemy.types import TypeEngine

from connector.model.refs import EntityKind
from connector.rules.golden.fields import FIELDS
from connector.storage.database.drafts import TABLES
from connector.storage.database.rows import json_value
from connector.storage.tables.columns import EnumText

_Turn: TypeAlias = Callable[[Any], Any]
_SAME: Final = frozenset({type(None), str, int, float, bool, dict, list})
"""Types of values that columns have as JSON has them."""


def statement_value(value: Any) -> Any:
    """A column's value as statements have it."""
    return list(value) if isinstance(value, tuple) else json_value(value)


def statement_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Columns' values as statements have them."""
    return {name: value if type(value) in _SAME else statement_value(value) for name, value in values.items()}


def column_value(kind: EntityKind, column: str, value: Any) -> Any:
    """A value as its column has it, from JSON."""
    turn = _FROM_JSON[kind].get(column)
    return value if value is None or turn is None else turn(value)


def _from_json(column_type: TypeEngine[Any]) -> _Turn | None:
    """What makes a column's value of one that JSON has; None where they are the same."""
    match column_type:
        case EnumText(enum=enum):
            return enum
        case Date():
            return date.fromisoformat
        case Float():
            return float
        case _:
            return None


_FROM_JSON: Final[Mapping[EntityKind, Mapping[str, _Turn]]] = {
    kind: {
        column: turn
        for field in fields.values()
        for column in field.columns
        if (turn := _from_json(TABLES[kind].c[column].type)) is not None
    }
    for kind, fields in FIELDS.items()
}
