"""Conditions of rules and substitutions, in CEL (Common Expression Language).

A condition is compiled once and checked when it is loaded: its syntax, the names that it uses, and, by evaluating
it against a sample, its types. Absent texts are "" and absent numbers 0, so that a condition never meets null.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, TypeAlias, TypeVar

from connector.rules.policy.expressions import engine as cel
from connector.rules.policy.patterns import match_of
from connector.rules.policy.tokens import LITERAL, operands

Value: TypeAlias = str | int | float | bool
Scope: TypeAlias = Mapping[str, Mapping[str, Value]]
Fields: TypeAlias = tuple[tuple[str, str], ...]
"""Variables with a field of each."""
T = TypeVar("T")

SAMPLE: Scope = {
    "ticket": {
        "number": "INC-1", "type": "incident", "priority": "P1", "state": "new", "title": "Switch is dead",
        "description": "", "category": "hardware", "quantity": 1, "requester": "", "assignee": "", "asset_hint": "",
        "site_hint": "", "product_hint": "", "source": "itsm",
    },
    "asset": {
        "known": True, "name": "sw-1", "serial": "FOC1", "asset_tag": "AT-1", "state": "deployed", "holder": "",
        "revision": "V03", "warranty_known": True, "in_warranty": True, "warranty_days_left": 30,
    },
    "site": {
        "known": True, "name": "Plant", "code": "P1", "region": "EU", "country": "DE", "time_zone": "Europe/Berlin",
        "service_class": "critical", "data_quality": 97,
    },
    "product": {
        "known": True, "manufacturer": "Acme", "model": "X1", "part_number": "", "sku": "", "asset_class": "switch",
        "criticality": "tier_1", "unit_cost_cents": 180_000, "weight_g": 4_500, "is_data_bearing": False,
        "status": "active", "data_quality": 97,
    },
    "service_class": {"known": True, "name": "critical", "maximum_outage_minutes": 240, "always": True},
    "channel": {"known": True, "name": "recall"},
    "request": {"kind": "reservation", "cost_cents": 3_500, "quantity": 1, "lane": "normal"},
    "shelf": {"lane": "normal", "free": 1, "on_hand": 2, "reorder_point": 2, "target": 4, "quantity": 3},
    "hub": {"name": "Depot", "code": "BER", "tier": "local", "region": "EU", "country": "DE", "is_mobile": False},
}  # fmt: skip
"""What a condition may name, with a value of the right type for each."""

REQUEST = "request"
"""The variable that only the condition of an approval may name: what is asked for."""
OF_SHELF = ("shelf", "hub", "product")
"""What a condition about a shelf that is low may name: the shelf, its hub, its product."""
KNOWN: Scope = {name: fields for name, fields in SAMPLE.items() if name not in (REQUEST, "shelf", "hub")}
"""What every other condition may name: the facts of a ticket."""

FIELD = re.compile(rf"(?<![\w.])({'|'.join(SAMPLE)})\s*\.\s*([A-Za-z_]\w*)(?!\w*\s*\()")
"""A field of a variable, where no text in quotes is left."""

_VARIABLE = re.compile(rf"\b(?:{'|'.join(SAMPLE)})\b")

MOST_REMEMBERED = 1024
"""Answers that are remembered of one question."""
LONGEST_REMEMBERED = 200
"""Characters of a value that an answer is remembered for."""


class ConditionFailed(Exception):  # noqa: N818 - named by what is wrong
    """A condition could not be evaluated on real facts; the text says why."""


class Answers(dict[tuple[Value, ...], T]):
    """What was answered to a question, by the values of the fields that decide it; so many at most, of short values."""

    def keep(self, values: tuple[Value, ...], answer: T) -> T:
        """Remember an answer, and give it."""
        if all(not isinstance(value, str) or len(value) <= LONGEST_REMEMBERED for value in values):
            if len(self) >= MOST_REMEMBERED:
                self.clear()
            self[values] = answer
        return answer


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition. text: as it was written. reads: the fields that decide it; None when that is not sure.

    Tickets resemble each other, and CEL compiles a pattern each time that it matches one: answers are remembered by
    the values of the fields that are read. What `||` or `&&` joins is asked one by one, since a title that nobody has
    seen before says nothing new about the product. Only the fields that are read are handed to CEL, which takes longer
    to take in all facts than to evaluate most conditions.
    """

    text: str
    program: Any
    reads: Fields | None = None
    _known: Answers[bool] = field(default_factory=Answers, repr=False, compare=False)

    def holds(self, facts: Facts) -> bool:
        """Whether it is true of the facts. Raises ConditionFailed when it cannot be evaluated."""
        if self.reads is None:
            return self._evaluate(facts.context)
        values = facts.values(self.reads)
        known = self._known.get(values)
        if known is not None:
            return known
        return self._known.keep(values, self._worked_out(facts, dict(zip(self.reads, values, strict=True))))

    def _worked_out(self, facts: Facts, values: Mapping[tuple[str, str], Value]) -> bool:
        """What its operands give, where those that are asked have an answer; else what its pattern, or CEL, says."""
        joined = _joined(self.text)
        if joined is not None:
            with suppress(ConditionFailed):  # one that has none may still be outvoted by another
                return joined.holds(facts)
        asked = match_of(self.text)
        answer = None if asked is None else asked.holds(values)
        if answer is not None:
            return answer
        read: dict[str, dict[str, Value]] = {}
        for (variable, name), value in values.items():
            read.setdefault(variable, {})[name] = value
        return self._evaluate(cel.Context(read))

    def _evaluate(self, context: Any) -> bool:
        try:
            result = self.program.execute(context)
        except Exception as error:
            raise ConditionFailed(f"condition {self.text!r} cannot be evaluated: {first_line(error)}") from error
        if not isinstance(result, bool):
            raise ConditionFailed(f"condition {self.text!r} gives {result!r}, not true or false")
        return result


