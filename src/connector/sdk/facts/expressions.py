"""JMESPath expressions of a bounded size: where in an answer something stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from connector.model.errors import InvalidRecord

LONGEST = 300
"""Characters of an expression."""
DEEPEST = 24
"""Parts within parts of an expression."""
MOST_LISTS = 2
"""`[a, b]` and `{a: b}` in one expression: each may double what it is given, so that many would fill the memory."""
_BUILDS = frozenset({"multi_select_list", "multi_select_dict"})


@dataclass(frozen=True)
class Expression:
    """A compiled expression. text: as it was written. Raises ValueError when it is none, or too large."""

    text: str
    _compiled: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError("is empty: write a JMESPath expression such as `fields.status.name`")
        if len(self.text) > LONGEST:
            raise ValueError(
                f"has {len(self.text)} characters, at most {LONGEST} are allowed: map a field, not a program"
            )
        try:
            compiled = jmespath.compile(self.text)
        except (JMESPathError, RecursionError) as error:
            said = " ".join(str(error).split())[:200] if isinstance(error, JMESPathError) else "nested too deeply"
            raise ValueError(f"{self.text!r} is no JMESPath expression: {said}") from None
        nodes = list(_nodes(compiled.parsed, 1))
        if max(depth for _, depth in nodes) > DEEPEST:
            raise ValueError(f"has parts more than {DEEPEST} deep: name the place of one value")
        if sum(name in _BUILDS for name, _ in nodes) > MOST_LISTS:
            raise ValueError(f"builds more than {MOST_LISTS} lists or objects: name the place of one value")
        object.__setattr__(self, "_compiled", compiled)

    def search(self, value: object) -> object:
        """What stands there; None where nothing does. Raises InvalidRecord when the value is not made like that."""
        try:
            found: object = self._compiled.search(value)
        except (JMESPathError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
            said = type(error).__name__  # its text quotes values
            raise InvalidRecord(
                f"{self.text!r} cannot be applied to what is there ({said})", hint="Correct the expression."
            ) from None
        return found

    def __str__(self) -> str:
        return self.text


def _nodes(node: Any, depth: int) -> Iterator[tuple[str, int]]:
    """Each part of a parsed expression with its depth; literal values count as one part."""
    yield node["type"], depth
    for child in node["children"]:
        if isinstance(child, dict) and "type" in child and "children" in child:
            yield from _nodes(child, depth + 1)


class _AsText:
    """Lets settings hold an expression as its text."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        def read(value: object) -> Expression:
            if isinstance(value, Expression):
                return value
            if not isinstance(value, str):
                raise ValueError(f"is a {type(value).__name__}, expected a JMESPath expression in quotation marks")
            return Expression(value)

        return core_schema.no_info_plain_validator_function(
            read, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "maxLength": LONGEST}


Path = Annotated[Expression, _AsText]
"""An expression in a document."""
