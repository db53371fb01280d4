"""Columns that no table has: each is an expression over a row, to be selected, compared and sorted by as any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from sqlalchemy import FromClause, exists, func, select

from connector.storage import tables
from connector.storage.facts.attainment import (
    asset_class_of_ticket,
    is_within_sla,
    minutes_to_resolve,
    region_of_ticket,
)
from connector.storage.query.entity import Expression

MEASURED: Final[Mapping[str, Callable[[FromClause], Expression]]] = {
    "region": region_of_ticket,
    "asset_class": asset_class_of_ticket,
    "is_within_sla": is_within_sla,
    "minutes_to_resolve": minutes_to_resolve,
}
"""What tickets are counted by."""


def free_units(source: FromClause) -> Expression:
    """Of a shelf: units that nobody has claimed."""
    free: Expression = source.c.on_hand - source.c.reserved
    return free


def is_below_reorder_point(source: FromClause) -> Expression:
    """Whether fewer units of a shelf are free than its reorder point; null where it has none."""
    return free_units(source) < source.c.reorder_point


def is_active(source: FromClause) -> Expression:
    """Whether it is the policy of the newest activation."""
    newest = select(func.max(tables.policy_activation.c.id)).correlate(None).scalar_subquery()
    table = tables.policy_activation.alias()
    return exists().where(table.c.id == newest, table.c.policy_id == source.c.id)
