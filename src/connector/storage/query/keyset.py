"""Keyset paging: a cursor holds the values that a row is sorted by, and a page continues behind them.

Rows that are inserted or deleted meanwhile shift nothing, and a late page costs as much as the first.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import partial
from typing import Any

import orjson
from sqlalchemy import BigInteger, ColumnElement, FromClause, Integer, UnaryExpression, and_, false, literal, or_, true

from connector.model.errors import InvalidInput
from connector.storage.query.entity import Entity
from connector.storage.query.parameters import told
from connector.storage.query.selection import Order, Parameter, Place


def full_order(entity: Entity, order: Sequence[Order]) -> tuple[Order, ...]:
    """The ordering made total: the id decides between equals, in the direction of the last key.

    Raises InvalidInput when a column occurs twice.
    """
    names = [key.column for key in order]
    if len(set(names)) < len(names):
        raise InvalidInput(
            f"ordering of {entity.name} names {', '.join(sorted({n for n in names if names.count(n) > 1}))} twice",
            hint="Name each field once; earlier ones count more.",
        )
    if "id" in names:
        return tuple(order)
    return (*order, Order("id", descending=bool(order) and order[-1].descending))


def order_by(
    entity: Entity, source: FromClause, order: Sequence[Order], *, backward: bool
) -> list[UnaryExpression[Any] | ColumnElement[Any]]:
    """The ORDER BY terms; missing values last, first when reading backward."""
    terms: list[UnaryExpression[Any] | ColumnElement[Any]] = []
    for key in order:
        column = entity.expression(key.column, source)
        if entity.is_nullable(key.column) or key.column in entity.computed:
            missing = column.is_(None)
            terms.append(missing.desc() if backward else missing.asc())
        terms.append(column.desc() if key.descending != backward else column.asc())
    return terms


def encode_cursor(entity: Entity, order: Sequence[Order], values: Sequence[Any]) -> str:
    """An opaque text that names the place of a row with these values in the ordering of things of this kind."""
    content = orjson.dumps([signature_of(entity, order), *values], default=str)
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def decode_cursor(entity: Entity, order: Sequence[Order], cursor: str) -> list[Any]:
    """The values that a cursor holds.

    Raises InvalidInput when it is not one of ours, or belongs to another ordering or another kind of thing.
    """
    try:
        signature, *values = _content(cursor)
        if signature == signature_of(entity, order) and len(values) == len(order):
            return [restore(entity, key.column, value) for key, value in zip(order, values, strict=True)]
    except (ValueError, TypeError, binascii.Error):
        raise InvalidInput(
            f"cursor {cursor!r} is not one of ours", hint="Use a cursor as it was received, or leave it out."
        ) from None
    raise InvalidInput(
        f"cursor {cursor!r} belongs to another ordering or another kind of thing",
        hint="Keep `orderBy` the same from page to page, or leave the cursor out and begin again.",
    )


def checked_cursor(entity: Entity, order: Sequence[Order], cursor: str) -> str:
    """A cursor that names a place in the ordering. Raises as `decode_cursor`, and as `full_order`."""
    decode_cursor(entity, full_order(entity, order), cursor)
    return cursor


def missing_in(cursor: object) -> tuple[bool, ...] | None:
    """Which of the values that a cursor holds are missing; None for what is no cursor."""
    try:
        return tuple(value is None for value in _content(str(cursor)))
    except (ValueError, TypeError):
        return None


def opened(
    entity: Entity, order: Sequence[Order], cursor: str, parameter: Callable[[Callable[[str], Any]], Parameter]
) -> Place:
    """What a cursor holds, as parameters, so that one statement serves all cursors in which the same is missing.

    parameter: makes one out of what its value is worked out of a cursor by. Raises as `decode_cursor`.
    """
    keys = full_order(entity, order)
    values = decode_cursor(entity, keys, cursor)
    return tuple(
        None if value is None else parameter(partial(_value_at, entity, keys, place))
        for place, value in enumerate(values)
    )


def _value_at(entity: Entity, order: Sequence[Order], place: int, cursor: str) -> Any:
    return decode_cursor(entity, order, cursor)[place]


def _content(cursor: str) -> list[Any]:
    content = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    if not isinstance(content, list):
        raise TypeError(f"{cursor!r} holds no list")
    return content


def beyond(
    entity: Entity, source: FromClause, order: Sequence[Order], values: Sequence[Any], *, backward: bool
) -> ColumnElement[bool]:
    """The condition that a row comes after the place (before it, when reading backward).

    It is one of these: a row is further by the first key; or the same by that and further by the second; and so on.
    That is longer than one within the other, but SQLite reads no more than a hundred things within each other.
    """
    same: list[ColumnElement[bool]] = []
    cases: list[ColumnElement[bool]] = []
    bound: ColumnElement[bool] = true()
    for key, value in zip(order, values, strict=True):
        column = entity.expression(key.column, source)
        may_be_missing = entity.is_nullable(key.column) or key.column in entity.computed
        if value is None:
            if backward:
                cases.append(and_(*same, column.is_not(None)))
            same.append(column.is_(None))
            continue
        is_parameter = isinstance(value, Parameter)
        place = told(value, column.type) if is_parameter else literal(value, column.type)  # never written out
        is_less = key.descending != backward
        cases.append(and_(*same, column < place if is_less else column > place))
        if may_be_missing and not backward:
            cases.append(and_(*same, column.is_(None)))
        elif not same and len(order) > 1:  # says nothing new, but is a range of an index
            bound = column <= place if is_less else column >= place
        same.append(column == place)
    return and_(bound, or_(false(), *cases))


def signature_of(entity: Entity, order: Sequence[Order]) -> str:
    """What a cursor says of the kind of thing and the ordering that it belongs to."""
    return f"{entity.name}:" + ",".join(f"-{key.column}" if key.descending else key.column for key in order)


def restore(entity: Entity, name: str, value: Any) -> Any:
    """The value of a column out of what JSON has of it. Raises ValueError, TypeError when it is none of its values."""
    if value is None:
        return None
    expected = entity.value_type(name)
    if expected is datetime:
        return _instant(value)
    if expected is date:
        return date.fromisoformat(value)
    if issubclass(expected, StrEnum):
        return expected(value)
    accepted = (int, float) if expected is float else (expected,)
    if type(value) not in accepted or (type(value) is int and abs(value) >= _beyond(entity, name)):
        raise TypeError(name)
    return value


def _beyond(entity: Entity, name: str) -> int:
    """The least whole number that is too large for a column, and for a real one that JSON writes without a point."""
    type_ = entity.expression(name, entity.table).type
    return 2**31 if isinstance(type_, Integer) and not isinstance(type_, BigInteger) else 2**63


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is outside of the calendar in UTC") from None
