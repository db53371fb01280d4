"""SANDBOX: the part of OQL that is asked here, `SELECT class WHERE condition AND condition`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any, Final

from connector_itop.sandbox.inventory import CLASSES, Refused

QUERY: Final = re.compile(r"SELECT (\w+)(?: WHERE (.+))?", re.DOTALL)
LITERAL: Final = r"(?:'(?:[^'\\]|\\.)*'|-?\d+)"
CONDITION: Final = re.compile(
    rf"(\w+) (?:(IN) \(({LITERAL}(?:, {LITERAL})*)\)|(=|>=|<=|>|<) ({LITERAL}))(?: AND |$)", re.DOTALL
)
COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq, ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le,
}  # fmt: skip
Fits = Callable[[Callable[[str], Any]], bool]


def read_query(text: str) -> tuple[str, Fits]:
    """The class, and whether an object fits, whose attributes are asked for by name. Raises Refused."""
    found = QUERY.fullmatch(text)
    if found is None or found[1] not in CLASSES:
        raise Refused(f"Error: Query failed to execute (query = {text})")
    conditions: list[tuple[str, str, list[Any]]] = []
    rest = found[2] or ""
    while rest:
        condition = CONDITION.match(rest)
        if condition is None:
            raise Refused(f"Error: Query failed to execute (query = {text})")
        name, listed, literals, compared, literal = condition.groups()
        values = [_value(each) for each in re.findall(LITERAL, literals or literal, re.DOTALL)]
        conditions.append((name, listed or compared, values))
        rest = rest[condition.end() :]

    def fits(told: Callable[[str], Any]) -> bool:
        return all(_holds(told(name), how, values) for name, how, values in conditions)

    return found[1], fits


def _holds(told: Any, how: str, values: list[Any]) -> bool:
    """MySQL compares texts without regard to case, and numbers as numbers."""
    mine = told.casefold() if isinstance(told, str) else told
    theirs = [each.casefold() if isinstance(each, str) else each for each in values]
    return mine in theirs if how == "IN" else COMPARE[how](mine, theirs[0])


def _value(literal: str) -> Any:
    if literal.startswith("'"):
        return re.sub(r"\\(.)", r"\1", literal[1:-1], flags=re.DOTALL)
    return int(literal)
