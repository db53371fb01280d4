"""What a caller wants to read, as data: columns, relations, conditions, ordering and a page.

This is the seam between a query language and SQL: the API turns a query into a selection, this package turns a
selection into statements. All names are those of `connector.storage.query.entities`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from connector.model.geo import Point

Operator: TypeAlias = Literal[
    "eq", "ne", "in", "not_in", "lt", "lte", "gt", "gte", "contains", "starts_with", "ends_with", "is_null"
]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that may be another each time the statement is sent. value: when nothing else is told then."""

    name: str
    value: Any


Place: TypeAlias = tuple[Parameter | None, ...]
"""What a row is sorted by; None for values that are missing."""


@dataclass(frozen=True, slots=True)
class Compare:
    """A column against a value. Text operators ignore case; `ne` and `not_in` hold for a missing value.

    value: a `Parameter` where the operator takes one value that is not missing.
    """

    column: str
    operator: Operator
    value: Any


@dataclass(frozen=True, slots=True)
class Near:
    """A thing with coordinates is no farther from a point, over the sphere; one whose place is unknown is not."""

    point: Point
    within_km: float


Quantifier: TypeAlias = Literal["one", "some", "every", "none"]


@dataclass(frozen=True, slots=True)
class Related:
    """What must hold of related rows. `one`: of a relation to at most one row, it exists and satisfies the condition.

    Of a relation to many, those that their source has deleted left out: `some` satisfy it, `every` one does (or there
    is none), `none` does.
    """

    relation: str
    condition: Condition
    quantifier: Quantifier = "one"


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of the conditions hold; no conditions hold always."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of the conditions holds; no conditions hold never."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold; unknown counts as not holding."""

    condition: Condition


Condition: TypeAlias = Compare | Near | Related | AllOf | AnyOf | Not


@dataclass(frozen=True, slots=True)
class Order:
    """One key of an ordering. Missing values come last in both directions."""

    column: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Child:
    """A relation to be loaded with its parents. key: where the result is put, so one relation can be asked twice.

    page: which of a parent's rows, as a connection; None for all of them, as a list.
    """

    key: str
    relation: str
    selection: Selection
    page: Page | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which columns and relations of an entity are wanted; its id always is."""

    entity: str
    columns: frozenset[str] = frozenset()
    children: tuple[Child, ...] = ()

    def with_column(self, name: str) -> Selection:
        """The same with one column more."""
        return replace(self, columns=self.columns | {name})


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows of many, and how many of them.

    size: rows at most. backward: the last rows before `before`, not the first after `after`. after, before: cursors of
    rows of the same ordering, or what they hold (`keyset.opened`). counts: the total number is wanted. rows: the rows
    are wanted. include_retired: rows that their source has deleted, too.
    """

    size: int
    where: Condition | None = None
    order: tuple[Order, ...] = ()
    after: str | Place | None = None
    before: str | Place | None = None
    backward: bool = False
    counts: bool = False
    rows: bool = True
    include_retired: bool = False
