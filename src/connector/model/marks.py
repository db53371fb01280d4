"""Where in a YAML document something stands: lines and columns, counted from 1 as editors do."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

QUICK_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Reads a document with libyaml, five times as fast, where PyYAML was built with it."""

_DEEPEST = 200
"""Brackets within brackets; a policy has three or four."""


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a text."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Marked:
    """What a document says, and the nodes that it was composed of. repeated: keys that stand twice in a mapping."""

    content: Any
    root: yaml.Node | None
    repeated: tuple[tuple[str, Mark], ...]

    def place(self, location: Sequence[int | str]) -> Mark:
        """Where the value at a path stands; of a key without value the key, of what is not there its parent."""
        node, mark = self.root, Mark(1, 1) if self.root is None else _mark(self.root)
        for part in location:
            found = _step(node, part)
            if found is None:
                break
            key, node = found
            is_block = isinstance(node, yaml.CollectionNode) and not node.flow_style
            mark = _mark(key if is_block or node is None else node)
        return mark


def compose(text: str) -> Marked:
    """Read a document. Raises yaml.YAMLError, ValueError for a value that does not exist, RecursionError."""
    try:
        return _composed(text, QUICK_LOADER)
    except yaml.YAMLError:
        if _depth(text) > _DEEPEST:  # the other one takes seconds for those
            raise RecursionError from None
        return _composed(text, yaml.SafeLoader)  # which says better what is wrong, and where


def _depth(text: str) -> int:
    """How many brackets are open at once at most; those in texts count, too."""
    deepest = depth = 0
    for sign in text:
        if sign in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in "]}":
            depth -= 1
    return deepest


def _composed(text: str, loader_type: type[yaml.SafeLoader]) -> Marked:
    loader = loader_type(text)
    try:
        root = loader.get_single_node()
        content = None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()
    return Marked(content, root, tuple(_repeated(root, set())))


def yaml_problem(error: Exception) -> tuple[Mark, str]:
    """Where a document stops being YAML, and why."""
    if isinstance(error, RecursionError):
        return Mark(1, 1), "is nested too deeply"
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error)
    return (Mark(mark.line + 1, mark.column + 1) if mark else Mark(1, 1)), what


def _mark(node: yaml.Node) -> Mark:
    return Mark(node.start_mark.line + 1, node.start_mark.column + 1)


def _step(node: yaml.Node | None, part: int | str) -> tuple[yaml.Node, yaml.Node] | None:
    """Key and value of an entry; of an item of a list itself twice."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == str(part):
                return key, value
    return None


def _repeated(node: yaml.Node | None, visited: set[int]) -> Iterator[tuple[str, Mark]]:
    if node is None or id(node) in visited:
        return
    visited.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(item, visited)
    if isinstance(node, yaml.MappingNode):
        seen: set[Hashable] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen and key.value != "<<":
                    yield key.value, _mark(key)
                seen.add(key.value)
            yield from _repeated(value, visited)
