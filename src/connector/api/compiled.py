"""Queries of stored data go around the ordinary executor: one statement reads everything, and its answer is shaped.

Whatever cannot be compiled, or would answer an error, is left to the ordinary executor: root fields that compute
(`explain`, `whatIf`, `placements`, `dataQuality` …), an asset as it was, introspection and what a gateway is told
(`_service`), mutations and subscriptions. A query is compiled whole or not at all. The licence is the differential test
`tests/api/compiled/test_differential.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, cast

from graphql import (
    DocumentNode,
    ExecutionResult,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLInputType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
    type_from_ast,
)
from graphql.execution.values import get_variable_values
from strawberry.extensions import SchemaExtension

from connector.api.context import ApiContext
from connector.api.document import Document
from connector.api.plan import Plan
from connector.api.preconditions import unusable
from connector.api.ready import NotCompiled
from connector.api.roots import ROOT, Root
from connector.api.shape import Shaper, Surroundings
from connector.api.variables import Coercion, Dependence, Variables
from connector.model.errors import ConnectorError
from connector.model.refs import EntityKind
from connector.storage.database.refusals import NotAnswered
from connector.storage.query import EVERYTHING, NO_VALUES, PreparedReads, Sight, Unannounced

INDEPENDENT: Final = Dependence()


class Compiled(SchemaExtension):
    """Answers a query before the ordinary executor does, where it can."""

    async def on_execute(self) -> AsyncIterator[None]:
        """Around the execution."""
        running = self.execution_context
        if running.graphql_document is not None:
            schema: GraphQLSchema = running.schema._schema
            try:
                query = compile_query(
                    schema,
                    running.graphql_document,
                    operation=running.operation_name,
                    variables=running.variables or {},
                    dialect=running.context.reader.dialect,
                    cost=running.context.cost,
                    sight=running.context.reader.sight,
                )
                running.result = ExecutionResult(await query.run(running.context), None)
            except (NotCompiled, NotAnswered, ConnectorError, GraphQLError):
                running.result = None
            else:
                running.context.ready.keep(running.query, running._provided_operation_name, running.variables, query)
        yield


class CompiledQuery:
    """A query, ready to be run.

    roots: response key -> root field, or a text that it always answers. sight: of whoever it is for. looking_around:
    fields whose values depend on who asks, or when. dependence: on variables. coercion: of them, None
    where it has none.
    """

    def __init__(
        self,
        roots: Mapping[str, Root | str],
        sight: Sight,
        cost: int = 0,
        looking_around: Sequence[str] = (),
        *,
        dependence: Dependence = INDEPENDENT,
        coercion: Coercion | None = None,
    ) -> None:
        self.cost = cost
        self.dependence = dependence
        self._coercion = coercion
        self._looking_around = looking_around
        self._is_judged = False
        self._kinds: frozenset[EntityKind] | None = None
        self._roots = roots
        self.sight = sight
        self._reads = PreparedReads(
            [read for root in roots.values() if isinstance(root, Root) for read in root.reads], sight
        )

    def announced_by(self, dialect: str) -> frozenset[EntityKind] | None:
        """The kinds of change without which the answer stays as it is; None where it may become another without."""
        if not self._is_judged:
            self._is_judged = True
            with suppress(Unannounced):
                self._kinds = self.require_announced(dialect)
        return self._kinds

    def require_announced(self, dialect: str) -> frozenset[EntityKind]:
        """The same. Raises Unannounced, which says why it may."""
        if self._looking_around:
            raise Unannounced(f"{', '.join(dict.fromkeys(self._looking_around))}: depends on who asks, or when")
        return self._reads.announced_by(dialect)

    def values(self, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        """The values of its parameters. variables: as the client sent them.

        Raises NotCompiled, or ConnectorError, for variables that cannot be used.
        """
        if self._coercion is None:
            return NO_VALUES
        problem = unusable(variables)
        if problem is not None:
            raise NotCompiled(problem.message)
        coerced = self._coercion(variables)
        if coerced is None:
            raise NotCompiled("variables cannot be used")
        return self.dependence.values(coerced)

    async def run(self, context: ApiContext, values: Mapping[str, Any] = NO_VALUES) -> dict[str, Any]:
        """The data of the response; parts of it may be JSON already. Raises NotCompiled when it would hold an error.

        values: of its parameters.
        """
        answers = iter(await context.reader.fetch(self._reads, values))
        around = Surroundings(context)
        data: dict[str, Any] = {}
        for key, root in self._roots.items():
            if isinstance(root, Root):
                data[key] = root.shape([next(answers) for _ in root.reads], around)
            else:
                data[key] = root
        return data


def compile_query(
    schema: GraphQLSchema,
    document: DocumentNode,
    *,
    operation: str | None,
    variables: Mapping[str, Any],
    dialect: str,
    cost: int = 0,
    sight: Sight = EVERYTHING,
) -> CompiledQuery:
    """The query that an operation of a validated document is. variables: as the client sent them.

    cost: what it was found to cost. Raises NotCompiled when it is the ordinary executor's affair, and ConnectorError or
    GraphQLError for arguments that cannot be used.
    """
    asked = get_operation_ast(document, operation)
    if asked is None or asked.operation is not OperationType.QUERY or schema.query_type is None:
        raise NotCompiled("it is no query")
    coerced = _coerced(schema, asked, variables)
    types = {
        node.variable.name.value: cast("GraphQLInputType", type_from_ast(schema, node.type))
        for node in asked.variable_definitions or ()
    }
    given = Variables(coerced, types)
    read = Document(schema, _fragments(document), given)
    shaper = Shaper(read, dialect)
    roots: dict[str, Root | str] = {}
    for key, nodes in read.roots(schema.query_type, asked.selection_set).items():
        name = nodes[0].name.value
        if name == "__typename":
            roots[key] = schema.query_type.name
            continue
        field = schema.query_type.fields.get(name)
        planner = field and field.extensions["strawberry-definition"].metadata.get(ROOT)
        if field is None or planner is None:
            raise NotCompiled(f"{name} is not stored data")
        roots[key] = planner(Plan(read, field, nodes), shaper)
    personal = [key for key, root in roots.items() if isinstance(root, Root) and root.is_personal]
    return CompiledQuery(
        roots,
        sight,
        cost,
        [*personal, *shaper.looking_around],
        dependence=given.dependence,
        coercion=Coercion(types, {name: coerced[name] for name in coerced if name not in variables}) if types else None,
    )


def _fragments(document: DocumentNode) -> Mapping[str, FragmentDefinitionNode]:
    return {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}


def _coerced(
    schema: GraphQLSchema, operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> Mapping[str, Any]:
    coerced = get_variable_values(schema, operation.variable_definitions or (), dict(variables))
    if isinstance(coerced, list):
        raise NotCompiled("variables cannot be used")
    return coerced.coerced
