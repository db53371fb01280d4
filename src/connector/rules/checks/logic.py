"""What can be said about conditions without any ticket: whether one can hold at all, and whether others leave it room.

A condition is read as a propositional formula: `&&`, `||`, `!` and parentheses over *claims* such as
`ticket.priority in ['P1', 'P2']`. A claim about one field is tried on the values that make a difference: all of a
closed vocabulary, or those that it is compared with and one other. Any other claim counts as true or false at will.
So what is called impossible here is impossible; what is not may still be. Pure; no facts of any ticket.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeAlias

from connector.model.kinds import Criticality, HubTier, Lane, Priority, ProductStatus, TicketType
from connector.model.lifecycle import TICKET_OPEN, AssetState, TicketState
from connector.rules.policy.conditions import FIELD, SAMPLE, Value
from connector.rules.policy.expressions import engine as cel
from connector.rules.policy.tokens import CLOSE, LITERAL, Tokens, is_in_parentheses, outer, split, tokens_of

STEPS = 4_000
"""Assignments that are tried before a question counts as not answered."""


def _closed(enum: type[StrEnum], *, absent: bool = True) -> tuple[Value, ...]:
    return (*(("",) if absent else ()), *(member.value for member in enum))


VOCABULARIES: Mapping[str, tuple[Value, ...]] = {
    "ticket.type": _closed(TicketType, absent=False),
    "ticket.state": tuple(state.value for state in TicketState if state in TICKET_OPEN),
    "ticket.priority": _closed(Priority),
    "asset.state": _closed(AssetState),
    "product.criticality": _closed(Criticality),
    "product.status": _closed(ProductStatus),
    "shelf.lane": _closed(Lane, absent=False),
    "hub.tier": _closed(HubTier, absent=False),
}
"""Fields whose values are known, "" for what is absent; of tickets only those that rules are asked about."""

_FIELDS = frozenset(f"{variable}.{field}" for variable, fields in SAMPLE.items() for field in fields)

_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in", "+", "-", "*", "/", "%"})
_SIMPLE = re.compile(r"F(==|!=)L|L(==|!=)F|Fin\[L(,L)*,?\]|F(<|<=|>|>=)N|N(<|<=|>|>=)F|F(==|!=)N|N(==|!=)F")


@dataclass(frozen=True, slots=True)
class Claim:
    """A part of a condition that is true or false by itself.

    fields: `ticket.priority`, ... that it names. field: the one by whose value alone it can be judged, None when
    there is no such one. variable: what must be chosen to judge it, its field or itself; None when it is about nothing.
    """

    text: str
    fields: tuple[str, ...]
    field: str | None
    variable: str | None
    literals: tuple[Value, ...]
    is_simple: bool

    @property
    def strangers(self) -> tuple[Value, ...]:
        """Values that its field is compared with and never has."""
        if not self.is_simple or len(self.fields) != 1:
            return ()
        known = VOCABULARIES.get(self.fields[0])
        if known is not None:
            return tuple(value for value in self.literals if value not in known)
        kind = type(_sample(self.fields[0]))
        return tuple(value for value in self.literals if type(value) is not kind)


@dataclass(frozen=True, slots=True)
class Not:
    """Negation."""

    of: Formula


@dataclass(frozen=True, slots=True)
class All:
    """Conjunction."""

    of: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Disjunction."""

    of: tuple[Formula, ...]


Formula: TypeAlias = Claim | Not | All | Either


@lru_cache(maxsize=2048)
def formula_of(condition: str) -> Formula:
    """The formula of a condition that compiles."""
    return _parse(tokens_of(condition), condition)


def claims_in(formula: Formula) -> Iterator[Claim]:
    """Its claims from left to right."""
    match formula:
        case Claim():
            yield formula
        case Not(inner):
            yield from claims_in(inner)
        case All(parts) | Either(parts):
            for part in parts:
                yield from claims_in(part)


def can_hold(*formulas: Formula, steps: int = STEPS) -> bool:
    """Whether all of them can be true of one ticket; True as well when that was not settled in so many steps."""
    whole = All(formulas)
    question = _Question(_domains(claims_in(whole)), steps)
    try:
        return question.has_answer(whole, {})
    except _TooHardError:
        return True


class _TooHardError(Exception):
    """The question was not settled in time."""


class _Question:
    def __init__(self, domains: Mapping[str, tuple[Value, ...]], steps: int) -> None:
        self._domains = domains
        self._steps = steps
        self._verdicts: dict[tuple[str, Value], bool] = {}

    def has_answer(self, formula: Formula, given: dict[str, Value]) -> bool:
        """Whether what is not given yet can be chosen so that the formula is true."""
        self._steps -= 1
        if self._steps < 0:
            raise _TooHardError
        verdict = _verdict(formula, lambda claim: self._judged(claim, given))
        if verdict is not None:
            return verdict
        unknown = next(
            key for key in (claim.variable for claim in claims_in(formula)) if key is not None and key not in given
        )
        return any(self.has_answer(formula, {**given, unknown: value}) for value in self._domains[unknown])

    def _judged(self, claim: Claim, given: Mapping[str, Value]) -> bool | None:
        variable = claim.variable
        value = given.get(variable) if variable is not None else ""
        if value is None:
            return None
        if claim.fields and claim.field is None:
            return bool(value)
        key = (claim.text, value)
        if key not in self._verdicts:
            self._verdicts[key] = _tried(claim, value)
        return self._verdicts[key]


