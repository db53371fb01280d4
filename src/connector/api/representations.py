"""How a gateway of Apollo Federation names things of ours: by type, and by one of the type's keys.

https://www.apollographql.com/docs/graphos/schema-design/federated-schemas/reference/subgraph-spec
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from connector.api.schema.nodes import TYPE_NAMES, key_of
from connector.model.errors import InvalidInput

REPRESENTATIONS: Final = "representations"
"""Argument of `_entities`."""

MOST_REPRESENTATIONS: Final = 1_000
"""Of one `_entities`: a gateway sends all that a page of another subgraph refers to at once, and cannot split it."""

NATURAL_KEYS: Final[Mapping[str, str]] = {
    "Hub": "code",
    "Kit": "name",
    "Policy": "version",
    "Product": "sku",
    "Rollout": "name",
    "ServiceClass": "name",
    "Source": "name",
}
"""Type -> column, and field of the same name, that names one thing of the type at most. All have `id` beside it."""

ID: Final = "id"
_SHOWN: Final = 100


@dataclass(frozen=True, slots=True)
class Representation:
    """A thing that is named. column: `id`, or the type's natural key; value: the key, without the type for an id."""

    type_name: str
    column: str
    value: int | str


def type_of(given: object) -> str | None:
    """The type that a representation names, when it is one of those that have an id."""
    name = given.get("__typename") if isinstance(given, Mapping) else None
    return name if isinstance(name, str) and name in TYPE_NAMES else None


def representation_of(given: object) -> Representation:
    """What a gateway sends, `{__typename, id}` or with a natural key; other fields mean nothing here.

    Raises InvalidInput when it names nothing of ours.
    """
    if not isinstance(given, Mapping):
        raise InvalidInput(
            f"{_shown(given)} is no representation", hint='Send objects like {"__typename": "Site", "id": "..."}.'
        )
    name = type_of(given)
    if name is None:
        raise InvalidInput(
            f"__typename {_shown(given.get('__typename'))} is no type of this subgraph that has a key",
            hint="The types with @key in the answer to { _service { sdl } } are.",
        )
    natural = NATURAL_KEYS.get(name)
    if ID in given:
        return Representation(name, ID, key_of(_text(given, ID), entity=TYPE_NAMES[name]))
    if natural is not None and natural in given:
        return Representation(name, natural, _text(given, natural))
    keys = repr(ID) if natural is None else f"{ID!r} or {natural!r}"
    raise InvalidInput(f"the representation of a {name} has no {keys}", hint="Send one of its keys.")


def grouped(wanted: Iterable[Representation]) -> dict[tuple[str, str], list[Any]]:
    """Values by type and column, each once."""
    groups: dict[tuple[str, str], dict[int | str, None]] = {}
    for one in wanted:
        groups.setdefault((one.type_name, one.column), {})[one.value] = None
    return {group: list(values) for group, values in groups.items()}


def _text(given: Mapping[str, object], name: str) -> str:
    value = given[name]
    if not isinstance(value, str):
        raise InvalidInput(f"{name!r} of a representation is {_shown(value)}, not a string")
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
