"""JSON that a database puts together as a text: what both of them share.

`connector.storage.query.json_text_sqlite` and `connector.storage.query.json_text_postgresql` say how each writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from sqlalchemy import ColumnElement, FromClause, Integer, literal_column

from connector.storage.query.cursor import text_literal
from connector.storage.query.entity import Entity
from connector.storage.query.forms import Writing
from connector.storage.query.selection import Order

Expression: TypeAlias = ColumnElement[Any]

NULL: Final = text_literal("null")
TRUE: Final = text_literal("true")
FALSE: Final = text_literal("false")


@dataclass(frozen=True, slots=True)
class Value:
    """A value that the database itself writes as JSON: a text, a whole number or NULL."""

    sql: Expression


@dataclass(frozen=True, slots=True)
class Json:
    """JSON in parts: signs that stand there, and expressions that are JSON or parts of it."""

    parts: tuple[str | Expression, ...]


Member: TypeAlias = tuple[str, Value | Json]
"""Of an object. Its name needs no escapes."""


class JsonText(Protocol):
    """How a database writes JSON as a text."""

    def text(self, json: Json) -> Expression:
        """All of it as one expression."""

    def object_of(self, members: Sequence[Member]) -> Json:
        """An object."""

    def list_of(self, item: Expression, *tests: ColumnElement[bool]) -> Json:
        """The list of the items of all rows for which the tests hold, in their order: an aggregate."""

    def constant(self, text: str) -> Value | Json:
        """A text that stands in the statement."""

    def code(self, sql: Expression) -> Value | Json:
        """A text of which nothing has to be escaped, or NULL."""

    def count(self, sql: Expression) -> Value | Json:
        """A whole number that is never NULL. For one that is too large for `Int`, the statement fails."""

    def column(self, column: Expression, writing: Writing) -> Value | Json:
        """A column. For what JSON or the schema cannot hold, the statement fails."""

    def global_id(self, type_name: str, id_: Expression) -> Value | Json:
        """The id of a row with the name of its type, in Base64."""

    def cursor(self, entity: Entity, order: Sequence[Order], source: FromClause) -> Expression:
        """The cursor of a row. source: has the columns that it is sorted by, under their names."""


def number(value: int) -> ColumnElement[int]:
    """A number that stands in the statement itself."""
    return literal_column(str(value), Integer)
