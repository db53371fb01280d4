"""Units of a shelf that are kept: safety stock and emergency buffer, as SQL sees them.

A shelf keeps as many of its free units as its two numbers say. A claim may go below that only as far as the rule that
decided releases them (see docs/competition.md).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, ColumnElement, FromClause, case, cast, func

from connector.model.kinds import Protection


def protections(source: FromClause) -> tuple[ColumnElement[int], ...]:
    """How many units a row of `stock`, or of an alias of it, keeps for each purpose, in the order of `Protection`."""
    return tuple(func.coalesce(source.c[purpose.value], 0) for purpose in Protection)


def usable_units(source: FromClause) -> ColumnElement[int]:
    """Free units that any claim may take: without those that are kept, never below zero.

    Counted in 64 bits: a shelf that keeps far more than it has must not break the list that it is in.
    """
    left = cast(source.c.on_hand, BigInteger) - source.c.reserved
    for kept in protections(source):
        left = left - kept
    return case((left > 0, left), else_=0)
