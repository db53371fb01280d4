"""Groups of rows in memory, found by loops: what `ticketAggregate` and its kin must answer."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from functools import cmp_to_key
from types import SimpleNamespace
from typing import Any

from connector.storage.query import ENTITIES, Row, ToOne
from tests.api.test_aggregates import beginning

DEFAULT_GROUPS = 100


class _Told:
    """A group's part; what is not there is missing."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getattr__(self, name: str) -> Any:
        return self._values.get(name)


def grouped(entity: str, rows: Sequence[Row], given: Mapping[str, Any], types: Mapping[str, str]) -> Any:
    """The groups of rows that a filter has left. types: entity -> GraphQL type, for ids."""
    keys = [(key["field"].value, key.get("truncate"), key.get("timeZone")) for key in given.get("groupBy") or ()]
    found: dict[tuple[Any, ...], list[Row]] = {} if keys else {(): []}
    for row in rows:
        found.setdefault(tuple(_key(row, *key) for key in keys), []).append(row)
    in_order = sorted(found.items(), key=cmp_to_key(lambda one, other: _compare(one[0], other[0])))
    first, skip = given.get("first", DEFAULT_GROUPS), given.get("skip", 0)
    names = [name for name, _, _ in keys]
    groups = [_group(entity, dict(zip(names, key, strict=True)), mine, types) for key, mine in in_order]
    return SimpleNamespace(groups=groups[skip : skip + first], has_more=len(groups) > skip + first)


def _key(row: Row, name: str, truncate: Any, zone: str | None) -> Any:
    value = row.values[name]
    if truncate is None or value is None:
        return value
    return datetime.fromisoformat(beginning(value, truncate.name, zone or "UTC"))


def _compare(one: Sequence[Any], other: Sequence[Any]) -> int:
    """Below zero when one comes first; missing values come last."""
    for a, b in zip(map(_plain, one), map(_plain, other), strict=True):
        if a == b:
            continue
        if a is None or b is None:
            return 1 if a is None else -1
        return 1 if a > b else -1
    return 0


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _group(entity: str, key: Mapping[str, Any], rows: Sequence[Row], types: Mapping[str, str]) -> Any:
    targets = {
        relation.key: types[relation.target]
        for relation in ENTITIES[entity].relations.values()
        if isinstance(relation, ToOne)
    }
    ids = {
        name: base64.b64encode(f"{targets[name]}:{value}".encode()).decode()
        for name, value in key.items()
        if name in targets and value is not None
    }
    values = {
        name: [row.values[name] for row in rows if row.values[name] is not None] for name in ENTITIES[entity].names()
    }
    numbers = {name: mine for name, mine in values.items() if mine and all(type(one) is int for one in mine)}
    ordered = {
        name: mine
        for name, mine in values.items()
        if mine and all(type(one) in (int, float) or isinstance(one, date) for one in mine)
    }
    return _Told(
        {
            "key": _Told({**key, **ids}),
            "count": len(rows),
            "sum": _Told({name: sum(mine) for name, mine in numbers.items()}),
            "min": _Told({name: min(mine) for name, mine in ordered.items()}),
            "max": _Told({name: max(mine) for name, mine in ordered.items()}),
        }
    )
