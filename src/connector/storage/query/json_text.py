"""JSON that SQLite puts together as a text.

What its own functions make is taken for a text where it comes out of a subquery, and would have to be read again at
every level. They make what costs most: runs of texts and whole numbers in an object.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from operator import add
from typing import Any, Final, TypeAlias

from sqlalchemy import JSON, BigInteger, Boolean, ColumnElement, Float, Integer, Text, case, cast, func, literal_column

from connector.storage.query.cursor import text_literal
from connector.storage.query.cursor_sqlite import written_instant
from connector.storage.query.forms import Writing

Expression: TypeAlias = ColumnElement[Any]

NULL: Final = text_literal("null")
TRUE: Final = text_literal("true")
FALSE: Final = text_literal("false")

_MOST_ARGUMENTS: Final = 90
"""Of one function; the least that SQLite is built with is a hundred."""
_LARGEST_INT: Final = 2**31 - 1
_LARGEST_REAL: Final[ColumnElement[float]] = literal_column("1.7976931348623157e308")


@dataclass(frozen=True, slots=True)
class Value:
    """A value that SQLite knows how to write: a text, a whole number or NULL."""

    sql: Expression


@dataclass(frozen=True, slots=True)
class Json:
    """JSON in parts: signs that stand there, and expressions that are JSON or parts of it."""

    parts: tuple[str | Expression, ...]

    def text(self) -> Expression:
        """All of it as one expression."""
        printed: list[Expression] = []
        form, arguments = "", list[Expression]()
        for part in self.parts:
            if isinstance(part, str):
                form += part
                continue
            if len(arguments) == _MOST_ARGUMENTS:
                printed.append(_printed(form, arguments))
                form, arguments = "", []
            form += "%s"
            arguments.append(part)
        return reduce(add, [*printed, _printed(form, arguments)])


Member: TypeAlias = tuple[str, Value | Json]
"""Of an object. Its name needs no escapes."""


def object_of(members: Sequence[Member]) -> Json:
    """An object."""
    if len(members) <= _MOST_ARGUMENTS // 2 and all(isinstance(value, Value) for _, value in members):
        return Json((_values_object(members),))
    parts: list[str | Expression] = []
    for are_values, run in groupby(members, lambda member: isinstance(member[1], Value)):
        for some in _split(list(run), _MOST_ARGUMENTS // 2):
            parts += [",", *(_inside(some) if are_values else _members(some))]
    return Json(("{", *parts[1:], "}"))


def list_of(item: Expression, *tests: ColumnElement[bool]) -> Json:
    """The list of the items of all rows for which the tests hold, in their order: an aggregate."""
    items = func.group_concat(item)
    return Json(("[", items.filter(*tests) if tests else items, "]"))


def or_null(value: Expression) -> Json:
    """JSON that may be missing."""
    return Json((func.coalesce(value, NULL),))


def column_json(column: Expression, writing: Writing) -> Value | Json:
    """A column. For what JSON or the schema cannot hold, SQLite fails."""
    if writing is Writing.NAME:
        return Value(func.upper(column))
    if writing is Writing.INSTANT:
        return Value(written_instant(column))
    match column.type:
        case Boolean():
            return Json((case((column.is_(None), NULL), (column, TRUE), else_=FALSE),))
        case Integer() if not isinstance(column.type, BigInteger):
            is_int = column.between(number(-_LARGEST_INT - 1), number(_LARGEST_INT))
            return Value(case((is_int, column), (column.is_not(None), _failure(column))))
        case Float():
            written = func.printf(text_literal("%!.17g"), column)  # others write 15 digits
            is_number = func.abs(column) <= _LARGEST_REAL
            return Json((case((is_number, written), (column.is_(None), NULL), else_=_failure(column)),))
        case JSON():
            return or_null(func.json(column))
        case _:
            return Value(column)


def number(value: int) -> ColumnElement[int]:
    """A number that stands in the statement itself."""
    return literal_column(str(value), Integer)


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


def _failure(column: Expression) -> Expression:
    return func.json(text_literal("too large: ") + cast(column, Text))


def _printed(form: str, arguments: Sequence[Expression]) -> Expression:
    if not arguments:
        return text_literal(form)
    return arguments[0] if form == "%s" else func.printf(text_literal(form), *arguments, type_=Text)