def _verdict(formula: Formula, judged: Callable[[Claim], bool | None]) -> bool | None:
    match formula:
        case Claim():
            return judged(formula)
        case Not(inner):
            verdict = _verdict(inner, judged)
            return None if verdict is None else not verdict
        case All(parts):
            return _first(parts, judged, decisive=False)
        case Either(parts):
            return _first(parts, judged, decisive=True)


def _first(parts: Iterable[Formula], judged: Callable[[Claim], bool | None], *, decisive: bool) -> bool | None:
    """The decisive verdict when one part gives it; else None when one is open, and the other verdict."""
    outcome: bool | None = not decisive
    for part in parts:
        verdict = _verdict(part, judged)
        if verdict is decisive:
            return decisive
        if verdict is None:
            outcome = None
    return outcome


def _domains(claims: Iterable[Claim]) -> dict[str, tuple[Value, ...]]:
    values: dict[str, set[Value]] = {}
    for claim in claims:
        variable, field = claim.variable, claim.field
        if variable is None:
            continue
        known = values.setdefault(variable, set())
        if field is None or isinstance(_sample(field), bool):
            known.update((True, False))
        elif field in VOCABULARIES:
            known.update(VOCABULARIES[field])
        elif isinstance(_sample(field), str):
            known.update(("", "\N{REPLACEMENT CHARACTER}", *claim.literals))
        else:
            numbers = [number for number in claim.literals if isinstance(number, int)]
            known.update(n for number in numbers for n in (0, number - 1, number, number + 1) if n >= 0)
    return {variable: tuple(sorted(known, key=str)) for variable, known in values.items()}


def _tried(claim: Claim, value: Value) -> bool:
    scope: dict[str, dict[str, Value]] = {}
    for name in claim.fields:
        variable, _, field = name.partition(".")
        scope[variable] = {field: value}
    try:
        return bool(cel.compile(claim.text).execute(scope))
    except (ValueError, TypeError, RuntimeError):
        return False


def _sample(name: str) -> Value:
    variable, _, field = name.partition(".")
    return SAMPLE[variable][field]


def _parse(tokens: Tokens, source: str) -> Formula:
    places = outer(tokens)
    signs = {tokens[place][0] for place in places}
    if "?" not in signs:
        for sign, kind in (("||", Either), ("&&", All)):
            if sign in signs:
                return kind(tuple(_parse(part, source) for part in split(tokens, places, sign)))
        if tokens[0][0] == "!" and not _COMPARISONS & signs:
            return Not(_parse(tokens[1:], source))
        if is_in_parentheses(tokens, places):
            return _parse(tokens[1:-1], source)
    return _claim(tokens, source)


def _claim(tokens: Tokens, source: str) -> Claim:
    text = source[tokens[0].start() : tokens[-1].end()]
    bare = LITERAL.sub("''", text)
    fields = tuple(sorted({f"{variable}.{field}" for variable, field in FIELD.findall(bare)}))
    if not fields and any(token[0] in SAMPLE for token in tokens if token.lastgroup == "word"):
        fields = (text,)
    literals = tuple(_literal(t[0]) for t in tokens if t.lastgroup in {"literal", "number"})
    shape = FIELD.sub("F", bare)
    shape = re.sub(r"\b\d+\b", "N", re.sub(r"\s+", "", shape).replace("''", "L"))
    is_simple = _SIMPLE.fullmatch(shape) is not None
    written = _written(tokens)
    field = _decisive_field(fields, is_simple=is_simple)
    return Claim(written, fields, field, (field or written) if fields else None, literals, is_simple)


def _decisive_field(fields: tuple[str, ...], *, is_simple: bool) -> str | None:
    if len(fields) != 1 or fields[0] not in _FIELDS:
        return None
    is_closed = fields[0] in VOCABULARIES or isinstance(_sample(fields[0]), bool)
    return fields[0] if is_closed or is_simple else None


def _written(tokens: Iterable[re.Match[str]]) -> str:
    """The tokens in one line, however they were spaced."""
    text = ""
    for token in tokens:
        is_close = token[0] in {".", ",", "(", *CLOSE} or text.endswith((".", "(", "[", "{", "!")) or not text
        text += token[0] if is_close else f" {token[0]}"
    return text


def _literal(text: str) -> Value:
    value: Any = cel.evaluate(text)
    return value if isinstance(value, (str, int, float, bool)) else str(value)
