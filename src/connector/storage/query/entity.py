"""What queries can ask for: a table with its columns, and its relations to others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Column, ColumnElement, FromClause, Table
from sqlmodel import AutoString

from connector.storage.tables.columns import EnumText, UtcDateTime

Expression: TypeAlias = ColumnElement[Any]


@dataclass(frozen=True, slots=True)
class ToOne:
    """A relation to at most one row. key: the name of our column that holds its id."""

    target: str
    key: str


@dataclass(frozen=True, slots=True)
class ToMany:
    """A relation to any number of rows. key: the name of their column that holds our id.

    sorted_by: their columns that a list of all of them is sorted by, before the id. newest_only: just the row with
    the highest id is wanted, as one row and not as a list.
    """

    target: str
    key: str
    sorted_by: tuple[str, ...] = ()
    newest_only: bool = False


Relation: TypeAlias = ToOne | ToMany


@dataclass(frozen=True, slots=True)
class Entity:
    """One kind of thing that can be queried.

    columns: public name -> column, the key columns of relations included. computed: public name -> expression over
    the columns of the table or of an alias of it; nullable: those of them that can be missing. private: names that are
    read but never shown, compared or sorted
    by. retires: rows are kept with `retired_at` when their source deletes them.
    """

    name: str
    table: Table
    columns: Mapping[str, Column[Any]]
    relations: Mapping[str, Relation]
    computed: Mapping[str, Callable[[FromClause], Expression]] = field(default_factory=dict)
    nullable: frozenset[str] = frozenset()
    private: frozenset[str] = frozenset()
    retires: bool = False

    def expression(self, name: str, source: FromClause) -> Expression:
        """The column or computed expression of that name, over the table or an alias of it, or a view.

        A view may have a column of its own in place of what is computed.
        """
        if name in self.computed:
            return source.c[name] if name in source.c else self.computed[name](source)
        return source.c[self.columns[name].name]

    def value_type(self, name: str) -> type[Any]:
        """The Python type of the values: str, int, float, bool, datetime, date or a StrEnum."""
        match self.expression(name, self.table).type:
            case UtcDateTime():
                return datetime
            case EnumText(enum=enum):
                return enum
            case AutoString():
                return str
            case other:
                python_type: type[Any] = other.python_type
                return python_type

    def is_nullable(self, name: str) -> bool:
        """Whether the value can be missing."""
        return name in self.nullable if name in self.computed else bool(self.columns[name].nullable)

    def names(self) -> tuple[str, ...]:
        """The names that may be compared and sorted by: no private ones, no keys of relations."""
        keys = {relation.key for relation in self.relations.values() if isinstance(relation, ToOne)}
        return tuple(name for name in (*self.columns, *self.computed) if name not in keys | self.private)
