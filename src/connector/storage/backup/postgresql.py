"""Dumps of a hub's PostgreSQL database in one snapshot, by PostgreSQL's own programs."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL

from connector.storage.backup.archive import no_room
from connector.storage.backup.manifest import BackupFailed, BrokenBackup, Content
from connector.storage.database.outages import DatabaseAway

DUMP: Final = "postgresql.dump"
STATED: Final = "SET TIME ZONE 'UTC'; SET DateStyle = 'ISO'; SET extra_float_digits = 1; SET bytea_output = 'hex'"
"""What the text of a row depends on beside the row."""
_TABLES: Final = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1, 2
"""
_THERE: Final = """
    SELECT n.nspname || coalesce('.' || c.relname, '')
    FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND (c.oid IS NOT NULL OR n.nspname <> 'public')
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e') LIMIT 1
"""

_COUNTED: Final = """
    SELECT count(*), coalesce(sum(('x' || left(md5(t::text), 16))::bit(64)::bigint), 0)::text FROM {} t
"""


class Programs:
    """PostgreSQL's client programs. directory: where they are; None: wherever the system looks for programs."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory

    def find(self, name: str, *, needed: int) -> str:
        """The path of a program of at least a major version. Raises BackupFailed saying what to install."""
        where = None if self._directory is None else str(self._directory)
        found = shutil.which(name, path=where)
        hint = (
            f"Install PostgreSQL's client programs of version {needed} or newer (Debian: postgresql-client-{needed}), "
            "or say where they are with --postgresql-bin or CONNECTOR_POSTGRESQL_BIN."
        )
        if found is None:
            raise BackupFailed(f"{name} is not found{f' in {where}' if where else ''}", hint=hint)
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
        version = re.search(r"(\d+)(\.\d+|beta|devel|rc)", said)
        if version is None or int(version[1]) < needed:
            raise BackupFailed(f"{found} is of version {said.strip() or 'unknown'}, {needed} is needed", hint=hint)
        return found


def connected(url: URL) -> psycopg.Connection:
    """A connection for statements that make a snapshot of their own. Raises DatabaseAway."""
    try:
        connection = psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))
        connection.execute(STATED)
        connection.commit()
    except psycopg.OperationalError as error:
        raise DatabaseAway(str(error).strip().split("\n", 1)[0]) from error
    return connection


def major(connection: psycopg.Connection) -> int:
    """The server's version."""
    return connection.info.server_version // 10_000


def dump(url: URL, connection: psycopg.Connection, program: str, path: Path) -> tuple[dict[str, Content], str, int]:
    """Dump the database into a file; what is in its tables, its revision and the log's last position, in one snapshot.

    Raises BackupFailed.
    """
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    with connection.transaction():
        [snapshot] = connection.execute("SELECT pg_export_snapshot()").fetchone() or ("",)
        version = version_of(connection)
        command = [
            program, "--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}", f"--file={path}"
        ]  # fmt: skip
        dumping = _begun(url, command)
        try:
            tables = contents(connection)
        finally:
            told = dumping.communicate()[1]
    if dumping.returncode != 0:
        raise _failure("the database could not be dumped", dumping, told, path.parent.parent)
    path.chmod(0o600)
    return tables, *version


def version_of(connection: psycopg.Connection) -> tuple[str, int]:
    """Revision of the schema, and last position of the log. Raises BackupFailed for a database of no hub."""
    try:
        [revision] = connection.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
        [position] = connection.execute("SELECT coalesce(max(position), 0) FROM change").fetchone() or (0,)
    except psycopg.errors.UndefinedTable as error:
        raise BackupFailed("the database is not that of a hub: it has no schema of one") from error
    return str(revision), int(position)


def contents(connection: psycopg.Connection) -> dict[str, Content]:
    """Rows of each table, and a digest over them that does not depend on their order."""
    found = {}
    for schema, table in connection.execute(_TABLES).fetchall():
        counting = sql.SQL(_COUNTED).format(sql.Identifier(schema, table))
        [rows, digest] = connection.execute(counting).fetchone() or (0, "")
        found[table if schema == "public" else f"{schema}.{table}"] = Content(int(rows), str(digest))
    return found


def require_empty(connection: psycopg.Connection) -> None:
    """Raises BackupFailed when there is anything in the database."""
    found = connection.execute(_THERE).fetchone()
    connection.rollback()
    if found is not None:
        raise BackupFailed(
            f"the database is not empty, {found[0]} is there already: a backup is restored only into an empty one",
            hint="Make another one (`createdb hub_restored`), and set `database` to that.",
        )


def read_through(program: str, path: Path) -> None:
    """Read a whole dump without a database. Raises BrokenBackup."""
    command = [program, "--file=/dev/null", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the operator names it
    if done.returncode != 0:
        raise BrokenBackup(f"the dump of the database cannot be read: {_last(done.stderr)}")


def load(url: URL, program: str, path: Path) -> None:
    """Restore a dump, all of it or nothing. Raises BackupFailed."""
    command = [program, "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges"]
    loading = _begun(url, command, str(path))
    told = loading.communicate()[1]
    if loading.returncode != 0:
        raise _failure("the backup could not be restored", loading, told, path.parent.parent)


def _begun(url: URL, command: list[str], *arguments: str) -> subprocess.Popen[str]:
    """A program that works on the database; its password is in its environment, not among its arguments."""
    environment = dict(os.environ)
    if (password := url.password or url.query.get("password")) is not None:
        environment["PGPASSWORD"] = str(password)
    return subprocess.Popen(  # noqa: S603 - the operator names it
        [*command, f"--dbname={_address(url)}", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _address(url: URL) -> str:
    """The database as its programs are told it, without its password."""
    bare = URL.create(
        "postgresql", url.username, None, url.host, url.port, url.database,
        {name: value for name, value in url.query.items() if name != "password"},
    )  # fmt: skip
    return bare.render_as_string(hide_password=False)


def _failure(what: str, ended: subprocess.Popen[str], told: str, directory: Path) -> BackupFailed:
    if ended.returncode < 0:
        told = f"it was ended by {signal.Signals(-ended.returncode).name}"
    if "No space left on device" in told or "File too large" in told:
        return no_room(directory, _last(told))
    return BackupFailed(f"{what}: {_last(told)}", hint="Nothing was left behind.")


def _last(told: str) -> str:
    """What a program said was wrong, in one line: its first errors."""
    lines = [line.strip() for line in told.splitlines() if "error" in line or "FATAL" in line]
    return "; ".join(lines[:3]) or told.strip()[-300:] or "it said nothing"
