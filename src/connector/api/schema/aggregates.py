"""Groups of rows: `ticketAggregate` and its kin, made for everything that can be listed."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, datetime
from enum import Enum, StrEnum
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import strawberry
from graphql import FieldNode, GraphQLObjectType, get_named_type

from connector.api.conditions import condition_of
from connector.api.context import Info
from connector.api.document import object_type
from connector.api.forms import NotWritten
from connector.api.plan import Plan
from connector.api.roots import ROOT, Root, written
from connector.api.schema.enums import described
from connector.api.schema.fields import LARGEST_PAGE, Arguments
from connector.api.schema.filters import FILTERS
from connector.api.schema.nodes import ENTITY_TYPES, global_id
from connector.api.schema.scalars import BigInt
from connector.api.shape import Shaper, Surroundings
from connector.api.weights import AGGREGATE, WEIGHT
from connector.model.errors import InvalidInput
from connector.storage.query import (
    ENTITIES,
    Aggregate,
    AggregateRead,
    Entity,
    Function,
    Group,
    GroupKey,
    PreparedReads,
    ToOne,
    WrittenGroups,
    groups_of,
)

DEFAULT_GROUPS = 100
_FUNCTIONS: tuple[Function, ...] = ("sum", "min", "max")
_OF_THIS_MACHINE = frozenset({"localtime", "posixrules"})


@described(
    "Which beginning an instant counts as.",
    {
        "DAY": "Midnight of its day.",
        "WEEK": "The beginning of the Monday of its week.",
        "MONTH": "The beginning of the first day of its month.",
        "QUARTER": "The beginning of the first day of its quarter.",
        "YEAR": "The beginning of the first day of its year.",
    },
)
class Truncation(StrEnum):
    """Units of the calendar."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class _Values:
    """What was asked for, by name; everything else is missing."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):  # whether it is awaitable, for one
            raise AttributeError(name)
        return


_NOTHING = _Values()


def _references(entity: Entity) -> dict[str, str]:
    """Column that holds the key of another thing -> what that is."""
    return {
        relation.key: relation.target
        for relation in entity.relations.values()
        if isinstance(relation, ToOne) and relation.target in ENTITY_TYPES
    }


def _typed(name: str, description: str, fields: dict[str, tuple[Any, str]]) -> Any:
    members: dict[str, Any] = {"__annotations__": {key: annotation for key, (annotation, _) in fields.items()}}
    members |= {key: strawberry.field(description=text) for key, (_, text) in fields.items()}
    members["__module__"] = __name__
    return strawberry.type(type(name, (), members), name=name, description=description)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _field_of(entity: Entity) -> Any:
    type_name = ENTITY_TYPES[entity.name]
    references = _references(entity)
    own = [name for name in entity.names() if name != "id"]
    kinds = {name: entity.value_type(name) for name in own}
    keys = {name: (kind | None, f"Its `{_camel(name)}`.") for name, kind in kinds.items()}
    keys |= {name: (strawberry.ID | None, f"Id of its {ENTITY_TYPES[target]}.") for name, target in references.items()}
    numbers = {name: (BigInt | None, f"Of `{_camel(name)}`.") for name, kind in kinds.items() if kind is int}
    ordered = {
        name: (kind | None, f"Of `{_camel(name)}`.")
        for name, kind in kinds.items()
        if kind in (int, float, datetime, date)
    }
    parts: dict[str, tuple[Any, str]] = {
        "key": (
            _typed(f"{type_name}GroupKey", f"What {type_name} rows of a group have in common.", keys),
            "What its rows have in common; null for what was not grouped by, and where the value is missing.",
        ),
        "count": (int, "How many rows there are."),
    }
    if numbers:
        sums = _typed(f"{type_name}Sums", f"Sums over {type_name} rows; null where no row has a value.", numbers)
        parts["sum"] = (sums, "Sums of numbers.")
    if ordered:
        ends = _typed(f"{type_name}Ends", f"One end of the values of {type_name} rows; null without any.", ordered)
        parts["min"] = (ends, "The smallest numbers, the earliest times.")
        parts["max"] = (ends, "The largest numbers, the latest times.")
    group = _typed(f"{type_name}Group", f"A group of {type_name} rows.", parts)
    whole = _typed(
        f"{type_name}Aggregate",
        f"{type_name} rows by groups.",
        {
            "groups": (list.__class_getitem__(group), "The groups, ordered by their keys; missing values last."),
            "has_more": (bool, "Whether there are more groups: ask again with `skip`."),
        },
    )
    fields = Enum(f"{type_name}GroupField", {name.upper(): name for name in keys})  # type: ignore[misc]
    by = strawberry.enum(fields, description=f"What {type_name} rows can be grouped by.")
    key_input = _input(
        f"{type_name}GroupBy",
        f"One key by which {type_name} rows are grouped.",
        {
            "field": (by, strawberry.field(description="What to group by.")),
            "truncate": (
                Truncation | None,
                strawberry.field(default=strawberry.UNSET, description="For instants: the beginning of what counts."),
            ),
            "time_zone": (
                str | None,
                strawberry.field(
                    default=strawberry.UNSET, description="IANA time zone in which days begin; UTC when left out."
                ),
            ),
        },
    )
    arguments = (
        ("filter", FILTERS[entity.name] | None, strawberry.UNSET, "Which rows; all when left out."),
        (
            "group_by",
            list.__class_getitem__(key_input) | None,
            strawberry.UNSET,
            "By what; one group of all when left out.",
        ),
        ("first", int, DEFAULT_GROUPS, f"How many groups, {LARGEST_PAGE} at most."),
        ("skip", int, 0, "How many groups to leave out before the first one."),
        ("include_retired", bool, False, "Also rows that their source has deleted."),
    )

    async def resolve(info: Info) -> Any:
        plan = Plan.of(info._raw_info)
        read, make = _planned(entity.name, plan)
        (answer,) = await info.context.reader.fetch(PreparedReads([read], info.context.reader.sight))
        return make(answer)

    resolve.__annotations__["return"] = whole
    return strawberry.field(
        resolver=resolve,
        description=f"{type_name} rows counted, summed up and grouped, with the filters of their list.",
        metadata={ROOT: _root_of(entity.name), WEIGHT: AGGREGATE},
        extensions=[Arguments(arguments if entity.retires else arguments[:-1])],
    )


def _input(name: str, description: str, fields: dict[str, tuple[Any, Any]]) -> Any:
    members: dict[str, Any] = {"__annotations__": {key: annotation for key, (annotation, _) in fields.items()}}
    members |= {key: field for key, (_, field) in fields.items()}
    members["__module__"] = __name__
    return strawberry.input(type(name, (), members), name=name, description=description)


def _root_of(entity: str) -> Callable[[Plan, Shaper], Root]:
    def root(plan: Plan, shaper: Shaper) -> Root:
        read, make = _planned(entity, plan)
        with suppress(NotWritten):
            return Root([WrittenGroups(read, shaper.forms.groups(plan.type, plan.nodes, read))], written)
        shape = shaper.value(plan.field.type, plan.nodes)

        def answer(answers: Sequence[Any], around: Surroundings) -> Any:
            return shape(make(answers[0]), around)

        return Root([read], answer)

    return root


def _planned(entity: str, plan: Plan) -> tuple[AggregateRead, Callable[[list[list[Any]]], Any]]:
    """What is read, and what makes the field's value of the answer. Raises InvalidInput for arguments of no use."""
    given = plan.free("filter")
    keys = tuple(_key_of(entity, key) for key in given.get("groupBy") or ())
    if len({key.column for key in keys}) < len(keys):
        raise InvalidInput("groupBy names a field twice", hint="Name each field once.")
    size, skip = given["first"], given["skip"]
    if not 0 <= size <= LARGEST_PAGE or skip < 0:
        raise InvalidInput(
            f"first: {size}, skip: {skip} below {entity!r} cannot be",
            hint=f"Ask for 0 to {LARGEST_PAGE} groups, and leave out none or more.",
        )
    read = AggregateRead(
        entity=entity,
        keys=keys,
        aggregates=tuple(_asked(plan)),
        size=size,
        skip=skip,
        where=condition_of(entity, given.get("filter"), plan.document.variables),
        include_retired=bool(given.get("includeRetired")),
    )

    groups_in, shown = groups_of(read), _shower(read)

    def make(answer: list[list[Any]]) -> Any:
        groups = groups_in(answer)
        return _Values(groups=[shown(group) for group in groups[:size]], has_more=len(groups) > size)

    return read, make