class _Joined(NamedTuple):
    """What `||` joins, or `&&`, in its order. is_any: it is `||`."""

    is_any: bool
    operands: tuple[Condition, ...]

    def holds(self, facts: Facts) -> bool:
        """The same as CEL says of the whole. Raises ConditionFailed when one of those that are asked has no answer."""
        answers = (each.holds(facts) for each in self.operands)
        return any(answers) if self.is_any else all(answers)


@lru_cache(maxsize=2048)
def _joined(text: str) -> _Joined | None:
    """The operands of a condition that compiles; None where nothing joins all of it."""
    found = operands(text)
    return None if found is None else _Joined(found[0] == "||", tuple(map(operand, found[1])))


@lru_cache(maxsize=2048)
def operand(text: str) -> Condition:
    """A part of conditions that were checked: conditions that have it in common share what is remembered of it."""
    return Condition(text, cel.compile(text), fields_read(text))


class Facts:
    """Facts in the form that conditions read, converted at most once for all conditions of a decision."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def values(self, fields: Fields) -> tuple[Value, ...]:
        """The values of some fields."""
        scope = self.scope
        return tuple([scope[variable][name] for variable, name in fields])

    @cached_property
    def context(self) -> Any:
        """The facts as CEL takes them."""
        return cel.Context({name: dict(fields) for name, fields in self.scope.items()})


@lru_cache(maxsize=2048)
def compile_condition(text: str, *, about_request: bool = False, about_shelf: bool = False) -> Condition:
    """Compile and check a condition. about_request: whether it is asked about a request for approval. about_shelf:
    about a shelf that is low.

    Raises ValueError saying what is wrong: syntax, an unknown name (with the nearest known one), a wrong type.
    """
    try:
        condition = Condition(text, cel.compile(text), fields_read(text))
    except ValueError as error:
        raise ValueError(f"is no CEL expression: {first_line(error)}") from error
    for variable, name in FIELD.findall(LITERAL.sub("''", text)):
        if name not in SAMPLE[variable]:
            near = get_close_matches(name, SAMPLE[variable], n=1) or sorted(SAMPLE[variable])
            raise ValueError(f"names {variable}.{name}, which does not exist: did you mean {variable}.{near[0]}?")
    known = OF_SHELF if about_shelf else (*KNOWN, REQUEST) if about_request else tuple(KNOWN)
    unknown = sorted(set(condition.program.variables()) - set(known))
    if unknown:
        raise ValueError(f"names {unknown[0]!r}, which does not exist: known are {', '.join(known)}")
    for sample in (_SAMPLE, _EMPTY):
        try:
            condition._evaluate(sample.context)
        except ConditionFailed as error:
            raise ValueError(str(error)) from error
    return condition


def fields_read(text: str) -> Fields | None:
    """The fields that a condition reads; None when it may read more than its text shows by itself.

    That is so for a variable that is named without a field, and where comments or long quotes may hide something.
    """
    if any(sign in text for sign in ("//", '"""', "'''")):
        return None
    bare = LITERAL.sub("''", text)
    if "\\" in bare or _VARIABLE.search(FIELD.sub("", bare)):
        return None
    return tuple(sorted(set(FIELD.findall(bare))))


def first_line(error: Exception) -> str:
    """The first line of an error's text, without the pointer into the source that CEL draws below it."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text.partition("ERROR: ")[2] or text


_SAMPLE = Facts(SAMPLE)
_EMPTY = Facts({name: {field: type(value)() for field, value in fields.items()} for name, fields in SAMPLE.items()})
