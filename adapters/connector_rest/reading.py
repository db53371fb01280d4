"""From a document, in a file or inline, to a definition; or everything that is wrong with it, each with its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from pydantic import ValidationError

from connector.sdk.documents import QUICK_LOADER, Mark, Marked, compose, yaml_problem
from connector_rest.consistency import Location, findings
from connector_rest.definition import Definition

LARGEST = 256 * 1024
"""Bytes of a document."""
Given: TypeAlias = str | Path | Mapping[str, Any]
_HINT = "correct it, and see `connector adapters try`"


class InvalidDefinition(ValueError):  # noqa: N818 - named by what is wrong
    """A document that cannot be used. problems: all of them, `LINE:COLUMN: path: what is wrong`."""

    def __init__(self, name: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        listed = "".join(f"\n    {problem}" for problem in problems)
        super().__init__(f"{name} has {count}, {_HINT}:{listed}")


def read_definition(given: Given) -> Definition:
    """Read a document: a path to a YAML file, or what such a file says. Raises InvalidDefinition with every problem."""
    if isinstance(given, Mapping):
        return _read(Marked(dict(given), None, ()), "the definition")
    path = Path(given)
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise InvalidDefinition(path.name, [f"1:1: has {size} bytes, at most {LARGEST} are allowed"])
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InvalidDefinition(path.name, [f"1:1: {str(path)!r} cannot be read: {said}"]) from None
    return read_text(text, path.name)


def read_text(text: str, name: str) -> Definition:
    """Read a document from its text. Raises InvalidDefinition."""
    try:
        marked = compose(text)
        events = yaml.parse(text, Loader=QUICK_LOADER)
        alias = next((event for event in events if isinstance(event, yaml.AliasEvent)), None)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark, what = yaml_problem(error)
        raise InvalidDefinition(name, [f"{mark}: is no YAML: {what}"]) from None
    if alias is not None:
        start = alias.start_mark
        mark = Mark(start.line + 1, start.column + 1) if start else Mark(1, 1)
        raise InvalidDefinition(name, [f"{mark}: *{alias.anchor} repeats another part: write it out"])
    return _read(marked, name)


def _read(marked: Marked, name: str) -> Definition:
    content = marked.content
    if not isinstance(content, dict):
        raise InvalidDefinition(name, ["1:1: is no mapping: expected the keys system, base_url, auth, streams"])
    found: list[tuple[Mark, Location, str]] = [
        (mark, (), f"key {key!r} stands there twice") for key, mark in marked.repeated
    ]
    definition: Definition | None = None
    try:
        definition = Definition.model_validate(content)
    except ValidationError as error:
        found += [(marked.place(at), at, text) for at, text in _shapes(error)]
    found += [(marked.place(at), at, text) for at, text in findings(content)]
    if found or definition is None:
        raise InvalidDefinition(name, list(_told(found, has_places=marked.root is not None)))
    return definition


def _shapes(error: ValidationError) -> Iterator[tuple[Location, str]]:
    for detail in error.errors(include_url=False, include_input=False):
        at: Location = tuple(part for part in detail["loc"] if part != "[key]")
        message = detail["msg"].removeprefix("Value error, ")
        match detail["type"]:
            case "missing":
                message = "is missing"
            case "extra_forbidden":
                message = "there is no such key"
        yield at, message[:1].lower() + message[1:]


def _told(found: Iterable[tuple[Mark, Location, str]], *, has_places: bool) -> Iterator[str]:
    for mark, location, text in sorted(found, key=lambda item: (item[0], tuple(map(str, item[1])))):
        path = ".".join(map(str, location))
        yield ": ".join(part for part in (str(mark) if has_places else "", path, text) if part)
