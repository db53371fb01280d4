"""Cursors that PostgreSQL writes by itself, to the byte as `connector.storage.query.keyset.encode_cursor` does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Date,
    FromClause,
    Integer,
    String,
    Text,
    cast,
    func,
    literal_column,
)
from sqlmodel import AutoString

from connector.storage.query.entity import Entity
from connector.storage.query.keyset import signature_of
from connector.storage.query.selection import Order
from connector.storage.tables.columns import EnumText, UtcDateTime


def can_write_cursors(entity: Entity, order: Sequence[Order]) -> bool:
    """Whether all that such a cursor holds is of types that databases write as Python does."""
    written = (UtcDateTime, EnumText, AutoString, String, Integer, BigInteger, Boolean, Date)
    return all(isinstance(entity.expression(key.column, entity.table).type, written) for key in order)


def written_cursor(entity: Entity, order: Sequence[Order], source: FromClause) -> ColumnElement[str]:
    """The cursor of a row. source: has the columns that it is sorted by, under their names."""
    content = _text(f'["{signature_of(entity, order)}"')
    for key in order:
        content = content + _text(",") + func.coalesce(_json(source.c[key.column]), _text("null"))
    encoded = func.encode(func.convert_to(content + _text("]"), _text("UTF8")), _text("base64"))
    return func.rtrim(func.translate(encoded, literal_column("E'+/\\n'"), _text("-_")), _text("="), type_=Text)


def text_literal(text: str) -> ColumnElement[str]:
    """A text that stands in the statement itself."""
    return _text(text)


def _json(column: ColumnElement[Any]) -> ColumnElement[str]:
    match column.type:
        case UtcDateTime():
            return _text('"') + _instant(column) + _text('"')
        case Integer() | Boolean():
            return cast(column, Text)
        case Date():
            return _text('"') + cast(column, Text) + _text('"')
        case _:
            return cast(func.to_json(cast(column, Text)), Text)


def _text(text: str) -> ColumnElement[str]:
    return literal_column("'{}'".format(text.replace("'", "''")), Text)


def _instant(column: ColumnElement[Any]) -> ColumnElement[str]:
    """As Python's `isoformat` has it, which leaves out a fraction of zero."""
    written = func.to_char(func.timezone(_text("UTC"), column), _text('YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'))
    return func.replace(written, _text(".000000"), _text(""), type_=Text)
