"""Furnished databases with an executor of their rows; how many random operations were compared, told at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.storage.query import ENTITIES
from tests.api.compiled.furnished import furnish
from tests.api.compiled.plain import PlainExecutor, Rows, read_rows
from tests.conftest import COUNTED


@dataclass
class Compared:
    """Counts what a test of random operations did. least: operations that it must have compared, each another."""

    least: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)

    def begin(self, operation: object) -> None:
        """An operation was drawn."""
        self.counts["drawn"] += 1
        self.seen.add(repr(operation))

    def done(self, what: str = "compared") -> None:
        """Nothing more is to be done with the operation that was drawn last."""
        self.counts[what] += 1

    @property
    def is_whole(self) -> bool:
        """Whether no operation was left in the middle, by a failure."""
        return self.counts["drawn"] == self.counts["compared"] + self.counts["too deep for SQLite"]


@pytest.fixture
def compared(record_property: Callable[[str, object], None]) -> Iterator[Compared]:
    """What was compared, for the summary."""
    found = Compared()
    yield found
    for what, number in found.counts.items():
        record_property(f"{COUNTED}{what}", number)
    if found.is_whole:
        assert len(found.seen) >= found.least
        assert found.counts["compared"] >= found.least


@pytest.fixture
async def rows(engine: AsyncEngine) -> Rows:
    """All rows of a database that is full of awkward ones."""
    await furnish(engine)
    return await read_rows(engine)


@pytest.fixture(scope="session")
def executor() -> PlainExecutor:
    """The one of all tests: its schema takes longer to make than most of them. `plain` and `empty` give it rows."""
    return PlainExecutor({})


@pytest.fixture
def plain(executor: PlainExecutor, rows: Rows) -> PlainExecutor:
    """The ordinary executor over the rows of the database."""
    executor.rows = rows
    return executor


@pytest.fixture
def empty(executor: PlainExecutor) -> PlainExecutor:
    """The ordinary executor of a hub that holds nothing."""
    executor.rows = {entity: [] for entity in ENTITIES}
    return executor
