"""Reading a policy document: YAML text to `Policy`, or every problem in it at once."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from connector.model.errors import InvalidConfiguration
from connector.rules.document import Policy

__all__ = ["Policy", "default_policy", "default_policy_text", "read_policy"]


def default_policy_text() -> str:
    """The policy that is shipped with the product, as it can be copied and edited."""
    return files("connector.rules").joinpath("default_policy.yaml").read_text(encoding="utf-8")


def default_policy() -> Policy:
    """The policy that is shipped with the product."""
    return read_policy(default_policy_text(), source="default_policy.yaml")


def read_policy(document: str | Path, *, source: str | None = None) -> Policy:
    """Read a policy from its text, or from a file when given a path.

    source: what messages call the document; the file's name by default.
    Raises InvalidConfiguration with every problem: where it is, what is wrong, what is expected, an example.
    """
    name = source or (str(document) if isinstance(document, Path) else "policy")
    text = _file_text(document) if isinstance(document, Path) else document
    try:
        content = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader that also refuses repeated keys
    except yaml.YAMLError as error:
        raise _invalid(name, [_yaml_problem(error)]) from error
    if not isinstance(content, dict):
        raise _invalid(name, ["is empty or no mapping: expected the keys name, rules, sourcing, service_classes"])
    try:
        policy = Policy.model_validate(content)
    except ValidationError as error:
        raise _invalid(name, [_problem(detail) for detail in error.errors(include_url=False)]) from error
    return policy.with_version(f"{policy.name}@{hashlib.sha256(text.encode()).hexdigest()[:12]}")


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping, which YAML readers otherwise drop silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key.value!r} stands there twice", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _file_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _invalid(str(path), [f"cannot be read: {error}"]) from error


def _invalid(name: str, problems: list[str]) -> InvalidConfiguration:
    listed = "\n".join(f"  {problem}" for problem in problems)
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return InvalidConfiguration(
        f"policy {name!r} has {count}:\n{listed}",
        problems=tuple(f"{name}: {problem}" for problem in problems),
        hint="docs/rules.md explains every field.",
    )


def _yaml_problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}, column {mark.column + 1}: {what}" if mark else what


def _problem(detail: ErrorDetails) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"]).lstrip(".")
    message = detail["msg"].removeprefix("Value error, ")
    given = detail["input"]
    value = "" if detail["type"] == "missing" or isinstance(given, (dict, BaseModel)) else f" (given: {given!r})"
    example = _example(detail["loc"])
    return f"{path or 'document'}: {message}{value}" + (f"; example: {example}" if example else "")


def _example(location: Sequence[int | str]) -> str:
    """The example of the field that a location names; the known keys when it names none."""
    model: type[BaseModel] | None = Policy
    example, is_key = "", False
    for part in location:
        if is_key or isinstance(part, int) or model is None:
            is_key = False
            continue
        field = model.model_fields.get(part)
        if field is None:
            return f"none, known keys are {', '.join(model.model_fields)}"
        example = str(field.examples[0]) if field.examples else example
        is_key = get_origin(field.annotation) is dict
        model = next(_models(field.annotation), None)
    return example


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
