"""Cursors that SQLite writes by itself, to the byte as `connector.storage.query.keyset.encode_cursor` does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Boolean, ColumnElement, FromClause, Integer, Text, case, cast, func

from connector.storage.database.functions import BASE64_URL
from connector.storage.query.cursor import text_literal
from connector.storage.query.entity import Entity
from connector.storage.query.keyset import signature_of
from connector.storage.query.selection import Order
from connector.storage.tables.columns import UtcDateTime


def written_cursor(entity: Entity, order: Sequence[Order], source: FromClause) -> ColumnElement[str]:
    """The cursor of a row. source: has the columns that it is sorted by, under their names."""
    content: ColumnElement[Any] = text_literal(f'["{signature_of(entity, order)}"')
    for key in order:
        content = content + text_literal(",") + func.coalesce(_json(source.c[key.column]), text_literal("null"))
    written: ColumnElement[str] = getattr(func, BASE64_URL)(content + text_literal("]"))
    return written


def _json(column: ColumnElement[Any]) -> ColumnElement[Any]:
    match column.type:
        case UtcDateTime():
            return text_literal('"') + _instant(column) + text_literal('"')
        case Boolean():
            return case((column, text_literal("true")), (column.is_not(None), text_literal("false")))
        case Integer():
            return cast(column, Text)
        case _:
            return func.json_quote(column, type_=Text)


def _instant(column: ColumnElement[Any]) -> ColumnElement[str]:
    """As Python's `isoformat` has it, which leaves out a fraction of zero."""
    return func.replace(
        func.replace(column, text_literal(".000000Z"), text_literal("Z")),
        text_literal("Z"),
        text_literal("+00:00"),
        type_=Text,
    )
