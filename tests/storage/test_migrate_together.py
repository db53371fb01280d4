"""Processes that start together on an empty database."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import inspect
from tests.conftest import DATABASES, named

from connector.storage.database.engine import open_engine
from connector.storage.migrations import HEAD, HERE
from connector.storage.tables import metadata


@pytest.fixture(params=DATABASES)
def empty_database(request: pytest.FixtureRequest, tmp_path: Path, worker_id: str) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/new/connector.db"
        return
    uri: str = request.getfixturevalue("postgres")
    name = f"empty_{worker_id}"
    with psycopg.connect(uri, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield named(uri, name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def test_three_processes_migrate_at_once_and_all_succeed(empty_database: str):
    script = f"from connector.storage.migrations import migrate; migrate({empty_database!r})"

    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", script, stderr=asyncio.subprocess.PIPE)
        for _ in range(3)
    ]
    outputs = [await process.communicate() for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    engine = open_engine(empty_database)
    async with engine.connect() as connection:
        tables = set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))
    await engine.dispose()
    assert tables - {"alembic_version"} == set(metadata.tables)


def test_the_stated_head_is_the_newest_script():
    assert ScriptDirectory(str(HERE)).get_current_head() == HEAD
