"""Texts with named gaps that an operation's fields fill: `{ticket}`. Nothing else can stand in a gap."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias
from urllib.parse import quote

from connector.sdk import Invalid

Value: TypeAlias = str | bool | Mapping[str, str]
"""What an operation's field is."""

_GAP = re.compile(r"\{\{|\}\}|\{([a-z_]+)\}|[{}]")
DEEPEST = 12
"""Objects within objects of a body."""
MOST_VALUES = 200
"""Texts, numbers, objects and lists of a body, in all."""


def gaps(template: str) -> Iterator[str]:
    """The names in a text's gaps. Raises ValueError for a brace that opens or closes none."""
    for found in _GAP.finditer(template):
        if found.group(1):
            yield found.group(1)
        elif found.group() in "{}":
            raise ValueError(
                f"{template[:60]!r} has a single {found.group()!r}: a gap is written {{ticket}}, a brace itself twice"
            )


def body_gaps(body: object, depth: int = 1) -> Iterator[str]:
    """The names in all gaps of a body. Raises ValueError where it is no JSON, or too deep."""
    if depth > DEEPEST:
        raise ValueError(f"has objects more than {DEEPEST} deep")
    if isinstance(body, str):
        yield from gaps(body)
    elif isinstance(body, Mapping):
        for name, value in body.items():
            if not isinstance(name, str):
                raise ValueError(f"has the key {name!r}, which is no text: put it in quotation marks")
            yield from gaps(name)
            yield from body_gaps(value, depth + 1)
    elif isinstance(body, list):
        for value in body:
            yield from body_gaps(value, depth + 1)
    elif body is not None and not isinstance(body, bool | int | float):
        raise ValueError(f"holds {body!r:.60}, which is no JSON: put it in quotation marks")


def size_of(body: object) -> int:
    """Values of a body."""
    if isinstance(body, Mapping):
        return 1 + sum(size_of(value) for value in body.values())
    return 1 + sum(size_of(value) for value in body) if isinstance(body, list) else 1


def filled(template: str, values: Mapping[str, Value]) -> str:
    """The text with every gap filled."""
    return _GAP.sub(lambda found: _text(values[found.group(1)]) if found.group(1) else found.group()[0], template)


def filled_path(template: str, values: Mapping[str, Value]) -> str:
    """The path with every gap filled; what fills one stays one part of the path. Raises Invalid where it cannot."""
    for name, value in values.items():
        if value in (".", "..") and f"{{{name}}}" in template:
            raise Invalid(
                f"{name} {value!r} cannot be part of an address", operation="fill path", fields={name: "dots"}
            )
    return filled(template, {name: quote(_text(value), safe="") for name, value in values.items()})


def filled_body(body: Any, values: Mapping[str, Value]) -> Any:
    """The body with every gap filled. A text that is one gap and nothing else becomes the value itself."""
    if isinstance(body, str):
        alone = _GAP.fullmatch(body)
        if alone and alone.group(1):
            value = values[alone.group(1)]
            return dict(value) if isinstance(value, Mapping) else value
        return filled(body, values)
    if isinstance(body, Mapping):
        return {filled(name, values): filled_body(value, values) for name, value in body.items()}
    return [filled_body(value, values) for value in body] if isinstance(body, list) else body


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else ", ".join(f"{name}: {text}" for name, text in value.items())
