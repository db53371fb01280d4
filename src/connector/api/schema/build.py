"""Puts the schema together."""

from functools import cache
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.extensions import AddValidationRules, MaxTokensLimiter, ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext, ExecutionResult

from connector.api.charging import Charging
from connector.api.compiled import Compiled
from connector.api.errors import Operation, make_public
from connector.api.limits import MOST_TOKENS, QueryLimits
from connector.api.preconditions import NoZeroCharacter, Preconditions
from connector.api.schema.fields import take
from connector.api.schema.mutation import Mutation
from connector.api.schema.query import Query
from connector.api.schema.refusals import REFUSALS
from connector.api.schema.scalars import SCALARS
from connector.api.schema.subscription import Subscription

CACHED_DOCUMENTS = 500


class HubSchema(strawberry.Schema):
    """A schema whose errors are logged where they are made public, and nowhere else."""

    async def execute(self, *args: Any, **kwargs: Any) -> ExecutionResult:
        """Run one operation; its errors, those of parsing included, are made public."""
        result = await super().execute(*args, **kwargs)
        make_public(result)
        return result

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Nothing: see `connector.api.errors`."""


@cache
def build_schema() -> strawberry.Schema:
    """The schema with everything that guards it. It holds nothing of its hub, so a process makes it once."""
    return HubSchema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=list(dict.fromkeys(REFUSALS.values())),
        config=StrawberryConfig(default_resolver=take, scalar_map=SCALARS),
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


def export() -> str:
    """The schema in GraphQL's schema definition language, with a line break at its end."""
    return build_schema().as_str().rstrip() + "\n"