def _key_of(entity: str, given: Any) -> GroupKey:
    name, truncate, zone = given["field"].value, given.get("truncate"), given.get("timeZone")
    is_time = ENTITIES[entity].value_type(name) is datetime
    if (truncate is not None and not is_time) or (zone is not None and truncate is None):
        raise InvalidInput(
            f"{_camel(name)!r} cannot be truncated so",
            hint="`truncate` is for instants, and `timeZone` goes with it.",
        )
    if zone is not None and not _is_zone(zone):
        raise InvalidInput(f"there is no time zone {zone!r}", hint="Write an IANA name, for example 'Europe/Berlin'.")
    return GroupKey(name, None if truncate is None else truncate.value, zone or "UTC")


def _is_zone(name: str) -> bool:
    """Whether it is a name of IANA's, and none that means whatever this machine is set to."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return name not in _OF_THIS_MACHINE


def _asked(plan: Plan) -> list[Aggregate]:
    """The sums and ends that the query asks for, each once."""
    found: dict[Aggregate, None] = {}
    for part in _below(plan, plan.type, plan.nodes, "groups"):
        type_ = object_type(get_named_type(plan.type.fields["groups"].type))
        for function in _FUNCTIONS:
            for nodes in _below(plan, type_, part, function):
                values = object_type(get_named_type(type_.fields[function].type))
                for columns in plan.document.collect(values, nodes).values():
                    name = columns[0].name.value
                    if not name.startswith("__"):
                        definition = values.fields[name].extensions["strawberry-definition"]
                        found[Aggregate(function, definition.python_name)] = None
    return list(found)


def _below(plan: Plan, type_: GraphQLObjectType, nodes: Sequence[FieldNode], name: str) -> list[list[FieldNode]]:
    asked = plan.document.collect(type_, nodes).values()
    return [found for found in asked if found[0].name.value == name]


def _shower(read: AggregateRead) -> Callable[[Group], Any]:
    """What shows a group as the schema has it."""
    references = _references(ENTITIES[read.entity])
    types = [(key.column, ENTITY_TYPES.get(references.get(key.column, ""))) for key in read.keys]

    def shown(group: Group) -> Any:
        keys = {
            column: value if type_ is None or value is None else global_id(type_, value)
            for (column, type_), value in zip(types, group.keys, strict=True)
        }
        parts: dict[str, dict[str, Any]] = {name: {} for name in _FUNCTIONS}
        for item, value in zip(read.aggregates, group.values, strict=True):
            parts[item.function][item.column] = value
        made = {name: _Values(**found) if found else _NOTHING for name, found in parts.items()}
        return _Values(key=_Values(**keys), count=group.count, **made)

    return shown


def _fields() -> Any:
    made = {f"{name}_aggregate": _field_of(ENTITIES[name]) for name in FILTERS}
    return strawberry.type(
        type("AggregateFields", (), {**made, "__module__": __name__}), description="Root fields that group rows."
    )


AggregateFields: Any = _fields()
"""The root fields, for `Query` to inherit."""
