"""Whether a text matches a pattern, without CEL, which reads the pattern anew each time that it is asked.

That takes longer than the rest of a decision, and every ticket has a title of its own. A question is taken from CEL
only where Python's answer is known to be the same: the pattern is made of the signs below, which mean the same to
both, and the text of printable ASCII. Nothing in such a pattern repeats, so a match takes bounded time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from connector.rules.policy.tokens import LITERAL, Tokens, is_in_parentheses, outer, split, tokens_of

Field: TypeAlias = tuple[str, str]
"""A variable and a field of it."""

_PATTERN: Final = re.compile(
    r"(?:\(\?i\))?"
    r"(?:(?:[A-Za-z0-9 _,:;'\"/@%=<>!.]|\[[A-Za-z0-9 _]+\]|\\[.+*?()|\[\]{}^$\\dsw]|\))\??"  # may be missing
    r"|\((?:\?:)?|\||\\b|[-^$])*"
)
"""Signs by themselves or in brackets, kinds of signs, groups, choices, edges of words and of the text."""
_MOST_CHOICES: Final = 4096
"""Ways through a pattern, if all of them begin alike."""
_MARK: Final = re.compile(r"\\.|\[[^\]]*\]|(?<=\()\?(?:i\)|:)")
"""What says nothing of choices: escaped signs, signs in brackets, and how a group begins."""
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED: Final = frozenset("\\'\"")
"""What may stand behind a backslash in a text in quotes."""


class Match(NamedTuple):
    """Whether a text matches. parts: what the text is put together of, fields and texts in quotes."""

    parts: tuple[Field | str, ...]
    pattern: re.Pattern[str]
    is_negated: bool

    def holds(self, values: Mapping[Field, object]) -> bool | None:
        """The answer; None where only CEL can give it."""
        text = ""
        for part in self.parts:
            value = part if isinstance(part, str) else values.get(part)
            if not isinstance(value, str):
                return None
            text += value
        if not (text.isascii() and text.isprintable()):
            return None
        return (self.pattern.search(text) is not None) is not self.is_negated


@lru_cache(maxsize=2048)
def match_of(condition: str) -> Match | None:
    """What a condition asks, if all of it is whether a text matches a pattern that is taken from CEL.

    For example `ticket.title.matches('(?i)switch')` or `!(ticket.category + ' ' + ticket.title).matches('disk|ssd')`.
    """
    tokens = _bare(tokens_of(condition))
    is_negated = bool(tokens) and tokens[0][0] == "!"
    tokens = tokens[1:] if is_negated else tokens
    if len(tokens) < 6 or [token[0] for token in (*tokens[-5:-2], tokens[-1])] != [".", "matches", "(", ")"]:
        return None
    pattern, parts = _compiled(tokens[-2][0]), _parts(tokens[:-5])
    return None if pattern is None or parts is None else Match(parts, pattern, is_negated)


def _bare(tokens: Tokens) -> Tokens:
    """Tokens without parentheses around all of them."""
    while tokens and is_in_parentheses(tokens, outer(tokens)):
        tokens = tokens[1:-1]
    return tokens


def _parts(tokens: Tokens) -> tuple[Field | str, ...] | None:
    """What a text is put together of; None for anything else."""
    is_alone = not tokens or tokens[0][0] != "("
    inside = tokens if is_alone else _bare(tokens)
    found = [_part(part) for part in split(inside, outer(inside), "+")]
    if is_alone and len(found) > 1:  # only the last part of a sum without parentheses would be asked
        return None
    parts = tuple([part for part in found if part is not None])
    return parts if len(parts) == len(found) else None


def _part(tokens: Tokens) -> Field | str | None:
    match [token[0] for token in tokens]:
        case [variable, ".", name] if tokens[0].lastgroup == tokens[2].lastgroup == "word":
            return variable, name
        case [literal] if tokens[0].lastgroup == "literal":
            return _unquoted(literal)
    return None


def _unquoted(literal: str) -> str | None:
    """What a text in quotes says; None where it has escapes that say something else than the sign itself."""
    if not LITERAL.fullmatch(literal):
        return None
    inner = literal.lstrip("rR")[1:-1]
    if literal[0] in "rR":
        return inner
    return _ESCAPE.sub(r"\1", inner) if _ESCAPED.issuperset(_ESCAPE.findall(inner)) else None


def _compiled(literal: str) -> re.Pattern[str] | None:
    """The pattern of a text in quotes; None for one that stays with CEL."""
    pattern = _unquoted(literal)
    if pattern is None or not _PATTERN.fullmatch(pattern) or _choices(pattern) > _MOST_CHOICES:
        return None
    try:
        return re.compile(pattern, re.ASCII)
    except re.error:
        return None


def _choices(pattern: str) -> int:
    """Ways through a pattern: of each group how many choices it has, of each sign or group that may be missing two."""
    ways, open_ = 1, list[int]()
    for sign in _MARK.sub("", pattern):
        if sign == "(":
            open_.append(1)
        elif sign == "|":
            open_ = [count + 1 for count in open_]
        elif sign == "?":
            ways *= 2
        elif sign == ")" and open_:
            ways *= open_.pop()
    return ways
