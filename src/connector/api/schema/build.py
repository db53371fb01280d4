"""Puts the schema together."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from functools import cache, cached_property
from typing import Any

import strawberry
from graphql import GraphQLError
from graphql.validation.rules import overlapping_fields_can_be_merged
from strawberry.extensions import AddValidationRules, MaxTokensLimiter, ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError

from connector.api.charging import Charging
from connector.api.compiled import Compiled
from connector.api.context import ApiContext
from connector.api.documents import DocumentNotTrusted
from connector.api.errors import Operation, make_public
from connector.api.limits import MOST_COMPARED, MOST_TOKENS, QueryLimits
from connector.api.patience import BrokenOff, Patience
from connector.api.preconditions import NoZeroCharacter, Preconditions
from connector.api.schema.fields import take
from connector.api.schema.keys import describe_keys
from connector.api.schema.mutation import Mutation
from connector.api.schema.query import Query
from connector.api.schema.refusals import REFUSALS
from connector.api.schema.scalars import SCALARS
from connector.api.schema.subscription import Subscription
from connector.model.errors import ConnectorError

CACHED_DOCUMENTS = 500


class HubSchema(strawberry.Schema):
    """A schema whose errors are logged where they are made public, and nowhere else.

    What it is not to run it does not even parse.
    """

    async def execute(self, *args: Any, **kwargs: Any) -> ExecutionResult:
        """Run one operation; its errors, those of parsing included, are made public."""
        result: ExecutionResult | None = _untrusted(*args, **kwargs)
        context: ApiContext = kwargs["context_value"]
        if result is None:
            kwargs["context_value"], patience = _patient(context)
            try:
                async with patience:
                    result = await super().execute(*args, **kwargs)
            except BrokenOff as error:
                result = _refused(error)
        make_public(result, suggests=context.limits.introspection)
        return result

    async def stream(self, *args: Any, **kwargs: Any) -> Any:
        """Run one operation whose results may be many, as over a WebSocket."""
        refused = _untrusted(*args, **kwargs)
        if refused is not None:
            make_public(refused)
            return _only(refused)
        context: ApiContext = kwargs["context_value"]
        kwargs["context_value"], patience = _patient(context)
        results = await super().stream(*args, **kwargs)
        return _bounded(results, patience, suggests=context.limits.introspection)

    @cached_property
    def subgraph_sdl(self) -> str:
        """Its text for a gateway of Apollo Federation."""
        from connector.api.schema.subgraph import with_keys

        return with_keys(self.as_str())

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Nothing: see `connector.api.errors`."""


def _untrusted(query: str | None, *_: Any, context_value: ApiContext | None = None, **_more: Any) -> Any:
    """What is answered to a document that is not to be run; None for others."""
    try:
        if context_value is not None:
            context_value.documents.check_trusted(query or "")
    except DocumentNotTrusted as error:
        return _refused(error)
    return None


def _refused(error: ConnectorError) -> ExecutionResult:
    return PreExecutionError(data=None, errors=[GraphQLError(error.message, original_error=error)])


def _patient(context: ApiContext) -> tuple[ApiContext, Patience]:
    """A context of the operation's own, and how patiently it is run."""
    patience = Patience(context.limits.longest_query, context.receive)
    return replace(context, patience=patience), patience


async def _only(result: Any) -> AsyncGenerator[Any]:
    yield result


async def _bounded(results: AsyncGenerator[Any], patience: Patience, *, suggests: bool) -> AsyncGenerator[Any]:
    """The results of an operation, of which a query has one. It is told when it was broken off."""
    async with aclosing(results):
        try:
            async with patience:
                first = await anext(results)
        except BrokenOff as error:
            first = _refused(error)
        except StopAsyncIteration:
            return
        make_public(first, suggests=suggests)
        yield first
        async for result in results:
            yield result


def build_schema(*, subgraph: bool = False) -> HubSchema:
    """The schema with everything that guards it. It holds nothing of its hub, so a process makes it once.

    subgraph: for a hub that is part of a graph of Apollo Federation.
    """
    return _built(subgraph)


@cache
def _built(subgraph: bool) -> HubSchema:
    return new_schema(subgraph=subgraph)


def new_schema(*, subgraph: bool = False) -> HubSchema:
    """A schema that nobody else has."""
    overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = MOST_COMPARED
    query: type[Query] = Query
    scalars = SCALARS
    if subgraph:
        from connector.api.schema.subgraph import ANY, AnyRepresentation, SubgraphQuery

        query, scalars = SubgraphQuery, {**SCALARS, AnyRepresentation: ANY}
    schema = HubSchema(
        query=query,
        mutation=Mutation,
        subscription=Subscription,
        types=list(dict.fromkeys(REFUSALS.values())),
        config=StrawberryConfig(default_resolver=take, scalar_map=scalars),
        extensions=[
            Operation,
            lambda: MaxTokensLimiter(max_token_count=MOST_TOKENS),
            lambda: ParserCache(maxsize=CACHED_DOCUMENTS),
            lambda: AddValidationRules([QueryLimits, NoZeroCharacter]),
            lambda: ValidationCache(maxsize=CACHED_DOCUMENTS),
            Preconditions,
            Charging,
            Compiled,
        ],
    )
    describe_keys(schema._schema)
    return schema


def export() -> str:
    """The schema in GraphQL's schema definition language, with a line break at its end."""
    return build_schema().as_str().rstrip() + "\n"


def export_subgraph() -> str:
    """The same as a gateway of Apollo Federation wants it."""
    return build_schema(subgraph=True).subgraph_sdl.rstrip() + "\n"
