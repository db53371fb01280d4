"""Values of random operations, as documents and variables have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True)
class Word:
    """A name of an enum in a document."""

    name: str


@dataclass(frozen=True)
class Either:
    """A value, and one that could stand in its place."""

    value: Any
    other: Any


def literal(value: Any) -> str:
    """As a document has it."""
    match value:
        case Either(value=one):
            return literal(one)
        case Word(name=name):
            return name
        case dict():
            return f"{{{', '.join(f'{key}: {literal(item)}' for key, item in value.items())}}}"
        case list():
            return f"[{', '.join(map(literal, value))}]"
        case str():
            return '"' + "".join(_sign(sign) for sign in value) + '"'
        case _:
            return orjson.dumps(value).decode()


def _sign(sign: str) -> str:
    if sign in '"\\':
        return f"\\{sign}"
    return sign if sign >= " " and sign != "\x7f" else f"\\u{ord(sign):04x}"


def as_json(value: Any, *, other: bool = False) -> Any:
    """As a variable has it. other: what could stand in its place."""
    match value:
        case Either():
            return as_json(value.other if other else value.value)
        case Word(name=name):
            return name
        case dict():
            return {key: as_json(item, other=other) for key, item in value.items()}
        case list():
            return [as_json(item, other=other) for item in value]
        case _:
            return value
