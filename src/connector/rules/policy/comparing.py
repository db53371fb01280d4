"""What differs between two policies: by what they say, path by path, and by their texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any, Literal, TypeAlias

from connector.rules.policy.document import Policy

Kind: TypeAlias = Literal["added", "removed", "changed", "moved"]


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """A difference. path: `rules[critical].lanes`, rules and tests by their names. before, after: JSON values.

    moved: a rule stands elsewhere among those that both policies have, its place counted from 1.
    """

    kind: Kind
    path: str
    before: Any = None
    after: Any = None


def changes_between(before: Policy, after: Policy) -> tuple[PolicyChange, ...]:
    """Everything that the second policy says differently, defaults written out; nothing for a change of spelling."""
    return tuple(_of_mapping("", before.model_dump(mode="json"), after.model_dump(mode="json")))


def text_difference(before: str, after: str, *, names: tuple[str, str]) -> str:
    """The texts as a unified diff; "" when they are the same."""
    lines = unified_diff(before.splitlines(), after.splitlines(), *names, lineterm="")
    return "\n".join(lines)


def _of_mapping(path: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[PolicyChange]:
    for key in dict.fromkeys((*before, *after)):
        place = f"{path}.{key}" if path else str(key)
        if key not in after:
            yield PolicyChange("removed", place, before=before[key])
        elif key not in before:
            yield PolicyChange("added", place, after=after[key])
        else:
            yield from _of_value(place, before[key], after[key])


def _of_value(path: str, before: Any, after: Any) -> Iterator[PolicyChange]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _of_mapping(path, before, after)
    elif _is_named(before) and _is_named(after):
        yield from _of_named(path, before, after)
    else:
        yield PolicyChange("changed", path, before, after)


def _is_named(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) and "name" in item for item in value)


def _of_named(path: str, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Iterator[PolicyChange]:
    old, new = ({item["name"]: item for item in items} for items in (before, after))
    kept_before, kept_after = [name for name in old if name in new], [name for name in new if name in old]
    for name in dict.fromkeys((*old, *new)):
        place = f"{path}[{name}]"
        if name not in new:
            yield PolicyChange("removed", place, before=old[name])
            continue
        if name not in old:
            yield PolicyChange("added", place, after=new[name])
            continue
        places = kept_before.index(name) + 1, kept_after.index(name) + 1
        if places[0] != places[1]:
            yield PolicyChange("moved", place, *places)
        yield from _of_mapping(place, old[name], new[name])
