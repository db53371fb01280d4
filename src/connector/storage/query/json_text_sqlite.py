"""JSON that SQLite puts together as a text.

What its own functions make is taken for a text where it comes out of a subquery, and would have to be read again at
every level. They make what costs most: runs of texts and whole numbers in an object.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import groupby
from operator import add
from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ColumnElement,
    Float,
    FromClause,
    Integer,
    Text,
    case,
    cast,
    func,
    literal_column,
)

from connector.storage.database.functions import BASE64
from connector.storage.query.cursor import text_literal
from connector.storage.query.cursor_sqlite import written_cursor
from connector.storage.query.entity import Entity
from connector.storage.query.forms import Writing
from connector.storage.query.json_text import FALSE, NULL, TRUE, Expression, Json, Member, Value, number
from connector.storage.query.selection import Order

_MOST_ARGUMENTS: Final = 90
"""Of one function; the least that SQLite is built with is a hundred."""
_LARGEST_INT: Final = 2**31 - 1
_LARGEST_REAL: Final[ColumnElement[float]] = literal_column("1.7976931348623157e308")


class SqliteJson:
    """How SQLite writes it (`connector.storage.query.json_text.JsonText`)."""

    def text(self, json: Json) -> Expression:
        """By `printf`."""
        printed: list[Expression] = []
        form, arguments = "", list[Expression]()
        for part in json.parts:
            if isinstance(part, str):
                form += part
                continue
            if len(arguments) == _MOST_ARGUMENTS:
                printed.append(_printed(form, arguments))
                form, arguments = "", []
            form += "%s"
            arguments.append(part)
        return reduce(add, [*printed, _printed(form, arguments)])

    def object_of(self, members: Sequence[Member]) -> Json:
        """By `json_object` where that can be."""
        if len(members) <= _MOST_ARGUMENTS // 2 and all(isinstance(value, Value) for _, value in members):
            return Json((_values_object(members),))
        parts: list[str | Expression] = []
        for are_values, run in groupby(members, lambda member: isinstance(member[1], Value)):
            for some in _split(list(run), _MOST_ARGUMENTS // 2):
                parts += [",", *(_inside(some) if are_values else _members(some))]
        return Json(("{", *parts[1:], "}"))

    def list_of(self, item: Expression, *tests: ColumnElement[bool]) -> Json:
        """By `group_concat`, which keeps the order of the subquery that it is made of."""
        items = func.group_concat(item)
        return Json(("[", items.filter(*tests) if tests else items, "]"))

    def constant(self, text: str) -> Value:
        """Escaped by SQLite."""
        return Value(text_literal(text))

    def code(self, sql: Expression) -> Value:
        """As any other text."""
        return Value(sql)

    def count(self, sql: Expression) -> Value:
        """As any other number."""
        return Value(_int(sql))

    def column(self, column: Expression, writing: Writing) -> Value | Json:
        """Real numbers with 17 digits. What is too large for `Int`, or infinite, is given to `json`, which fails."""
        if writing is Writing.NAME:
            return Value(func.upper(column))
        if writing is Writing.INSTANT:
            return Value(_instant(column))
        match column.type:
            case Boolean():
                return Json((case((column.is_(None), NULL), (column, TRUE), else_=FALSE),))
            case Integer() if not isinstance(column.type, BigInteger):
                return Value(_int(column))
            case Float():
                written = func.printf(text_literal("%!.17g"), column)  # others write 15 digits
                is_number = func.abs(column) <= _LARGEST_REAL
                return Json((case((is_number, written), (column.is_(None), NULL), else_=_failure(column)),))
            case JSON():
                return Json((func.coalesce(func.json(column), NULL),))
            case _:
                return Value(column)

    def global_id(self, type_name: str, id_: Expression) -> Value:
        """By a function of Python."""
        return Value(getattr(func, BASE64)(text_literal(f"{type_name}:") + cast(id_, Text)))

    def cursor(self, entity: Entity, order: Sequence[Order], source: FromClause) -> Expression:
        """By a function of Python."""
        return written_cursor(entity, order, source)


def _instant(column: Expression) -> Expression:
    """It is kept with six digits of a fraction: those of zero at its end are left out."""
    whole = func.substr(column, number(1), number(19)) + text_literal("Z")
    digits = func.rtrim(column, text_literal("Z0")) + text_literal("Z")
    return case((func.substr(column, number(20)) == text_literal(".000000Z"), whole), else_=digits)


def _split(members: Sequence[Member], most: int) -> Iterator[Sequence[Member]]:
    return (members[start : start + most] for start in range(0, len(members), most))


def _members(members: Sequence[Member]) -> list[str | Expression]:
    parts: list[str | Expression] = []
    for name, value in members:
        own = (func.json_quote(value.sql),) if isinstance(value, Value) else value.parts
        parts += [f'{"," if parts else ""}"{name}":', *own]
    return parts


def _inside(members: Sequence[Member]) -> list[str | Expression]:
    """An object of values without its brackets, which nothing else in it begins or ends with."""
    if len(members) == 1:
        return _members(members)
    return [func.trim(_values_object(members), text_literal("{}"))]


def _values_object(members: Sequence[Member]) -> Expression:
    arguments: list[Expression] = []
    for name, value in members:
        if isinstance(value, Value):
            arguments += [text_literal(name), value.sql]
    return func.json_object(*arguments, type_=Text)


def _int(sql: Expression) -> Expression:
    is_int = sql.between(number(-_LARGEST_INT - 1), number(_LARGEST_INT))
    return case((is_int, sql), (sql.is_not(None), _failure(sql)))


def _failure(column: Expression) -> Expression:
    return func.json(text_literal("too large: ") + cast(column, Text))


def _printed(form: str, arguments: Sequence[Expression]) -> Expression:
    if not arguments:
        return text_literal(form)
    return arguments[0] if form == "%s" else func.printf(text_literal(form), *arguments, type_=Text)
