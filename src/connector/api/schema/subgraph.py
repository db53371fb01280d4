"""The schema as a subgraph of Apollo Federation, version 2: its two root fields, and its text with keys.

https://www.apollographql.com/docs/graphos/schema-design/federated-schemas/reference/subgraph-spec
"""

import re
from typing import Annotated, Any, Final, NewType, Union

import strawberry
from strawberry.types.scalar import ScalarDefinition

from connector.api.context import Info
from connector.api.plan import Plan
from connector.api.representations import (
    ID,
    MOST_REPRESENTATIONS,
    NATURAL_KEYS,
    Representation,
    grouped,
    representation_of,
)
from connector.api.roots import ROOT, entities_root, too_many_representations
from connector.api.schema.nodes import TYPE_NAMES, Node
from connector.api.schema.query import Query
from connector.model.errors import InvalidInput
from connector.storage.query import Compare, Page

VERSION: Final = "v2.4"
"""The first whose composition takes subscriptions."""

_LINK: Final = (
    f'extend schema @link(url: "https://specs.apollo.dev/federation/{VERSION}", import: ["@key", "@shareable"])\n\n'
)
_NODES: Final = {type_.__name__: type_ for type_ in Node.__subclasses__()}

AnyRepresentation = NewType("AnyRepresentation", object)
ANY: Final[ScalarDefinition] = strawberry.scalar(
    name="_Any",
    description="An object with `__typename` and the fields of one key of that type.",
    serialize=lambda value: value,
    parse_value=lambda value: value,
)

_Entity: Any = Annotated[
    Union[tuple(_NODES[name] for name in TYPE_NAMES)],  # noqa: UP007 - the members are known at run time
    strawberry.union("_Entity", description="Everything that has a key."),
]


@strawberry.type(name="_Service", description="What a gateway is told of this subgraph.")
class Service:
    """The answer to `_service`."""

    sdl: str = strawberry.field(description="The schema with its keys, in GraphQL's schema definition language.")


def _service(info: Info) -> Service:
    schema: Any = info.schema
    return Service(sdl=schema.subgraph_sdl)


async def _entities(info: Info, representations: list[AnyRepresentation]) -> list[Any]:
    if len(representations) > MOST_REPRESENTATIONS:
        raise too_many_representations(len(representations))
    wanted = [_wanted(given) for given in representations]
    plan, reader = Plan.of(info._raw_info), info.context.reader
    found: dict[Representation, Any] = {}
    for (name, column), values in grouped(one for one in wanted if isinstance(one, Representation)).items():
        selection = plan.selection_of_named(name)
        if column == ID:
            rows = await reader.rows(selection, values)
            found |= {Representation(name, column, key): row for key, row in rows.items()}
        else:
            page = Page(size=len(values), where=Compare(column, "in", values), include_retired=True)
            connection = await reader.page(selection.with_column(column), page)
            found |= {Representation(name, column, edge.node.values[column]): edge.node for edge in connection.edges}
    return [found.get(one) if isinstance(one, Representation) else one for one in wanted]


def _wanted(given: object) -> Representation | InvalidInput:
    """The thing that is named, or what is wrong: GraphQL answers that in the place of the one."""
    try:
        return representation_of(given)
    except InvalidInput as error:
        return error


@strawberry.type(name="Query", description="What can be read.")
class SubgraphQuery(Query):
    """All that is read otherwise, and what a gateway asks for."""

    entities: Any = strawberry.field(
        name="_entities",
        resolver=_entities,
        graphql_type=list.__class_getitem__(_Entity | None),
        metadata={ROOT: entities_root},
        description=f"Things by their keys, in the order of the representations; {MOST_REPRESENTATIONS} at most. Null "
        "for what is not there.",
    )
    service: Service = strawberry.field(
        name="_service", resolver=_service, description="What a gateway is told of this subgraph."
    )


def with_keys(text: str) -> str:
    """The schema's text as a gateway wants it: each type that has an id with its keys, and what others share."""
    for name in TYPE_NAMES:
        keys = "".join(f' @key(fields: "{key}")' for key in (ID, NATURAL_KEYS.get(name)) if key)
        text = re.sub(rf"^(type {name} [^{{]*)", rf"\g<1>{keys[1:]} ", text, count=1, flags=re.MULTILINE)
    return _LINK + re.sub(r"^type PageInfo ", "type PageInfo @shareable ", text, flags=re.MULTILINE)
