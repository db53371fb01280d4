"""How the fields of object types say where their values come from.

A field carries metadata that `connector.api.plan` reads to select exactly what a query needs: the columns of a
plain or derived field, or the relation that it follows. The resolvers only take what has been read already.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.extensions import FieldExtension
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.field import StrawberryField

from connector.api.schema.filters import FILTERS, ORDERS
from connector.api.weights import WEIGHT
from connector.storage.query import ENTITIES, Row

COLUMNS = "columns"
BESIDE = "beside"
"""Columns that a resolver needs, and of whose values it tells nothing."""
RELATION = "relation"
ADDRESS = "address"
"""That the resolver looks at nothing around the query but the address by which the hub was called."""
PAGED = "paged"

DEFAULT_PAGE = 50
LARGEST_PAGE = 500


def take(source: Any, name: str) -> object:
    """The value of a field without resolver: a column of a row, or an attribute of anything else."""
    return source.values[name] if type(source) is Row else getattr(source, name)


def column(description: str) -> Any:
    """A field that shows the column of its own name."""
    return strawberry.field(description=description)


def derived(
    resolver: Callable[..., Any],
    description: str,
    *,
    columns: tuple[str, ...],
    beside: tuple[str, ...] = (),
    weight: int = 0,
    by_address: bool = False,
    deprecated: str | None = None,
) -> Any:
    """A field that is computed from columns of its row. weight: what it costs for each of them.

    beside: columns that are needed for that, of whose values nothing is told.

    by_address: and from the address by which the hub is called. deprecated: since when, and what to use instead.
    """
    metadata = {COLUMNS: columns, BESIDE: beside, ADDRESS: by_address} | ({WEIGHT: weight} if weight else {})
    return strawberry.field(
        resolver=resolver, description=description, metadata=metadata, deprecation_reason=deprecated
    )


def minutes(name: str, description: str) -> Any:
    """A duration that the table keeps in minutes; null where it keeps none."""

    def resolve(root: Row) -> timedelta | None:
        value = root.values[name]
        return None if value is None else timedelta(minutes=value)

    return derived(resolve, description, columns=(name,))


def related(relation: str, description: str) -> Any:
    """The row that a relation leads to, or the list of all of its rows."""
    return strawberry.field(resolver=_loaded, description=description, metadata={RELATION: relation})


def paged(entity: str, relation: str, description: str) -> Any:
    """A page of the rows that a relation leads to. entity: what they are."""
    return strawberry.field(
        resolver=_loaded,
        description=description,
        metadata={RELATION: relation, PAGED: True},
        extensions=[PageArguments(entity)],
    )


Argument = tuple[str, Any, Any, str]
"""Name, type, default and description of an argument."""


class Arguments(FieldExtension):
    """Gives a field arguments.

    They are read by `connector.api.plan` from the query itself, so the resolver gets none of them.
    """

    def __init__(self, arguments: tuple[Argument, ...]) -> None:
        self._arguments = arguments

    def apply(self, field: StrawberryField) -> None:
        """Add the arguments."""
        field.arguments = [
            *field.arguments,
            *(
                StrawberryArgument(
                    python_name=name,
                    graphql_name=None,
                    type_annotation=StrawberryAnnotation(type_),
                    default=default,
                    description=description,
                )
                for name, type_, default, description in self._arguments
            ),
        ]

    def map_arguments(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Pass on what is not ours."""
        ours = {name for name, *_ in self._arguments}
        return {name: value for name, value in kwargs.items() if name not in ours}


class PageArguments(Arguments):
    """Gives a field the arguments of a connection of an entity."""

    def __init__(self, entity: str) -> None:
        super().__init__(_page_arguments(entity))


def _loaded(root: Row, info: strawberry.Info) -> Any:
    return root.related[str(info.path.key)]


@cache
def _page_arguments(entity: str) -> tuple[Argument, ...]:
    arguments: list[Argument] = [
        ("filter", FILTERS[entity] | None, strawberry.UNSET, "Which ones; all when left out."),
        (
            "order_by",
            list.__class_getitem__(ORDERS[entity]) | None,
            strawberry.UNSET,
            "In which order, the first key counting most; in the order of creation when left out. "
            "Missing values come last.",
        ),
        (
            "first",
            int | None,
            strawberry.UNSET,
            f"How many from the beginning, or behind `after`: {DEFAULT_PAGE} when left out, {LARGEST_PAGE} at most.",
        ),
        ("after", str | None, strawberry.UNSET, "Begin behind the edge with this cursor."),
        ("last", int | None, strawberry.UNSET, f"How many from the end, or before `before`: {LARGEST_PAGE} at most."),
        ("before", str | None, strawberry.UNSET, "End before the edge with this cursor."),
    ]
    if ENTITIES[entity].retires:
        arguments.append(("include_retired", bool, False, "Also those that their source has deleted."))
    return tuple(arguments)
