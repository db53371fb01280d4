"""Column types that mean the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    Integer,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
"""Every constraint has a name, so that a later migration can change it on both databases."""


class Declared(SQLModel):
    """Base of the classes that declare a table.

    What pydantic validates by is built when somebody validates, which for tables nobody does; at a start it would take
    a quarter of their time.
    """

    model_config = {"defer_build": True}


Id = BigInteger().with_variant(Integer(), "sqlite")
"""Keys are integers: SQLite looks up only an INTEGER PRIMARY KEY by its rowid."""

Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""A JSON document; None is NULL, never the JSON text `null`."""

WholeJson = JSON(none_as_null=True)
"""The same, as the text that was written: for what is long and is written and read as a whole.

PostgreSQL takes it in a third of the time, since nothing is made of it that could be searched or compared.
"""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC instant. PostgreSQL: timestamptz. SQLite: ISO 8601 text of fixed width, so that it sorts.

    Raises ValueError for a datetime without zone.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Text on SQLite, timestamptz elsewhere."""
        return dialect.type_descriptor(String(27) if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """UTC on the way in."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"datetime {value!r} has no time zone")
        utc = value if value.tzinfo is UTC else value.astimezone(UTC)
        return f"{utc.isoformat(timespec='microseconds')[:26]}Z" if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Aware UTC on the way out."""
        if value is None:
            return None
        return datetime.fromisoformat(value) if dialect.name == "sqlite" else value.astimezone(UTC)


class EnumText(TypeDecorator[StrEnum]):
    """A StrEnum stored as its value."""

    impl = Text
    cache_ok = True

    def __init__(self, enum: type[StrEnum]) -> None:
        super().__init__()
        self.enum = enum
        self._members = {member.value: member for member in enum}
        self._values = {member.value: member.value for member in enum}

    def process_bind_param(self, value: StrEnum | str | None, dialect: Dialect) -> str | None:
        """The value; a text that is no member is refused with ValueError."""
        return None if value is None else self._values.get(value) or self.enum(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        """The member."""
        return None if value is None else self._members.get(value) or self.enum(value)


def one_of(column: str, enum: type[StrEnum], *, optional: bool = False) -> CheckConstraint:
    """Constraint that a column holds a member of the enum, or NULL where that is allowed."""
    members = ", ".join(f"'{member.value}'" for member in enum)
    test = f"{column} IN ({members})"
    return CheckConstraint(f"{column} IS NULL OR {test}" if optional else test, name=f"{column}_known")
