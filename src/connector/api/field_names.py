"""From the names of fields that are to be kept from most roles to columns, and what is wrong with such names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from graphql import GraphQLField, GraphQLNonNull, GraphQLObjectType, GraphQLSchema
from strawberry.types.field import StrawberryField

from connector.api.field_rights import FieldRights
from connector.api.schema.fields import COLUMNS, RELATION
from connector.api.schema.nodes import ENTITY_TYPES, TYPE_NAMES
from connector.storage.query import Column
from connector.storage.query.telling import CALLED_BY, PACKING_LIST, QUARANTINED, can_be_kept, with_what_tells


def rights_of(given: Mapping[str, Sequence[str]], schema: GraphQLSchema) -> FieldRights:
    """The rights that are configured: field -> roles. Raises ValueError for what `problems_of` tells of."""
    known = _Fields(schema)
    return FieldRights({known.column(name): frozenset(roles) for name, roles in given.items()}, known.shown_by)


def problems_of(given: Mapping[str, object], schema: GraphQLSchema) -> Iterator[str]:
    """What is wrong with the names of fields that are to be kept, each problem with the field that it is about."""
    known = _Fields(schema)
    first: dict[Column, str] = {}
    for name, roles in given.items():
        try:
            column = known.column(name)
        except ValueError as error:
            yield f"{name}: {error}"
            continue
        other = first.setdefault(column, name)
        if given[other] != roles:
            yield f"{name}: it shows what {other} shows, which is for other roles; give both the same"


def told_with(name: str, schema: GraphQLSchema) -> list[str]:
    """The fields that read as missing along with one, since they tell its value. Raises ValueError as `column`."""
    known = _Fields(schema)
    columns = with_what_tells(frozenset({known.column(name)}))
    return sorted({field for column in columns for field in known.shown_by.get(column, ())} - {name})


class _Fields:
    """The fields of stored things, and what they show."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        shown_by = defaultdict[Column, list[str]](list)
        for type_name, entity in TYPE_NAMES.items():
            for name, field in self._type(type_name).fields.items():
                for column in _columns(field):
                    shown_by[entity, column].append(f"{type_name}.{name}")
        shown_by[QUARANTINED] = [ENTITY_TYPES[QUARANTINED[0]]]  # of which none are there
        self.shown_by: Mapping[Column, Sequence[str]] = shown_by

    def column(self, name: str) -> Column:
        """The column that a field shows, if it can read as missing. Raises ValueError saying why it cannot."""
        type_name, _, field_name = name.partition(".")
        if type_name not in TYPE_NAMES:
            raise ValueError(
                f"there is no type {type_name!r} of stored things; there are {', '.join(sorted(TYPE_NAMES))}"
            )
        fields = self._type(type_name).fields
        field = fields.get(field_name)
        if field is None:
            raise ValueError(
                f"{type_name} has no field {field_name!r}; those that can be kept are {self._listed(type_name)}"
            )
        if RELATION in _definition(field).metadata:
            raise ValueError(
                "it leads to other things, by which those are found: keep their fields, or limit keys to regions"
            )
        entity, columns = TYPE_NAMES[type_name], _columns(field)
        if not all(can_be_kept((entity, column)) for column in columns):
            raise ValueError("it cannot be kept: things are found and listed by it")
        if isinstance(field.type, GraphQLNonNull):
            raise ValueError(
                f"it is never null, so it cannot read as missing; those that can be kept are {self._listed(type_name)}"
            )
        if len(columns) > 1:
            parts = [part for column in columns for part in self.shown_by[entity, column] if part != name]
            of = sorted({part for part in parts if len(_columns(fields[part.partition(".")[2]])) == 1})
            raise ValueError(f"it is made of several fields: keep those of {', '.join(of)} that are meant")
        self._require_untold((entity, columns[0]))
        return entity, columns[0]

    def _require_untold(self, column: Column) -> None:
        """Raises ValueError when something tells the column that cannot read as missing."""
        if column in CALLED_BY:
            raise ValueError("it cannot be kept: sentences and labels call the thing by it")
        for teller in sorted(with_what_tells(frozenset({column})) - {PACKING_LIST, QUARANTINED}):
            for name in self.shown_by.get(teller, ()):
                type_name, _, field_name = name.partition(".")
                if isinstance(self._type(type_name).fields[field_name].type, GraphQLNonNull):
                    raise ValueError(f"it cannot be kept: {name}, which is never null, would tell it")

    def _listed(self, type_name: str) -> str:
        """The fields of a type that can be kept, for people."""
        return ", ".join(self.can_be_kept(type_name)) or "none"

    def can_be_kept(self, type_name: str) -> Iterator[str]:
        """The fields of a type that can be kept."""
        for name, field in self._type(type_name).fields.items():
            if isinstance(field.type, GraphQLNonNull):
                continue
            try:
                self.column(f"{type_name}.{name}")
            except ValueError:
                continue
            yield name

    def _type(self, name: str) -> GraphQLObjectType:
        type_ = self._schema.type_map[name]
        if not isinstance(type_, GraphQLObjectType):
            raise TypeError(f"{name} is no type of things")
        return type_


def fields_that_can_be_kept(schema: GraphQLSchema) -> list[str]:
    """All fields that can be configured, `Type.field`."""
    known = _Fields(schema)
    return [f"{type_name}.{name}" for type_name in TYPE_NAMES for name in known.can_be_kept(type_name)]


def _definition(field: GraphQLField) -> StrawberryField:
    found: StrawberryField = field.extensions["strawberry-definition"]
    return found


def _columns(field: GraphQLField) -> tuple[str, ...]:
    """The columns that a field shows; none for one that leads to other things."""
    definition = _definition(field)
    if RELATION in definition.metadata:
        return ()
    columns: tuple[str, ...] = definition.metadata.get(COLUMNS, (definition.python_name,))
    return columns
