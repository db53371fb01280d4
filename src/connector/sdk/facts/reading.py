"""A document, in a file or inline, read; or everything that is wrong with it, each with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from connector.model.marks import QUICK_LOADER, Mark, Marked, compose, yaml_problem
from connector.sdk.facts.consistency import Finding, Location

LARGEST = 256 * 1024
"""Bytes of a document."""
Given: TypeAlias = str | Path | Mapping[str, Any]
DefinitionT = TypeVar("DefinitionT", bound=BaseModel)


class InvalidDocument(ValueError):  # noqa: N818 - named by what is wrong
    """A document that cannot be used. problems: all of them, `LINE:COLUMN: path: what is wrong`."""

    def __init__(self, name: str, problems: Sequence[str], hint: str = "correct it") -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        listed = "".join(f"\n    {problem}" for problem in problems)
        super().__init__(f"{name} has {count}, {hint}:{listed}")


@dataclass(frozen=True, slots=True)
class DocumentKind(Generic[DefinitionT]):
    """A kind of document.

    definition: what it says. findings: what does not fit together in it, as it was written. keys: of which it
    consists, for people. hint: what to do about mistakes.
    """

    definition: type[DefinitionT]
    findings: Callable[[Mapping[str, Any]], Iterator[Finding]]
    keys: str
    hint: str = "correct it"

    def read(self, given: object) -> DefinitionT:
        """From a path to a YAML file, or what such a file says. Raises InvalidDocument with every problem."""
        if isinstance(given, self.definition):
            return given
        if isinstance(given, Mapping):
            return self._checked(Marked(dict(given), None, ()), "the definition")
        if not isinstance(given, str | Path):
            raise self._invalid("the definition", [f"is a {type(given).__name__}, expected the path of a YAML file"])
        path = Path(given)
        try:
            size = path.stat().st_size
            if size > LARGEST:
                raise self._invalid(path.name, [f"1:1: has {size} bytes, at most {LARGEST} are allowed"])
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            said = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise self._invalid(path.name, [f"1:1: {str(path)!r} cannot be read: {said}"]) from None
        return self.read_text(text, path.name)

    def read_text(self, text: str, name: str) -> DefinitionT:
        """From its text. Raises InvalidDocument."""
        try:
            marked = compose(text)
            events = yaml.parse(text, Loader=QUICK_LOADER)
            alias = next((event for event in events if isinstance(event, yaml.AliasEvent)), None)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            mark, what = yaml_problem(error)
            raise self._invalid(name, [f"{mark}: is no YAML: {what}"]) from None
        if alias is not None:
            start = alias.start_mark
            mark = Mark(start.line + 1, start.column + 1) if start else Mark(1, 1)
            raise self._invalid(name, [f"{mark}: *{alias.anchor} repeats another part: write it out"])
        return self._checked(marked, name)

    def _checked(self, marked: Marked, name: str) -> DefinitionT:
        content = marked.content
        if not isinstance(content, dict):
            raise self._invalid(name, [f"1:1: is no mapping: expected the keys {self.keys}"])
        found: list[tuple[Mark, Location, str]] = [
            (mark, (), f"key {key!r} stands there twice") for key, mark in marked.repeated
        ]
        definition: DefinitionT | None = None
        try:
            definition = self.definition.model_validate(content)
        except ValidationError as error:
            found += [(marked.place(at), at, text) for at, text in _shapes(error)]
        found += [(marked.place(at), at, text) for at, text in self.findings(content)]
        if found or definition is None:
            raise self._invalid(name, list(_told(found, has_places=marked.root is not None)))
        return definition

    def _invalid(self, name: str, problems: Sequence[str]) -> InvalidDocument:
        return InvalidDocument(name, problems, self.hint)


def _shapes(error: ValidationError) -> Iterator[tuple[Location, str]]:
    for detail in error.errors(include_url=False, include_input=False):
        at: Location = tuple(part for part in detail["loc"] if part != "[key]")
        message = detail["msg"].removeprefix("Value error, ")
        match detail["type"]:
            case "missing":
                message = "is missing"
            case "extra_forbidden":
                message = "there is no such key"
        yield at, message if message[:2].isupper() else message[:1].lower() + message[1:]


def _told(found: Iterable[tuple[Mark, Location, str]], *, has_places: bool) -> Iterator[str]:
    for mark, location, text in sorted(found, key=lambda item: (item[0], tuple(map(str, item[1])))):
        path = ".".join(map(str, location))
        yield ": ".join(part for part in (str(mark) if has_places else "", path, text) if part)
