"""Filter and ordering inputs, derived from the entities: what can be compared and sorted by is told once, there."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum, StrEnum
from functools import cache
from typing import Annotated, Any

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.base import StrawberryType
from strawberry.types.field import StrawberryField

from connector.api.schema.enums import SortDirection, enum_name
from connector.api.schema.nodes import ENTITY_TYPES
from connector.model.geo import Point
from connector.storage.query import ENTITIES, Entity, ToOne

_ORDERED = {"lt": "Less than.", "lte": "At most.", "gt": "Greater than.", "gte": "At least."}
_TIMES = {"lt": "Before.", "lte": "At or before.", "gt": "After.", "gte": "At or after."}
_TEXTS = {
    "contains": "Holds this text anywhere; upper and lower case are the same.",
    "starts_with": "Begins with this text; upper and lower case are the same.",
    "ends_with": "Ends with this text; upper and lower case are the same.",
}


def _input(name: str, description: str, fields: Mapping[str, tuple[Any, StrawberryField]]) -> Any:
    """An input type whose fields are all optional."""
    members: dict[str, Any] = {"__annotations__": {key: annotation for key, (annotation, _) in fields.items()}}
    members |= {key: field for key, (_, field) in fields.items()}
    members |= {"__module__": __name__, "__doc__": description}
    return strawberry.input(type(name, (), members), name=name, description=description)


def _optional(description: str, name: str | None = None) -> Any:
    return strawberry.field(default=strawberry.UNSET, description=description, name=name)


@cache
def _maybe(type_: Any) -> StrawberryType | type:
    """`type_ | None` as strawberry knows it, found once: it takes a union apart for every field and at every look."""
    return StrawberryAnnotation(type_ | None).resolve()


def _operators(name: str, type_: Any, what: str, more: Mapping[str, str], *, lists: bool = True) -> Any:
    value, several = _maybe(type_), _maybe(list[type_])
    fields: dict[str, tuple[Any, Any]] = {"eq": (value, _optional("Equal to."))}
    fields["ne"] = (value, _optional("Not equal to; a missing value is not equal to anything."))
    if lists:
        fields["in_"] = (several, _optional("One of.", "in"))
        fields["not_in"] = (several, _optional("None of; a missing value is none of them."))
    fields |= {key: (value, _optional(description)) for key, description in more.items()}
    fields["is_null"] = (_maybe(bool), _optional("Whether the value is missing."))
    return _input(name, f"Compares {what}; several comparisons must all hold.", fields)


IdFilter = _operators("IdFilter", strawberry.ID, "an id", {})
TextFilter = _operators("TextFilter", str, "a text", _TEXTS)
IntFilter = _operators("IntFilter", int, "a whole number", _ORDERED)
FloatFilter = _operators("FloatFilter", float, "a number", _ORDERED)
TimeFilter = _operators("TimeFilter", datetime, "an instant", _TIMES, lists=False)
DateFilter = _operators("DateFilter", date, "a day", _TIMES, lists=False)
BooleanFilter = _operators("BooleanFilter", bool, "a truth value", {}, lists=False)


@strawberry.input(description="A point, and how far from it. A thing whose coordinates are unknown is nowhere near.")
class Near:
    """A circle on the sphere."""

    latitude: float | None = strawberry.field(
        default=strawberry.UNSET,
        description="Of the point, WGS 84, in decimal degrees, north positive.",
        deprecation_reason="Since 0.1: use `point`.",
    )
    longitude: float | None = strawberry.field(
        default=strawberry.UNSET,
        description="Of the point, WGS 84, in decimal degrees, east positive.",
        deprecation_reason="Since 0.1: use `point`.",
    )
    point: Point | None = strawberry.field(
        default=strawberry.UNSET, description="The point, as `location` of sites and hubs tells it."
    )
    within_km: float = strawberry.field(description="Kilometres at most, over the great circle.")


_SIMPLE: Mapping[type[Any], Any] = {
    str: TextFilter,
    int: IntFilter,
    float: FloatFilter,
    datetime: TimeFilter,
    date: DateFilter,
    bool: BooleanFilter,
}
_HERE = strawberry.lazy(__name__)
_enum_filters: dict[type[StrEnum], Any] = {}


def _value_filter(entity: Entity, name: str) -> Any:
    if name == "id":
        return IdFilter
    value_type = entity.value_type(name)
    if not issubclass(value_type, StrEnum):
        return _SIMPLE[value_type]
    if value_type not in _enum_filters:
        title = enum_name(value_type)
        _enum_filters[value_type] = _operators(f"{title}Filter", value_type, f"a {title}", {})
    return _enum_filters[value_type]


def _filter_of(entity: Entity) -> Any:
    type_name = ENTITY_TYPES[entity.name]
    own = f"{type_name}Filter"
    fields: dict[str, tuple[Any, Any]] = {
        name: (_maybe(_value_filter(entity, name)), _optional(f"Compares `{_camel(name)}`.")) for name in entity.names()
    }
    if {"latitude", "longitude"} <= {*entity.names()}:
        fields["near"] = (_maybe(Near), _optional("Within a distance of a point."))
    for name, relation in entity.relations.items():
        if relation.target not in _FILTERED:
            continue
        if isinstance(relation, ToOne) or relation.newest_only:
            related = _later(f"{ENTITY_TYPES[relation.target]}Filter")
            fields[name] = (related, _optional(f"Its `{_camel(name)}` exists and satisfies this."))
        else:
            several = _later(f"{ENTITY_TYPES[relation.target]}ListFilter")
            fields[name] = (several, _optional(f"What must hold of its `{_camel(name)}`."))
    parts = _maybe(list[_reference(own)])  # type: ignore[misc]  # made at run time
    fields["and_"] = (parts, _optional("All of these hold.", "and"))
    fields["or_"] = (parts, _optional("At least one of these holds.", "or"))
    fields["not_"] = (_later(own), _optional("This does not hold.", "not"))
    return _input(own, f"Which {type_name} rows are wanted; all that is given must hold.", fields)


def _list_filter_of(entity: Entity) -> Any:
    type_name = ENTITY_TYPES[entity.name]
    one = _later(f"{type_name}Filter")
    return _input(
        f"{type_name}ListFilter",
        f"What must hold of {type_name} rows that belong to a thing; those that their source has deleted do not count.",
        {
            "some": (one, _optional("At least one satisfies this; `{}` for: there is one.")),
            "every": (one, _optional("All satisfy this, or there is none.")),
            "none": (one, _optional("None satisfies this; `{}` for: there is none.")),
        },
    )


@cache
def _later(name: str) -> Any:
    return _maybe(_reference(name))


def _reference(name: str) -> Any:
    """A filter of this module that is not made yet. Not a bare string, which strawberry parses at every look."""
    return Annotated[name, _HERE]


def _order_of(entity: Entity) -> Any:
    type_name = ENTITY_TYPES[entity.name]
    values = Enum(f"{type_name}OrderField", {name.upper(): name for name in entity.names()})  # type: ignore[misc]
    by = strawberry.enum(values, description=f"What {type_name} rows can be sorted by.")
    direction = strawberry.field(default=SortDirection.ASC, description="Which way.")
    return _input(
        f"{type_name}Order",
        f"One key of an ordering of {type_name} rows.",
        {
            "field": (by, strawberry.field(description="What to sort by.")),
            "direction": (SortDirection, direction),
        },
    )


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


_UNLISTED = frozenset(
    {
        "approval_vote", "document", "kit_component", "policy_activation", "shipment_event", "source_stream",
        "ticket_link", "incident_group_ticket", "identity_candidate",
    }
)  # fmt: skip

_FILTERED = tuple(name for name in ENTITIES if name not in _UNLISTED)

FILTERS: dict[str, Any] = {name: _filter_of(ENTITIES[name]) for name in _FILTERED}
"""Entity -> its filter input."""

ORDERS: dict[str, Any] = {name: _order_of(ENTITIES[name]) for name in _FILTERED}
"""Entity -> one key of its ordering, as an input."""

globals().update({f"{ENTITY_TYPES[name]}Filter": made for name, made in FILTERS.items()})
globals().update({f"{ENTITY_TYPES[name]}ListFilter": _list_filter_of(ENTITIES[name]) for name in _FILTERED})
