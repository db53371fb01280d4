"""Rows by ids that are told each time they are read: a statement that is written once and sent again and again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy.engine import Dialect

from connector.storage.query.as_sent import AsSent
from connector.storage.query.conditions import GIVEN
from connector.storage.query.selection import Selection
from connector.storage.query.sight import Sight
from connector.storage.query.statement import RowsRead, statement_of


class RowsByIds:
    """Rows of one entity in some selections. sight: of whoever reads them.

    is_slow: they took long when they were last read.
    """

    def __init__(self, selections: Sequence[Selection], sight: Sight) -> None:
        self.is_slow = False
        self._reads = [RowsRead(selection, None) for selection in selections]
        self._sight = sight
        self._written: AsSent | None = None

    def sent(self, dialect: Dialect, ids: Iterable[int]) -> tuple[str, Any]:
        """The statement as the driver takes it, and its parameters for these ids. Always of databases of one kind."""
        if self._written is None:
            self._written = AsSent(statement_of(self._reads, dialect.name, self._sight), dialect, {GIVEN: None})
        given = list(ids) if dialect.name == "postgresql" else f"[{','.join(map(str, ids))}]"
        return self._written.sql, self._written.parameters({GIVEN: given})

    def answers(self, row: Sequence[Any]) -> list[list[Any]]:
        """For each selection its rows, as the statement's one row holds them."""
        return [orjson.loads(text) for text in row]
