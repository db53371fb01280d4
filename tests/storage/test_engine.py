from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.model.errors import InvalidConfiguration
from connector.model.refs import EntityKind
from connector.storage.database.changes import NewChange, log_changes, read_changes
from connector.storage.database.engine import database_url, reading, transaction, wake_on_commit

CHANGE = NewChange(EntityKind.TICKET, 1, "created", {})


async def test_a_commit_that_logged_wakes_everybody_once(engine: AsyncEngine):
    woken: list[str] = []
    wake_on_commit(engine, lambda: woken.append("rules"))
    wake_on_commit(engine, lambda: woken.append("feed"))

    async with transaction(engine) as tx:
        await log_changes(tx, [CHANGE], actor="test", at=datetime(2026, 11, 25, tzinfo=UTC))
        assert woken == []

    assert woken == ["rules", "feed"]


async def test_reading_an_empty_write_and_a_rollback_wake_nobody(engine: AsyncEngine):
    woken: list[str] = []
    wake_on_commit(engine, lambda: woken.append("rules"))

    async def fail_after_logging() -> None:
        async with transaction(engine) as tx:
            await log_changes(tx, [CHANGE], actor="test", at=datetime(2026, 11, 25, tzinfo=UTC))
            raise RuntimeError("half way")

    async with reading(engine) as tx:
        await read_changes(tx, 0)
    with pytest.raises(RuntimeError, match="half way"):
        await fail_after_logging()
    async with transaction(engine) as tx:
        await read_changes(tx, 0)

    assert woken == []


@pytest.mark.parametrize(
    ("text", "driver"), [("sqlite:///x.db", "sqlite+aiosqlite"), ("postgresql://u:p@h/d", "postgresql+psycopg")]
)
def test_a_database_is_named_without_its_driver(text: str, driver: str):
    assert database_url(text).drivername == driver


def test_another_database_is_refused_by_name():
    with pytest.raises(InvalidConfiguration, match="database 'mysql' is not supported"):
        database_url("mysql://u:p@h/d")
