"""What stands between who asks and a root field: the roles that it needs, and the regions that it is about."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import strawberry
from strawberry.extensions import FieldExtension
from strawberry.types import get_object_definition
from strawberry.types.base import StrawberryContainer
from strawberry.types.field import StrawberryField

from connector.api.context import Info, Reader
from connector.api.permissions import require_permission
from connector.api.schema.nodes import TYPE_NAMES, parse_global_id
from connector.api.schema.refusals import refusal_of
from connector.model.errors import ConnectorError, NotKnown
from connector.storage.query import Selection


class NeedsRights(FieldExtension):
    """Lets only those who may do it begin a mutation, and with things that they see; others get a refusal.

    What lies outside of somebody's regions is refused in the same words as what does not exist.
    """

    def __init__(self, field: StrawberryField) -> None:
        self._field = field

    async def resolve_async(self, next_: Callable[..., Awaitable[Any]], source: Any, info: Info, **kwargs: Any) -> Any:
        """As strawberry has it."""
        try:
            require_permission(info.context.principal, info.field_name)
            if info.context.reader.sight.is_limited:
                ids = [text for one in self._field.arguments for text in _ids(one.type, kwargs.get(one.python_name))]
                await require_sight(info.context.reader, ids)
        except ConnectorError as error:
            payload: Any = info.return_type
            return payload(errors=[refusal_of(error)])
        return await next_(source, info, **kwargs)


async def require_sight(reader: Reader, ids: list[str]) -> None:
    """Refuse ids of what is not there for whoever reads. Raises NotKnown, and InvalidInput for ids that are none."""
    named = dict.fromkeys((parse_global_id(text), text) for text in ids)
    for name in dict.fromkeys(name for (name, _), _ in named):
        keys = {key: text for (other, key), text in named if other == name}
        found = await reader.rows(Selection(TYPE_NAMES[name]), keys)
        for key, text in keys.items():
            if key not in found:
                raise NotKnown(f"there is no {name} with the id {text!r}")
    await reader.renew()


def _ids(type_: Any, value: Any) -> Iterator[str]:
    """The global ids in an argument."""
    if isinstance(type_, StrawberryContainer):
        values = value if isinstance(value, list) else [value]
        yield from (text for one in values for text in _ids(type_.of_type, one))
    elif type_ is strawberry.ID:
        if isinstance(value, str):
            yield value
    elif value is not None and value is not strawberry.UNSET:
        definition = get_object_definition(type_)
        for field in definition.fields if definition else ():
            yield from _ids(field.type, getattr(value, field.python_name))
