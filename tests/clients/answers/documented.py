"""What an OpenAPI description says that a system answers: its examples, and instances of its schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import yaml

from tests.clients.answers.sampled import ABSENT, Sampler, Schema
from tests.clients.described import description

MOST_TURNS = 40
"""Full instances of a schema that are tried: as many as its longest list of words has, up to this."""
LEAST = "least"
NOTHING: Mapping[str, object] = {}
OTHERWISE = 500
"""What `default` stands for: whatever is not listed is no success."""


@dataclass(frozen=True)
class Answer:
    """A documented answer. name: of the example, or how it was made of the schema."""

    status: int
    name: str
    body: Any = field(repr=False)


@dataclass(frozen=True)
class Operation:
    """One of a description. path: as it is there, with names in braces."""

    method: str
    path: str
    description: Description = field(repr=False)

    @property
    def answers(self) -> Iterator[Answer]:
        """All that are documented."""
        return self.description.answers(self)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Description:
    """A vendor's description. name: of its file. prefix: of the server's address, before its paths.

    known: what properties hold where the description has a placeholder, by name, or as `parent.name`; ABSENT leaves
    one out.
    """

    def __init__(self, name: str, *, prefix: str = "", known: Mapping[str, object] = NOTHING) -> None:
        self._root = _read(name)
        self._prefix = prefix
        self._known = known

    def operation(self, method: str, path: str) -> Operation | None:
        """The one that a request asks for; a path with fewer names in it goes before others."""
        if not path.startswith(self._prefix):
            return None
        path = path.removeprefix(self._prefix)
        fitting = [
            template
            for template, pattern in self._paths
            if method.lower() in self._root["paths"][template] and pattern.fullmatch(path)
        ]
        template = min(fitting, key=lambda each: each.count("{"), default=None)
        return Operation(method, template, self) if template is not None else None

    def answers(self, operation: Operation) -> Iterator[Answer]:
        """All that are documented. A range such as `4XX` is tried as the first of its class, 400."""
        for status, named in self._root["paths"][operation.path][operation.method.lower()]["responses"].items():
            code = OTHERWISE if status == "default" else int(str(status).upper().replace("X", "0"))
            response = self._followed(named)
            content: Mapping[str, Any] = response.get("content") or {}
            chosen = next((content[kind] for kind in content if "json" in kind), None)
            if chosen is None:
                yield Answer(code, "no body", None)
                continue
            yield from self._examples(code, chosen)
            if "schema" in chosen:
                yield from self._made(code, chosen["schema"])

    def find(self, reference: str) -> Schema:
        """What a reference within the description stands for."""
        found: Any = self._root
        for step in reference.removeprefix("#/").split("/"):
            name = step.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}")
            found = found[int(name)] if isinstance(found, list) else found[name]
        return found

    @cached_property
    def _paths(self) -> list[tuple[str, re.Pattern[str]]]:
        return [(template, _pattern(template)) for template in self._root["paths"]]

    def _followed(self, named: Schema) -> Schema:
        return self.find(named["$ref"]) if "$ref" in named else named

    def _examples(self, code: int, content: Schema) -> Iterator[Answer]:
        if "example" in content:
            yield Answer(code, "example", self._value(content["example"]))
        for name, named in (content.get("examples") or {}).items():
            example = self._followed(named)
            if "value" in example:
                yield Answer(code, f"example {name}", self._value(example["value"]))
        schema = self._followed(content.get("schema") or {})
        if isinstance(schema.get("example"), dict | list):
            yield Answer(code, "example of the schema", self._value(schema["example"]))

    def _made(self, code: int, schema: Schema) -> Iterator[Answer]:
        yield Answer(code, LEAST, Sampler(self.find, self._known, least=True).instance(schema))
        first = Sampler(self.find, self._known)
        yield Answer(code, "full", first.instance(schema))
        for turn in range(1, min(first.turns, MOST_TURNS) if code < 300 else 1):
            yield Answer(code, f"full {turn}", Sampler(self.find, self._known, turn=turn).instance(schema))

    def _value(self, given: Any) -> Any:
        """An example that was written as text is the JSON that the text holds, if it is some."""
        if isinstance(given, str):
            try:
                given = json.loads(given)
            except ValueError:
                return given
        return self._mended(given, "")

    def _mended(self, given: Any, parent: str) -> Any:
        if isinstance(given, list):
            return [self._mended(each, parent) for each in given]
        if not isinstance(given, dict):
            return given
        known = {
            name: next((self._known[each] for each in (f"{parent}.{name}", name) if each in self._known), None)
            for name in given
        }
        return {
            name: self._mended(value, name) if known[name] is None else known[name]
            for name, value in given.items()
            if known[name] is not ABSENT
        }


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[^}]*\})", template.partition("?")[0])
    return re.compile("".join("[^/]+" if each.startswith("{") else re.escape(each) for each in parts))


@cache
def _read(name: str) -> Any:
    text = description(name).read_text(encoding="utf-8")
    if name.endswith(".json"):
        return json.loads(text)
    return yaml.load(text.replace("\t", " "), yaml.CSafeLoader)  # some have tabs where there must be spaces
