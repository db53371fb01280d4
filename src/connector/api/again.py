"""Answers queries that were run before, without parsing, checking and planning them anew."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
from starlette.types import Receive

from connector.api.answer import Answer
from connector.api.context import ApiContext
from connector.api.kept import Key, key_of
from connector.api.patience import Patience
from connector.api.ready import NotCompiled
from connector.api.request import GraphQLRequest
from connector.model.errors import ConnectorError, InvalidInput
from connector.storage.database.refusals import NotAnswered
from connector.storage.query import Given

if TYPE_CHECKING:
    from connector.api.compiled import CompiledQuery


@dataclass(frozen=True, slots=True)
class Understood:
    """A request for a query that was run before. values: of its parameters."""

    asked: GraphQLRequest
    query: CompiledQuery
    values: Given


def understand(asked: GraphQLRequest, context: ApiContext) -> Understood | None:
    """The query that is asked for again; None where the ordinary executor has to say what is wrong.

    It depends on the request and on what whoever asks may see, and on nothing else.
    """
    query = context.ready.find(asked.query, asked.operation_name, asked.variables, context.reader.sight)
    if query is None:
        return None
    try:
        return Understood(asked, query, Given(query.values(asked.variables or {})))
    except (NotCompiled, ConnectorError):
        return None


async def answer_understood(understood: Understood, context: ApiContext, receive: Receive | None) -> Answer | None:
    """Its answer; None where the ordinary executor has to say what is wrong. Raises BrokenOff.

    receive: over HTTP, what tells when the client is gone.
    """
    try:
        async with Patience(context.limits.longest_query, receive):
            if context.kept is None or (kinds := understood.query.announced_by(context.reader.dialect)) is None:
                return Answer(await _read(understood, context))
            return await context.kept.answer(
                _key(understood.asked, context), kinds, partial(_read, understood, context)
            )
    except (NotCompiled, NotAnswered, InvalidInput):
        return None


async def answer_again(asked: GraphQLRequest, context: ApiContext) -> Answer | None:
    """The answer to a query that was run before; None where the ordinary executor has to say what is wrong.

    Raises BrokenOff.
    """
    understood = understand(asked, context)
    return None if understood is None else await answer_understood(understood, context, context.receive)


async def _read(understood: Understood, context: ApiContext) -> bytes:
    query = understood.query
    body: dict[str, Any] = {"data": await query.run(context, understood.values)}
    if extensions := context.limits.told(understood.asked.extensions, query.cost):
        body["extensions"] = extensions
    return orjson.dumps(body)


def _key(asked: GraphQLRequest, context: ApiContext) -> Key:
    told = bool(context.limits.told(asked.extensions, 0))
    return key_of(
        asked.query, asked.operation_name, asked.variables, context.reader.sight, context.public_url, told=told
    )
