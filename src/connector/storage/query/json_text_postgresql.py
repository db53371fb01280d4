"""JSON that PostgreSQL puts together as a text.

`row_to_json` and `json_build_object` look up for each value of each row how its type is written. `concat` looks once
for a statement, and so does `JSON_SCALAR`, which escapes texts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any, Final

from sqlalchemy import JSON, ColumnElement, FromClause, Integer, Text, cast, func, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from connector.storage.query.cursor import text_literal, written_cursor
from connector.storage.query.entity import Entity
from connector.storage.query.forms import Writing
from connector.storage.query.json_text import NULL, Expression, Json, Member, Value
from connector.storage.query.selection import Order

_MOST_ARGUMENTS: Final = 90
"""Of one function; PostgreSQL takes a hundred."""
_HAS_JSON_SCALAR: Final = (17,)
_NULL_JSON: Final[Expression] = literal_column("'null'::json")


class ScalarJson(GenericFunction[Any]):
    """A value of any type that is not JSON itself, as JSON; NULL stays NULL."""

    type = JSON()
    name = "json_scalar"
    inherit_cache = True


@compiles(ScalarJson, "postgresql")
def _scalar_json(element: ScalarJson, compiler: SQLCompiler, **given: Any) -> str:
    version: tuple[int, ...] = getattr(compiler.dialect, "server_version_info", None) or ()
    name = "JSON_SCALAR" if version >= _HAS_JSON_SCALAR else "to_json"
    return f"{name}({compiler.process(element.clauses, **given)})"


class PostgresqlJson:
    """How PostgreSQL writes it (`connector.storage.query.json_text.JsonText`)."""

    def text(self, json: Json) -> Expression:
        """By `concat`, for which NULL is nothing."""
        arguments: list[Expression] = []
        signs = ""
        for part in (*json.parts, None):
            if isinstance(part, str):
                signs += part
                continue
            if signs:
                arguments.append(text_literal(signs))
                signs = ""
            if part is not None:
                arguments.append(part)
        calls = [arguments[start : start + _MOST_ARGUMENTS] for start in range(0, len(arguments), _MOST_ARGUMENTS)]
        return reduce(add, [func.concat(*some, type_=Text) for some in calls or [[text_literal("")]]])

    def object_of(self, members: Sequence[Member]) -> Json:
        """All of its members beside each other."""
        parts: list[str | Expression] = ["{"]
        for place, (name, value) in enumerate(members):
            own = (_or_null(ScalarJson(value.sql)),) if isinstance(value, Value) else value.parts
            parts += [f'{"," if place else ""}"{name}":', *own]
        return Json((*parts, "}"))

    def list_of(self, item: Expression, *tests: ColumnElement[bool]) -> Json:
        """By `string_agg`, which keeps the order of the subquery that it is made of."""
        items = func.string_agg(item, text_literal(","))
        return Json(("[", items.filter(*tests) if tests else items, "]"))

    def constant(self, text: str) -> Json:
        """Escaped here."""
        return Json((json.dumps(text),))

    def code(self, sql: Expression) -> Json:
        """In quotes, or null."""
        return Json((_or_null(ScalarJson(sql)),))

    def count(self, sql: Expression) -> Json:
        """As an integer of 32 bits."""
        return Json((cast(sql, Integer),))

    def column(self, column: Expression, writing: Writing) -> Value | Json:
        """By its type: what `concat` writes as JSON does is left to it."""
        match writing, column.type:
            case Writing.NAME, _:
                return _quoted(func.upper(cast(column, Text).collate("C")), column)
            case Writing.INSTANT, _:
                return _instant(column)
            case _, Integer():
                return Json((cast(column, Text) if _is_sure(column) else func.coalesce(cast(column, Text), NULL),))
            case _, JSON():
                return Json((_or_null(column),))
            case _:
                return Json((ScalarJson(column) if _is_sure(column) else _or_null(ScalarJson(column)),))

    def global_id(self, type_name: str, id_: Expression) -> Json:
        """By `encode`."""
        named = text_literal(f"{type_name}:") + cast(id_, Text)
        return Json(('"', func.encode(func.convert_to(named, text_literal("UTF8")), text_literal("base64")), '"'))

    def cursor(self, entity: Entity, order: Sequence[Order], source: FromClause) -> Expression:
        """By `encode`, too."""
        return written_cursor(entity, order, source)


def _or_null(value: Expression) -> Expression:
    return func.coalesce(value, _NULL_JSON, type_=JSON())


def _instant(column: Expression) -> Json:
    """Without a zone, by the function for JSON, which costs half of what a form of its own does."""
    open_ = func.rtrim(
        cast(ScalarJson(func.timezone(text_literal("UTC"), column)), Text), text_literal('"'), type_=Text
    )
    if _is_sure(column):
        return Json((open_, 'Z"'))
    return Json((func.coalesce(open_ + text_literal('Z"'), NULL),))


def _quoted(written: Expression, column: Expression) -> Json:
    """A text of which nothing has to be escaped. column: what it is made of."""
    return Json(('"', written, '"')) if _is_sure(column) else Json((_or_null(ScalarJson(written)),))


def _is_sure(column: Expression) -> bool:
    """Whether a column of a table or a subquery of it is never NULL."""
    return not getattr(column, "nullable", True)
