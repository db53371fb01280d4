"""Where DBOS keeps workflows: beside the hub's own tables, in a schema or a file of its own."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from connector.storage.database.engine import database_url
from connector.storage.database.workflows import COUNTED, told

if TYPE_CHECKING:
    from dbos import DBOSConfig

APPLICATION: Final = "connector"
VERSION: Final = "1"
"""Workflows of another version are not resumed. It stays the same as long as their steps do; what differs in one
step is caught by the receipts, which belong to the effect and not to the workflow's history."""
SCHEMA: Final = "workflow"
POOL_SIZE: Final = 5
LISTEN_SECONDS = 0.25
"""Seconds between looks at pauses on SQLite, which tells nobody that one was ended; closing waits for the last look."""


def configuration(database: str, executor: str, pool_size: int = POOL_SIZE) -> DBOSConfig:
    """What DBOS is told. database: as in the settings. executor: name of this process."""
    return {
        "name": APPLICATION,
        "system_database_url": system_database(database),
        "dbos_system_schema": SCHEMA,
        "application_version": VERSION,
        "executor_id": executor,
        "sys_db_pool_size": pool_size,
        "notification_listener_polling_interval_sec": LISTEN_SECONDS,
        "log_level": "WARNING",
        "enable_otlp": False,
    }


async def make_tables(dbos: Any, database: str) -> None:
    """Make the workflow tables, or bring them up to date, while this process goes on answering.

    database: as in the settings, with the role that may. On PostgreSQL DBOS builds indices concurrently, which waits
    for every transaction that is open, those of our own requests among them: launching would do it on the event loop
    that they need to come to an end.
    """
    if not database.startswith("sqlite"):
        await asyncio.to_thread(dbos.DBOS.migrate, system_database(database), schema=SCHEMA)


def states_in_file(database: str) -> Mapping[str, int]:
    """State -> how many workflows, of the tables beside a SQLite database; none before they are made."""
    path = workflow_file(database)
    if path is None or not path.exists():
        return told([])
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            return told(connection.execute(COUNTED.format(table="workflow_status")).fetchall())
        except sqlite3.OperationalError:
            return told([])


def system_database(database: str) -> str:
    """Where DBOS keeps its tables. SQLite is put into WAL mode first: five times as many workflows a second."""
    path = workflow_file(database)
    if path is None:
        return database_url(database).set(drivername="postgresql").render_as_string(hide_password=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    return f"sqlite:///{path}"


def workflow_file(database: str) -> Path | None:
    """The file beside a SQLite database in which its workflows are; None on PostgreSQL."""
    url = database_url(database)
    if url.get_backend_name() != "sqlite":
        return None
    path = Path(url.database or "connector.db")
    return path.with_name(f"{path.stem}.workflows.db")
