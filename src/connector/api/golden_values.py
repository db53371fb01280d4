"""Values of fields that several systems know, as the schema writes them: both ways.

A field of one column is its value, one of several columns an object of them. Things are their ids, members of
vocabularies their names, durations ISO 8601.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from strawberry.utils.str_converters import to_camel_case, to_snake_case

from connector.api.schema.nodes import ENTITY_TYPES, global_id, key_of
from connector.api.schema.scalars import format_duration, parse_duration
from connector.model.errors import InvalidInput
from connector.model.refs import EntityKind
from connector.rules.golden.fields import FIELDS, Field
from connector.storage.query import ENTITIES, ToOne

_ADDRESS: Final = "address"
_MINUTES: Final = "_minutes"


def shown_value(kind: EntityKind, name: str, values: Sequence[Any]) -> Any:
    """The value of a field, from those of its columns; None for one that is empty."""
    field = FIELDS.get(kind, {}).get(name)
    if field is None or len(field.columns) != len(values):
        return values[0] if len(values) == 1 else list(values)
    if all(value is None for value in values):
        return None
    parts = [_shown_part(kind, column, value) for column, value in zip(field.columns, values, strict=True)]
    if name == _ADDRESS:
        address, country = parts
        return {**(address or {}), "country": country}
    if len(parts) == 1:
        return parts[0]
    return {to_camel_case(column.removesuffix("_id")): part for column, part in zip(field.columns, parts, strict=True)}


def read_value(kind: EntityKind, field: Field, value: Any) -> Any:
    """A value as records have it. Raises InvalidInput for what is written as none of its kind is."""
    if value is None:
        return None
    if len(field.columns) > 1:
        if not isinstance(value, dict):
            raise InvalidInput(f"{field.name!r} needs an object, not {value!r}")
        return {to_snake_case(str(key)): part for key, part in value.items()}
    return _read_part(kind, field.columns[0], value)


def _shown_part(kind: EntityKind, column: str, value: Any) -> Any:
    target = _leads_to(kind, column)
    enum = _enum(kind, column)
    match value:
        case int() if target is not None:
            return global_id(ENTITY_TYPES[target], value)
        case str() if enum is not None and value in set(enum):
            return enum(value).name
        case int() if column.endswith(_MINUTES):
            return format_duration(timedelta(minutes=value))
        case dict():
            return {to_camel_case(key): part for key, part in value.items()}
        case _:
            return value


def _read_part(kind: EntityKind, column: str, value: Any) -> Any:
    target = _leads_to(kind, column)
    enum = _enum(kind, column)
    if target is not None:
        return key_of(_text(column, value), entity=target)
    if enum is not None:
        members = enum.__members__
        if value not in members:
            raise InvalidInput(f"{value!r} is none of {', '.join(members)}")
        return members[value].value
    if column.endswith(_MINUTES):
        return _whole_minutes(value)
    return value


def _whole_minutes(value: Any) -> int:
    try:
        minutes, rest = divmod(parse_duration(value), timedelta(minutes=1))
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    if rest:
        raise InvalidInput(f"{value!r} is no whole number of minutes")
    return minutes


def _text(column: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{column.removesuffix('_id')!r} needs an id, not {value!r}")
    return value


def _leads_to(kind: EntityKind, column: str) -> str | None:
    """The entity whose ids a column holds."""
    relations = ENTITIES[kind.value].relations.values()
    return next((one.target for one in relations if isinstance(one, ToOne) and one.key == column), None)


def _enum(kind: EntityKind, column: str) -> type[StrEnum] | None:
    """The vocabulary that a column takes its values from."""
    entity = ENTITIES[kind.value]
    name = next((name for name, one in entity.columns.items() if one.name == column), None)
    found = None if name is None or name in entity.private else entity.value_type(name)
    return found if found is not None and issubclass(found, StrEnum) else None
