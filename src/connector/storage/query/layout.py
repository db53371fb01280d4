"""Where in a row of the answer of a statement each column and each relation stands, and what the values there mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import JSON, Boolean, Date, Float, LargeBinary
from sqlalchemy.types import TypeEngine

from connector.storage.query.entities import ENTITIES
from connector.storage.query.entity import Entity, ToMany, ToOne
from connector.storage.query.keyset import full_order
from connector.storage.query.selection import Child, Order, Page, Selection
from connector.storage.tables.columns import EnumText, UtcDateTime

Decoder = Callable[[Any], Any]

NEWEST: Final = Page(size=1, order=(Order("id", descending=True),), include_retired=True)
"""The page that is read for a relation to the newest of many rows."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A relation in a row. rows, total: places of its rows and of their number, None where they are not wanted."""

    child: Child
    relation: ToOne | ToMany
    layout: Layout
    rows: int | None
    total: int | None

    @property
    def is_single(self) -> bool:
        """One row at most, not a list."""
        return isinstance(self.relation, ToOne) or self.relation.newest_only


@dataclass(frozen=True, slots=True)
class Layout:
    """A row: its columns by their names in order, then its relations.

    decoders: for each column what makes the value out of what stands in the answer; None where it is the value itself.
    order: what cursors of it hold.
    """

    entity: Entity
    names: tuple[str, ...]
    decoders: tuple[Decoder | None, ...]
    branches: tuple[Branch, ...]
    order: tuple[Order, ...]

    def place(self, name: str) -> int:
        """Place of a column."""
        return self.names.index(name)

    def branch(self, key: str) -> Branch:
        """The relation that is asked for under a key."""
        return next(branch for branch in self.branches if branch.child.key == key)


def layout_of(selection: Selection, page: Page | None = None) -> Layout:
    """The layout of the rows of a selection. page: of which page they are, for the columns that its cursors hold."""
    entity = ENTITIES[selection.entity]
    order = full_order(entity, page.order) if page is not None else ()
    names = tuple(dict.fromkeys(["id", *sorted(selection.columns), *(key.column for key in order)]))
    place = len(names)
    branches: list[Branch] = []
    for child in selection.children:
        rows = total = None
        if child.page is None or child.page.rows:
            rows, place = place, place + 1
        if child.page is not None and child.page.counts:
            total, place = place, place + 1
        layout = layout_of(child.selection, child.page)
        branches.append(Branch(child, entity.relations[child.relation], layout, rows, total))
    decoders = tuple(decoder_of(entity.expression(name, entity.table).type) for name in names)
    return Layout(entity, names, decoders, tuple(branches), order)


def decoder_of(type_: TypeEngine[Any]) -> Decoder | None:
    """What makes a value of a type out of what stands in the answer."""
    match type_:
        case UtcDateTime():
            return _instant
        case EnumText(enum=enum):
            return enum
        case Boolean():
            return bool
        case Float():
            return float
        case Date():
            return date.fromisoformat
        case LargeBinary():
            return bytes.fromhex
        case JSON():
            return None
        case _:
            return None


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
