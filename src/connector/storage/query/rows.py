"""What a query returns: plain rows that hold their columns and the rows related to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias


class Row:
    """One row. values: column name -> value. related: child key -> row, rows or connection."""

    __slots__ = ("entity", "related", "values")

    def __init__(self, entity: str, values: dict[str, Any]) -> None:
        self.entity = entity
        self.values = values
        self.related: dict[str, RelatedRows] = {}

    @property
    def id(self) -> int:
        """The row's key."""
        key: int = self.values["id"]
        return key

    def __repr__(self) -> str:
        return f"Row({self.entity!r}, id={self.values.get('id')})"


@dataclass(frozen=True, slots=True)
class Edge:
    """A row of a connection and the cursor that names its place in the ordering."""

    node: Row
    cursor: str


@dataclass(frozen=True, slots=True)
class PageInfo:
    """Where a page stands. has_next_page, has_previous_page: more rows, in the direction of paging exactly so;
    in the other direction, whether a cursor was given to come from.
    """

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@dataclass(frozen=True, slots=True)
class Connection:
    """One page of many rows. total_count: of all pages, None when it was not asked for."""

    edges: tuple[Edge, ...]
    page_info: PageInfo
    total_count: int | None = None

    @property
    def nodes(self) -> list[Row]:
        """The rows without their cursors."""
        return [edge.node for edge in self.edges]


RelatedRows: TypeAlias = Row | list[Row] | Connection | None
