"""Conditions taken apart without evaluating them: into tokens, and into what their outermost signs join."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

Tokens: TypeAlias = Sequence[re.Match[str]]

LITERAL: Final = re.compile(r"""[rR]?(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')""")
"""A text in quotes."""
OPEN: Final = frozenset("([{")
CLOSE: Final = frozenset(")]}")

_TOKEN = re.compile(
    rf"(?P<space>\s+|//[^\n]*)|(?P<literal>{LITERAL.pattern})|(?P<word>[A-Za-z_]\w*)|(?P<number>\d[\w.]*)"
    r"|(?P<sign>\|\||&&|==|!=|<=|>=|.)",
    re.DOTALL,
)
_OF_QUOTES = frozenset("'\"\\")


def tokens_of(text: str) -> Tokens:
    """The tokens of a condition, without what stands between them."""
    return [match for match in _TOKEN.finditer(text) if match.lastgroup != "space"]


def outer(tokens: Tokens) -> list[int]:
    """Places of the tokens that stand in no parentheses, the outer parentheses themselves among them."""
    places, depth = [], 0
    for place, token in enumerate(tokens):
        if token[0] in CLOSE:
            depth -= 1
        if depth == 0:
            places.append(place)
        if token[0] in OPEN:
            depth += 1
    return places


def is_in_parentheses(tokens: Tokens, outer: Sequence[int]) -> bool:
    """Whether one pair of parentheses is around everything."""
    return list(outer) == [0, len(tokens) - 1] and tokens[0][0] == "("


def split(tokens: Tokens, outer: Iterable[int], sign: str) -> Iterator[Tokens]:
    """What a sign joins, where it stands in no parentheses."""
    start = 0
    for place in outer:
        if tokens[place][0] == sign:
            yield tokens[start:place]
            start = place + 1
    yield tokens[start:]


def operands(text: str) -> tuple[str, tuple[str, ...]] | None:
    """`||` or `&&` and what it joins, from left to right; None for a condition that is not all of that.

    Each operand is a condition by itself. Where a quote was not understood, nothing is said to be joined.
    """
    tokens = tokens_of(text)
    if any(token[0] in _OF_QUOTES for token in tokens):
        return None
    places = outer(tokens)
    while is_in_parentheses(tokens, places):
        tokens = tokens[1:-1]
        places = outer(tokens)
    signs = {tokens[place][0] for place in places}
    if "?" in signs:
        return None
    sign = next((sign for sign in ("||", "&&") if sign in signs), None)
    if sign is None:
        return None
    return sign, tuple(text[part[0].start() : part[-1].end()] for part in split(tokens, places, sign))
