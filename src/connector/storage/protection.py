"""Units of a shelf that are kept: safety stock and emergency buffer, as SQL sees them.

A shelf keeps as many of its free units as its two numbers say. A claim may go below that only as far as the rule that
decided releases them (see docs/competition.md).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, FromClause, case, func, literal

from connector.model.kinds import Protection


def protected_units(source: FromClause, kept: Collection[Protection] = tuple(Protection)) -> ColumnElement[int]:
    """How many free units a row of `stock`, or of an alias of it, keeps for these purposes."""
    total: ColumnElement[Any] = literal(0)
    for purpose in Protection:
        if purpose in kept:
            total = total + func.coalesce(source.c[purpose.value], 0)
    return total


def usable_units(source: FromClause) -> ColumnElement[int]:
    """Free units that any claim may take: without those that are kept, never below zero."""
    left = source.c.on_hand - source.c.reserved - protected_units(source)
    return case((left > 0, left), else_=0)
