"""Answers queries that were run before, without parsing, checking and planning them anew."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from connector.api.answer import Answer
from connector.api.context import ApiContext
from connector.api.kept import Key, key_of
from connector.api.patience import Patience
from connector.api.ready import NotCompiled
from connector.api.request import GraphQLRequest
from connector.model.errors import ConnectorError
from connector.storage.database.refusals import NotAnswered

if TYPE_CHECKING:
    from connector.api.compiled import CompiledQuery


async def answer_again(asked: GraphQLRequest, context: ApiContext) -> Answer | None:
    """The answer to a query that was run before; None where the ordinary executor has to say what is wrong.

    Raises BrokenOff.
    """
    query = context.ready.find(asked.query, asked.operation_name, asked.variables, context.reader.sight)
    if query is None:
        return None
    try:
        values = query.values(asked.variables or {})
    except (NotCompiled, ConnectorError):
        return None
    with suppress(NotCompiled, NotAnswered):
        async with Patience(context.limits.longest_query, context.receive):
            if context.kept is None or (kinds := query.announced_by(context.reader.dialect)) is None:
                return Answer(await _read(query, values, asked, context))
            return await context.kept.answer(_key(asked, context), kinds, partial(_read, query, values, asked, context))
    return None


async def _read(query: CompiledQuery, values: Mapping[str, Any], asked: GraphQLRequest, context: ApiContext) -> bytes:
    body: dict[str, Any] = {"data": await query.run(context, values)}
    if extensions := context.limits.told(asked.extensions, query.cost):
        body["extensions"] = extensions
    return orjson.dumps(body)


def _key(asked: GraphQLRequest, context: ApiContext) -> Key:
    told = bool(context.limits.told(asked.extensions, 0))
    return key_of(
        asked.query, asked.operation_name, asked.variables, context.reader.sight, context.public_url, told=told
    )
