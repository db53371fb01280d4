"""Reading a policy document: YAML text to `Policy`, or every problem in it at once."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from reprlib import Repr
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from connector.model.errors import InvalidConfiguration
from connector.model.marks import Mark, Marked, compose, yaml_problem
from connector.rules.checks.consistency import findings
from connector.rules.policy.document import Policy
from connector.rules.policy.ladder import BY_NAME, SPELLED_OUT

__all__ = ["InvalidPolicy", "Policy", "Problem", "default_policy", "default_policy_text", "read_policy", "version_of"]


_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 160
"""Shows what was given, but never all of a document that repeats itself by reference."""


def default_policy_text() -> str:
    """The policy that is shipped with the product, as it can be copied and edited."""
    return files("connector.rules").joinpath("default_policy.yaml").read_text(encoding="utf-8")


def default_policy() -> Policy:
    """The policy that is shipped with the product."""
    return read_policy(default_policy_text(), source="default_policy.yaml")


def read_policy(document: str | Path, *, source: str | None = None) -> Policy:
    """Read a policy from its text, or from a file when given a path.

    source: what messages call the document; the file's name by default.
    Raises InvalidPolicy with every problem: where it is, what is wrong, what is expected, an example.
    """
    name = source or (str(document) if isinstance(document, Path) else "policy")
    return _read(policy_file_text(document) if isinstance(document, Path) else document, name)


@lru_cache(maxsize=16)
def _read(text: str, name: str) -> Policy:
    """Read a text once: a policy does not change, and reading a long one takes a tenth of a second."""
    try:
        marked = compose(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark, what = yaml_problem(error)
        raise InvalidPolicy(name, [Problem(mark, "", what)]) from error
    content = marked.content
    if not isinstance(content, dict):
        what = "is empty or no mapping: expected the keys name, rules, sourcing, service_classes"
        raise InvalidPolicy(name, [Problem(Mark(1, 1), "", what)])
    problems = [Problem(mark, "", f"key {key!r} stands there twice") for key, mark in marked.repeated]
    policy: Policy | None = None
    try:
        policy = Policy.model_validate(content)
    except ValidationError as error:
        problems += [_problem(detail, marked) for detail in error.errors(include_url=False)]
    problems += [Problem(marked.place(location), _path(location), text) for location, text in findings(content)]
    if policy is None or problems:
        raise InvalidPolicy(name, problems)
    return policy.with_version(version_of(policy.name, text))


def version_of(name: str, text: str) -> str:
    """The version of a policy: its name, and the hash of its text."""
    return f"{name}@{hashlib.sha256(text.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. path: such as `rules[0].when`; "" for the document as a whole."""

    mark: Mark
    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.mark}: {self.path}: {self.text}" if self.path else f"{self.mark}: {self.text}"


class InvalidPolicy(InvalidConfiguration):
    """A policy document that cannot be used; `found` has every problem in the order of the document."""

    code = "INVALID_POLICY"

    def __init__(self, name: str, problems: Iterable[Problem]) -> None:
        self.found = tuple(sorted(problems, key=lambda problem: problem.mark))
        listed = "\n".join(f"  {problem}" for problem in self.found)
        count = "1 problem" if len(self.found) == 1 else f"{len(self.found)} problems"
        super().__init__(
            f"policy {name!r} has {count}:\n{listed}",
            problems=tuple(f"{name}:{problem}" for problem in self.found),
            hint="docs/rules.md explains every field.",
        )


def policy_file_text(path: Path) -> str:
    """The text of a policy file. Raises InvalidPolicy when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidPolicy(str(path), [Problem(Mark(1, 1), "", f"cannot be read: {error}")]) from error


def _problem(detail: ErrorDetails, marked: Marked) -> Problem:
    location = tuple(part for part in detail["loc"] if part not in (BY_NAME, SPELLED_OUT))
    message = detail["msg"].removeprefix("Value error, ")
    given = detail["input"]
    value = (
        "" if detail["type"] == "missing" or isinstance(given, (dict, BaseModel)) else f" (given: {_SHORT.repr(given)})"
    )
    if detail["type"] == "extra_forbidden":
        known = _keys_beside(location)
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        meant = f": did you mean {near[0]!r}?" if near else ""
        text = f"is no field here{value}{meant}; known keys are {', '.join(known)}"
    else:
        example = _example(location)
        text = f"{message}{value}" + (f"; example: {example}" if example else "")
    return Problem(marked.place(location), _path(location) or "document", text)


def _path(location: Sequence[int | str]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def _example(location: Sequence[int | str]) -> str:
    """The example of the field that a location names, or of the one that it lies in."""
    examples = [str(field.examples[0]) for _, field in _walked(location) if field is not None and field.examples]
    return examples[-1] if examples else ""


def _keys_beside(location: Sequence[int | str]) -> tuple[str, ...]:
    """The keys that are known where a location ends at one that is not."""
    *_, (known, _) = _walked(location)
    return known


def _walked(location: Sequence[int | str]) -> Iterator[tuple[tuple[str, ...], FieldInfo | None]]:
    """The keys that are known at each step along a location, and the field that it takes; None where there is none."""
    model: type[BaseModel] | None = Policy
    is_key = False
    for part in location:
        if is_key or isinstance(part, int) or model is None:
            is_key = False
            continue
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        field = fields.get(part)
        yield tuple(fields), field
        if field is None:
            return
        is_key = get_origin(field.annotation) is dict
        model = next(_models(field.annotation), None)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
