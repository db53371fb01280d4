"""What the keys of orderings and groups mean: what the fields of the types that they name say of themselves.

The enums of keys are made before the types, which take them as arguments; so this is told when both are there.
"""

from collections.abc import Mapping
from typing import cast

from graphql import GraphQLEnumType, GraphQLSchema

from connector.api.document import object_type
from connector.api.schema.filters import FILTERS
from connector.api.schema.nodes import ENTITY_TYPES
from connector.storage.query import ENTITIES, ToOne

_UNSHOWN: Mapping[str, str] = {
    "created_at": "When it was made.",
    "label_document_id": "Its label.",
    "label_format": "File format of its label; missing until it has one.",
    "not_before": "While the hub backs off, when it is asked again.",
    "updated_at": "When it last changed.",
}
"""Columns that a type does not show as a field of that name."""

_ID = "The order in which the hub recorded them."


def describe_keys(schema: GraphQLSchema) -> None:
    """Describe the values of `TicketOrderField`, `TicketGroupField` and their kin.

    Raises KeyError for one that names nothing which is described.
    """
    for name in FILTERS:
        title, texts = ENTITY_TYPES[name], _texts(schema, name)
        for suffix in ("OrderField", "GroupField"):
            keys = cast("GraphQLEnumType", schema.type_map[f"{title}{suffix}"])
            for value in keys.values.values():
                value.description = texts[value.value]


def _texts(schema: GraphQLSchema, entity: str) -> dict[str, str]:
    """Column -> what the field says that shows it, or the thing whose key it holds."""
    fields = object_type(schema.type_map[ENTITY_TYPES[entity]]).fields
    shown = {field.extensions["strawberry-definition"].python_name: field.description for field in fields.values()}
    keys = {each.key: name for name, each in ENTITIES[entity].relations.items() if isinstance(each, ToOne)}
    texts = {column: shown[name] for column, name in keys.items() if name in shown}
    return {**_UNSHOWN, **shown, **texts, "id": _ID}
