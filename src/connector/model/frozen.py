"""Values that nobody changes, for what is made anew with every decision: dataclasses that types keep as they are.

Python's own frozen dataclasses check at run time, and making one takes nearly three times as long as making one that
does not. Here mypy refuses whoever assigns to a field, and no decision pays for it. They are compared and hashed by
their fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, TypeVar, cast, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """Make a class a dataclass with slots whose fields are only ever set when it is made."""
    return dataclass(slots=True, unsafe_hash=True)(cls)


_shapes: dict[type, tuple[Callable[[Any], tuple[Any, ...]], Mapping[str, int]]] = {}
"""By class, what gives the values of all fields, and the place of each."""


def but(thing: T, **changed: Any) -> T:
    """The same with other values of some fields, which must exist: KeyError.

    For classes whose fields are all given when one is made, two or more of them. `dataclasses.replace` asks each field
    about itself every time, and takes several times as long for many of them.
    """
    kind = type(thing)
    shape = _shapes.get(kind)
    if shape is None:
        names = [item.name for item in fields(cast(Any, kind))]
        shape = _shapes[kind] = attrgetter(*names), {name: place for place, name in enumerate(names)}
    get, places = shape
    values = list(get(thing))
    for name, value in changed.items():
        values[places[name]] = value
    return kind(*values)
