"""SANDBOX: the part of TicketSQL that adapters use, over plain Python objects.

As in the real thing, a time is read in the time zone of the asking user, whatever zone is written behind it, and
`=` on a time means the whole day.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

Row: TypeAlias = Any
Predicate: TypeAlias = Callable[[Row], bool]

TOKEN = re.compile(
    r"""\s*(?:(?P<paren>[()])|(?P<op><=|>=|!=|=|<|>)|'(?P<text>(?:\\.|[^'\\])*)'"""
    r"""|(?P<word>[\w:.\-]+(?:\{[^}]*\})?))""",
    re.VERBOSE,
)
COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge,
}  # fmt: skip
DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d):(\d\d))?")


class BadQuery(Exception):  # noqa: N818 - says what is wrong
    """The query is not TicketSQL; the text says why."""


@dataclass(frozen=True, slots=True)
class Column:
    """What a name in a query stands for. value: of a row; a list for a custom field."""

    kind: Literal["number", "text", "time", "values"]
    value: Callable[[Row], Any]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def parse(query: str, columns: Callable[[str], Column | None], zone: ZoneInfo) -> Predicate:
    """Whether a row is wanted. Raises BadQuery."""
    tokens = _tokens(query)
    if not tokens:
        return lambda _row: False
    predicate, rest = _either(query, tokens, columns, zone)
    if rest:
        raise BadQuery(f"Unexpected {rest[0].text!r} in {query!r}")
    return predicate


def _tokens(query: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(query) and query[at:].strip():
        found = TOKEN.match(query, at)
        if not found or found.lastgroup is None:
            raise BadQuery(f"Wrong query, expecting a KEYWORD, OPERATOR or VALUE in {query!r} at {at}")
        text = found[found.lastgroup]
        tokens.append(_Token(found.lastgroup, re.sub(r"\\(.)", r"\1", text) if found.lastgroup == "text" else text))
        at = found.end()
    return tokens


def _either(
    query: str, tokens: list[_Token], columns: Callable[[str], Column | None], zone: ZoneInfo
) -> tuple[Predicate, list[_Token]]:
    left, tokens = _both(query, tokens, columns, zone)
    while tokens and tokens[0].text.upper() == "OR" and tokens[0].kind == "word":
        right, tokens = _both(query, tokens[1:], columns, zone)
        left = _joined(any, left, right)
    return left, tokens


def _both(
    query: str, tokens: list[_Token], columns: Callable[[str], Column | None], zone: ZoneInfo
) -> tuple[Predicate, list[_Token]]:
    left, tokens = _one(query, tokens, columns, zone)
    while tokens and tokens[0].text.upper() == "AND" and tokens[0].kind == "word":
        right, tokens = _one(query, tokens[1:], columns, zone)
        left = _joined(all, left, right)
    return left, tokens


def _joined(how: Callable[[Any], bool], left: Predicate, right: Predicate) -> Predicate:
    return lambda row: how(each(row) for each in (left, right))


def _one(
    query: str, tokens: list[_Token], columns: Callable[[str], Column | None], zone: ZoneInfo
) -> tuple[Predicate, list[_Token]]:
    if not tokens:
        raise BadQuery(f"Incomplete query, last element is not close paren or value in {query!r}")
    if tokens[0] == _Token("paren", "("):
        inner, rest = _either(query, tokens[1:], columns, zone)
        if not rest or rest[0] != _Token("paren", ")"):
            raise BadQuery(f"Incomplete query, {query!r} lacks a close paren")
        return inner, rest[1:]
    field, rest = tokens[0], tokens[1:]
    column = columns(field.text)
    if field.kind not in ("word", "text") or column is None:
        raise BadQuery(f"Unknown field: {field.text}")
    sign = ""
    while rest and (rest[0].kind == "op" or rest[0].text.upper() in ("LIKE", "NOT", "IS")):
        sign, rest = f"{sign} {rest[0].text.upper()}".strip(), rest[1:]
    if not sign or not rest or rest[0].kind not in ("text", "word"):
        raise BadQuery(f"Incomplete query, last element (OPERATOR) is not close paren or value in {query!r}")
    return _comparison(column, sign, rest[0].text, zone, query), rest[1:]


def _comparison(column: Column, sign: str, text: str, zone: ZoneInfo, query: str) -> Predicate:
    value = column.value
    if column.kind == "values":
        wanted = text.casefold()
        has: Predicate = lambda row: any(wanted == each.casefold() for each in value(row))  # noqa: E731
        like: Predicate = lambda row: any(wanted in each.casefold() for each in value(row))  # noqa: E731
        if sign in ("=", "LIKE"):
            return has if sign == "=" else like
        if sign in ("!=", "NOT LIKE"):
            return lambda row: not (has if sign == "!=" else like)(row)
        raise BadQuery(f"Invalid operator {sign} in {query!r}")
    if sign in ("LIKE", "NOT LIKE") and column.kind == "text":
        return lambda row: (text.casefold() in str(value(row)).casefold()) == (sign == "LIKE")
    if sign not in COMPARE:
        raise BadQuery(f"Invalid operator {sign} in {query!r}")
    compare = COMPARE[sign]
    if column.kind == "number":
        if not text.lstrip("-").isdigit():
            raise BadQuery(f"{text!r} is not a number in {query!r}")
        return lambda row: compare(value(row), int(text))
    if column.kind == "time":
        at = _time(text, zone, query)
        if sign == "=":
            day = at.replace(hour=0, minute=0, second=0)
            return lambda row: day <= value(row) < day + timedelta(days=1)
        return lambda row: compare(value(row), at)
    return lambda row: compare(str(value(row)).casefold(), text.casefold())


def _time(text: str, zone: ZoneInfo, query: str) -> datetime:
    found = DATE.match(text)
    if not found:
        raise BadQuery(f"{text!r} is not a date in {query!r}")
    return datetime(*(int(part or 0) for part in found.groups()), tzinfo=zone)  # type: ignore[arg-type,misc]
