"""Copies of a hub's SQLite files, of one moment, while the hub writes to them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

from connector.storage.backup.archive import no_room, persist
from connector.storage.backup.manifest import BackupFailed, BrokenBackup, Content

HUB: Final = "hub.db"
WORKFLOWS: Final = "workflows.db"
BUSY_S: Final = 30.0
"""That the write locks of both files may take; writers have them for milliseconds."""
BESIDE: Final = ("", "-wal", "-shm", "-journal")
"""What SQLite has of one database, by the end of its name."""


def copy(places: Mapping[str, Path], directory: Path) -> dict[str, Path]:
    """Copy files of databases, by name, into a directory, all as they were in one moment. Raises BackupFailed."""
    copies = {}
    try:
        with _one_moment(list(places.values())) as snapshots:
            for (name, _), snapshot in zip(places.items(), snapshots, strict=True):
                path = directory / name
                with closing(sqlite3.connect(path)) as target:
                    snapshot.backup(target)
                copies[name] = path
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise no_room(directory.parent, str(error)) from error
        raise BackupFailed(f"the database could not be copied: {error}") from error
    return copies


@contextmanager
def _one_moment(paths: list[Path]) -> Iterator[list[sqlite3.Connection]]:
    """Connections that see the files as they were while nobody wrote to any of them.

    The write locks are had in the order of the paths, and only until every connection has its snapshot.
    """
    with ExitStack() as stack:
        readers = [stack.enter_context(closing(_connected(path))) for path in paths]
        with ExitStack() as locks:
            for path in paths:
                writer = locks.enter_context(closing(_connected(path)))
                writer.execute("BEGIN IMMEDIATE")
            for reader in readers:
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the snapshot is taken by reading
        yield readers


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_S, isolation_level=None)


def examine(copies: Mapping[str, Path]) -> dict[str, Content]:
    """Read every page of the copies; what is in their tables. Raises BrokenBackup."""
    found: dict[str, Content] = {}
    for name, path in copies.items():
        prefix = "" if name == HUB else f"{Path(name).stem}."
        with _still(path, name) as db:
            if (told := db.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
                raise BrokenBackup(f"{name} is damaged: {told}")
            if broken := db.execute("PRAGMA foreign_key_check").fetchone():
                raise BrokenBackup(f"{name}: a row of {broken[0]} refers to one of {broken[2]} that is not there")
            tables = db.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
            )
            for (table,) in tables.fetchall():
                [rows] = db.execute(f'SELECT count(*) FROM "{table}"').fetchone()  # noqa: S608 - a table's own name
                found[prefix + table] = Content(rows)
    return found


def version_of(path: Path) -> tuple[str, int]:
    """Revision of the schema and last position of the log in a copy. Raises BrokenBackup."""
    with _still(path, HUB) as db:
        [revision] = db.execute("SELECT version_num FROM alembic_version").fetchone()
        [position] = db.execute("SELECT coalesce(max(position), 0) FROM change").fetchone()
    return str(revision), int(position)


@contextmanager
def _still(path: Path, name: str) -> Iterator[sqlite3.Connection]:
    """A connection to a file that nobody writes to, which leaves nothing beside it."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
            yield db
    except (sqlite3.Error, TypeError) as error:
        raise BrokenBackup(f"{name} is damaged, or not the database of a hub: {error}") from error


def require_nothing_there(paths: list[Path]) -> None:
    """Raises BackupFailed when anything of these databases is there."""
    for path in paths:
        for end in BESIDE:
            found = path.with_name(path.name + end)
            if found.exists():
                raise BackupFailed(
                    f"{found} is there already: a backup is restored only where there is no database",
                    hint="Stop the hub and move the files of its database away, or set `database` to another file.",
                )


def put(copies: Mapping[str, Path], places: Mapping[str, Path]) -> None:
    """Move copies to where a hub looks for them; the hub's own last, since without it there is none."""
    done: list[Path] = []
    try:
        for name in sorted(copies, key=lambda name: name == HUB):
            copies[name].rename(places[name])
            done.append(places[name])
        persist(places[HUB].parent)
    except OSError:
        for path in done:
            path.unlink()
        raise
