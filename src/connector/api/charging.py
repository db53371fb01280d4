"""Refuses operations that cost or filter too much, before anything is read, and tells what they cost when asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphql import GraphQLError, GraphQLSchema, get_operation_ast
from strawberry.extensions import SchemaExtension

from connector.api.context import ApiContext
from connector.api.cost import Cost, cost_of, parts_of


class Charging(SchemaExtension):
    """Adds up what an operation costs. Comes after the extensions that validate it and its variables."""

    def on_validate(self) -> Iterator[None]:
        """After the document was checked against the schema."""
        running = self.execution_context
        if not running.pre_execution_errors and running.graphql_document is not None:
            schema: GraphQLSchema = running.schema._schema
            operation = get_operation_ast(running.graphql_document, running.operation_name)
            cost = operation and cost_of(schema, running.graphql_document, operation, running.variables or {})
            if cost:
                context: ApiContext = running.context
                context.cost = cost.total
                if cost.total > context.limits.largest_cost:
                    running.pre_execution_errors = [_too_dear(cost, context.limits.largest_cost)]
                elif cost.filters.excess is not None:
                    running.pre_execution_errors = [_too_much_filtered(cost.filters.excess)]
        yield None

    def get_results(self) -> dict[str, Any]:
        """For the response's `extensions`."""
        context: ApiContext = self.execution_context.context
        return context.limits.told(self.execution_context.operation_extensions, context.cost)


def _too_dear(cost: Cost, largest: int) -> GraphQLError:
    message = (
        f"this query may cost {cost.total:,}, more than the {largest:,} that are allowed; "
        f"its dearest part is {parts_of(cost.dearest)!r} with {cost.most:,}"
    )
    return GraphQLError(
        message,
        extensions={
            "code": "QUERY_TOO_COSTLY",
            "hint": "Ask for smaller pages with `first`, above all in the inner lists, and for less of what is listed "
            "there; or ask in several requests.",
            "requested": cost.total,
            "maximum": largest,
            "dearest": list(cost.dearest),
        },
    )


def _too_much_filtered(excess: str) -> GraphQLError:
    return GraphQLError(
        f"the filters of this operation have {excess} are allowed",
        extensions={
            "code": "FILTER_TOO_LARGE",
            "hint": "List values with `in` instead of comparing with each of them, fetch things by their ids with "
            "`nodes`, or ask in several requests.",
        },
    )
