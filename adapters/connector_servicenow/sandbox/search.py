"""SANDBOX: encoded queries, as far as the adapter uses them, with their traps.

Conditions on columns that do not exist are passed over, so that everything is found.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from connector_servicenow.sandbox.instance import Instance, Row

ORDER = re.compile(r"ORDERBY(DESC)?(?P<column>[a-z_.]+)$")
CONDITION = re.compile(r"(?P<column>[a-z_.]+)(?P<test>>=|<=|!=|>|<|=|STARTSWITH|ENDSWITH|LIKE|NOT IN|IN)(?P<value>.*)$")
TESTS: dict[str, Callable[[str, str], bool]] = {
    "=": lambda have, want: have.casefold() == want.casefold(),
    "!=": lambda have, want: have.casefold() != want.casefold(),
    ">": lambda have, want: have > want,
    ">=": lambda have, want: have >= want,
    "<": lambda have, want: have < want,
    "<=": lambda have, want: have <= want,
    "IN": lambda have, want: have in want.split(","),
    "NOT IN": lambda have, want: have not in want.split(","),
    "STARTSWITH": str.startswith,
    "ENDSWITH": str.endswith,
    "LIKE": lambda have, want: want.casefold() in have.casefold(),
}


def search(instance: Instance, table: str, query: str) -> list[Row]:
    """The rows that a query finds, in its order."""
    terms = [term.replace("\0", "^") for term in query.replace("^^", "\0").split("^")]
    orders = [found for term in terms if (found := ORDER.match(term))]
    groups: list[list[str]] = []
    for term in terms:
        if ORDER.match(term) or not term:
            continue
        if term.startswith("OR") and groups:
            groups[-1].append(term.removeprefix("OR"))
        else:
            groups.append([term])
    rows = [
        row
        for row in instance.of(table)
        if all(any(_holds(instance, row, term) for term in group) for group in groups)
    ]  # fmt: skip
    for order in reversed(orders):
        column = order["column"]
        rows.sort(key=lambda row: instance.column(row, column) or "", reverse=bool(order[1]))
    return rows


def _holds(instance: Instance, row: Row, term: str) -> bool:
    found = CONDITION.match(term)
    if found is None:
        return True
    have = instance.column(row, found["column"])
    return True if have is None else TESTS[found["test"]](have, found["value"])
