"""Constants in the text of a statement that is built once, instead of parameters that are bound each time it is sent.

A parameter is looked up, converted and sent with every execution, and a list of them is written into the text anew
each time. A database that is told a constant can use an index that holds for it alone; SQLite plans a statement with
a bound LIKE pattern again whenever it is sent.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

from sqlalchemy import Boolean, ColumnElement, Integer, String, TypeDecorator, literal_column
from sqlalchemy.sql import Select
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.visitors import replacement_traverse

_Statement = TypeVar("_Statement", bound=Select[Any])


def with_constants(statement: _Statement) -> _Statement:
    """The same statement with its constants as text; what is bound by a name of its own stays a parameter."""
    return cast("_Statement", replacement_traverse(statement, {}, _as_text))


def _as_text(element: Any, **_: Any) -> ColumnElement[Any] | None:
    if not isinstance(element, BindParameter) or not element.unique or element.value is None:
        return None
    kind = element.type
    if isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    if not isinstance(kind, String | Integer) or isinstance(kind, Boolean):
        return None
    if element.expanding:
        texts = sorted(map(_literal, element.value))
        return literal_column(f"({', '.join(texts)})", element.type) if texts else None
    return literal_column(_literal(element.value), element.type)


def _literal(value: str | int) -> str:
    if isinstance(value, int):
        return str(int(value))
    return "'" + str(value).replace("'", "''") + "'"
