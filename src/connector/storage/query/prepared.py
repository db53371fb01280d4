"""Reads that are asked again and again: their statement is written once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.model.refs import EntityKind
from connector.storage.database.engine import direct_connections, readers_of, reading
from connector.storage.query.announced import announced_by
from connector.storage.query.as_sent import AsSent
from connector.storage.query.fetch import answer_to, answers_of, asked_of
from connector.storage.query.sight import EVERYTHING, Sight
from connector.storage.query.statement import Read, statement_of

NO_VALUES: Final[Mapping[str, Any]] = MappingProxyType({})


class PreparedReads:
    """Some reads and their statement, which sees all of them at one moment. sight: of whoever they are for."""

    def __init__(self, reads: Sequence[Read], sight: Sight = EVERYTHING) -> None:
        self._reads = reads
        self._sight = sight
        self._statement: Select[*tuple[Any, ...]] | None = None
        self._written: AsSent | None = None

    def announced_by(self, dialect: str) -> frozenset[EntityKind]:
        """The kinds of change without which the answers stay as they are. Raises Unannounced."""
        asked = asked_of(self._reads)
        return announced_by(statement_of(asked, dialect, self._sight)) if asked else frozenset()

    async def fetch(self, engine: AsyncEngine, values: Mapping[str, Any] = NO_VALUES) -> list[Any]:
        """The answers, as `connector.storage.query.fetch` tells. Always of databases of one kind.

        values: of parameters, by their names. Raises NotAnswered when the database does not answer, TooDeep when it
        cannot read what is asked.
        """
        asked = asked_of(self._reads)
        if not asked:
            return answers_of(self._reads, ())
        if self._statement is None:
            self._statement = statement_of(asked, engine.dialect.name, self._sight)
        direct = direct_connections(engine) or readers_of(engine)
        if direct is None:
            async with reading(engine) as tx:
                return answers_of(self._reads, await answer_to(tx, self._statement, values))
        if self._written is None:
            self._written = AsSent(self._statement, engine.dialect)
        return answers_of(self._reads, await direct.row(self._written.sql, self._written.parameters(values)))
