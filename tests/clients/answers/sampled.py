"""Instances of the schemas of an OpenAPI description: the least that one allows, and full ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

Schema: TypeAlias = Mapping[str, Any]
FORMATS: Mapping[str, object] = {
    "date-time": "2026-11-25T12:00:00Z",
    "date": "2026-11-25",
    "time": "12:00:00",
    "uri": "https://example.com/a",
    "url": "https://example.com/a",
    "uuid": "0f0e4c2b-6a7f-4f0e-9d5b-0f7c1f2a3b4c",
    "email": "mia@example.com",
    "byte": "SGVsbG8=",
}
"""Texts of the formats that schemas name."""
ABSENT = object()
"""Known of a property that is left out."""


class Sampler:
    """Makes instances. find: what a reference stands for. known: values of properties, by name or `parent.name`.

    least: what is required alone, and null where that is allowed. Otherwise everything, each list with one item;
    turn: which of several alternatives and words is taken, so that `turns` of them show each of a few.
    """

    def __init__(
        self, find: Callable[[str], Schema], known: Mapping[str, object], *, least: bool = False, turn: int = 0
    ) -> None:
        self._find = find
        self._known = known
        self._least = least
        self._turn = turn
        self.turns = 1
        """Of how many alternatives the widest choice is; known after an instance was made."""

    def instance(self, schema: Schema | bool, within: tuple[str, ...] = (), name: str = "") -> Any:
        """One of a schema. within: references that lead here, so that what holds itself comes to an end.

        name: of the property.
        """
        if isinstance(schema, bool):
            return "anything"
        schema, within = self._followed(schema, within)
        if self._least and _may_be_null(schema):
            return None
        kind = _kind(schema)
        if kind not in ("object", "array"):
            given = schema.get("examples") or [schema["example"]] if "example" in schema else schema.get("examples")
            if isinstance(given, Sequence) and not isinstance(given, str) and given and not schema.get("enum"):
                return given[0]
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._taken([word for word in schema["enum"] if word is not None])
        if kind == "object":
            return self._object(schema, within, name)
        if kind == "array":
            return self._array(schema, within, name)
        return _scalar(kind, schema)

    def _followed(self, schema: Schema, within: tuple[str, ...]) -> tuple[Schema, tuple[str, ...]]:
        """The schema without references, alternatives and parts."""
        while True:
            if "$ref" in schema:
                within = (*within, schema["$ref"])
                schema = {**self._find(schema["$ref"]), **{k: v for k, v in schema.items() if k != "$ref"}}
                continue
            choice = schema.get("oneOf") or schema.get("anyOf")
            if choice:
                rest = {name: value for name, value in schema.items() if name not in ("oneOf", "anyOf")}
                real = [each for each in choice if each.get("type") != "null"]
                null = {"nullable": True} if len(real) < len(choice) else {}
                schema = _joined([rest, self._taken(real), null])
                continue
            if "allOf" in schema:
                parts = [part for part in schema["allOf"] if part.get("$ref") not in within]
                within = (*within, *(part["$ref"] for part in parts if "$ref" in part))
                rest = {name: value for name, value in schema.items() if name != "allOf"}
                schema = _joined([*(self._found(part) for part in parts), rest])
                continue
            return schema, within

    def _found(self, part: Schema) -> Schema:
        return self._find(part["$ref"]) if "$ref" in part else part

    def _taken(self, choices: Sequence[Any]) -> Any:
        self.turns = max(self.turns, len(choices))
        return choices[self._turn % len(choices)]

    def _object(self, schema: Schema, within: tuple[str, ...], parent: str) -> dict[str, Any]:
        properties: Schema = schema.get("properties") or {}
        required = schema.get("required") or ()
        names = [name for name in properties if not self._least or name in required]
        made = {
            name: self._property(properties[name], within, parent, name)
            for name in names
            if not self._repeats(properties[name], within) and self._known_of(parent, name) is not ABSENT
        }
        more = schema.get("additionalProperties")
        if isinstance(more, Mapping) and more and not self._least and not self._repeats(more, within):
            made["another"] = self.instance(more, within)
        return made

    def _property(self, schema: Schema | bool, within: tuple[str, ...], parent: str, name: str) -> Any:
        known = self._known_of(parent, name)
        return self.instance(schema, within, name) if known is None else known

    def _known_of(self, parent: str, name: str) -> object:
        return next((self._known[each] for each in (f"{parent}.{name}", name) if each in self._known), None)

    def _array(self, schema: Schema, within: tuple[str, ...], name: str) -> list[Any]:
        items = schema.get("items") or {}
        count = schema.get("minItems") or 0
        count = count if self._least else max(count, 1)
        return (
            [] if self._repeats(items, within) else [self.instance(items, within, name) for _ in range(min(count, 3))]
        )

    def _repeats(self, schema: Schema | bool, within: tuple[str, ...]) -> bool:
        if isinstance(schema, bool):
            return False
        named = [schema, schema.get("items") or {}, *schema.get("allOf", ())]
        return any(isinstance(each, Mapping) and each.get("$ref") in within for each in named)


def _joined(parts: Sequence[Schema]) -> Schema:
    joined: dict[str, Any] = {}
    for part in parts:
        properties = {**joined.get("properties", {}), **(part.get("properties") or {})}
        required = [*joined.get("required", ()), *(part.get("required") or ())]
        also = [*joined.get("allOf", ()), *part.get("allOf", ())]
        joined |= part
        joined |= {k: v for k, v in (("properties", properties), ("required", required), ("allOf", also)) if v}
    return joined


def _may_be_null(schema: Schema) -> bool:
    kinds = schema.get("type")
    return bool(schema.get("nullable")) or (isinstance(kinds, list) and "null" in kinds)


def _kind(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), None)
    if isinstance(kind, str):
        return kind
    if "properties" in schema or "additionalProperties" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def _scalar(kind: str, schema: Schema) -> object:
    if kind == "boolean":
        return True
    if kind in ("integer", "number"):
        return schema.get("minimum") or schema.get("maximum") or 1
    text = str(FORMATS.get(schema.get("format", ""), "string"))
    text = text.ljust(schema.get("minLength") or 0, "x")
    return text[: schema["maxLength"]] if schema.get("maxLength") else text
