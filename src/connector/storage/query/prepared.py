"""Reads that are asked again and again: their statement is written once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.model.refs import EntityKind
from connector.storage.database.engine import reading, single_statements
from connector.storage.query.announced import announced_by
from connector.storage.query.as_sent import AsSent
from connector.storage.query.fetch import answer_to, answers_of, asked_of
from connector.storage.query.sight import EVERYTHING, Sight
from connector.storage.query.statement import WRITTEN, Read, statement_of

NO_VALUES: Final[Mapping[str, Any]] = MappingProxyType({})


class Given(dict[str, Any]):
    """Values of parameters that are asked for again and again. sent: as the driver takes them, once they were sent."""

    sent: Any = None


class PreparedReads:
    """Some reads and their statement, which sees all of them at one moment. sight: of whoever they are for."""

    def __init__(self, reads: Sequence[Read], sight: Sight = EVERYTHING) -> None:
        self._reads = reads
        self._asked = asked_of(reads)
        self._are_written = len(self._asked) == len(reads) and all(isinstance(read, WRITTEN) for read in reads)
        self._sight = sight
        self._statement: Select[*tuple[Any, ...]] | None = None
        self._written: AsSent | None = None

    def announced_by(self, dialect: str) -> frozenset[EntityKind]:
        """The kinds of change without which the answers stay as they are. Raises Unannounced."""
        return announced_by(statement_of(self._asked, dialect, self._sight)) if self._asked else frozenset()

    async def fetch(self, engine: AsyncEngine, values: Mapping[str, Any] = NO_VALUES) -> Sequence[Any]:
        """The answers, as `connector.storage.query.fetch` tells; texts may be bytes. Always of databases of one kind.

        values: of parameters, by their names. Raises NotAnswered when the database does not answer, TooDeep when it
        cannot read what is asked.
        """
        if not self._asked:
            return self._answers(())
        if self._statement is None:
            self._statement = statement_of(self._asked, engine.dialect.name, self._sight)
        direct = single_statements(engine)
        if direct is None:
            async with reading(engine) as tx:
                return self._answers(await answer_to(tx, self._statement, values))
        if self._written is None:
            self._written = AsSent(self._statement, engine.dialect)
        parameters = values.sent if isinstance(values, Given) else None
        if parameters is None:
            parameters = self._written.parameters(values)
            if isinstance(values, Given):
                values.sent = parameters
        return self._answers(await direct.row(self._written.sql, parameters))

    def _answers(self, row: Sequence[Any]) -> Sequence[Any]:
        return row if self._are_written else answers_of(self._reads, row)
