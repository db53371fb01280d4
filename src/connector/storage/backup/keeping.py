"""Making, checking and restoring backups. Synchronous: nothing else is done meanwhile.

The hub's tables and those of its workflows are kept as they were in one moment: on PostgreSQL in one snapshot of both
schemas, on SQLite from snapshots of both files between which nobody could write. Such a backup is what a process that
was killed in that moment would have left, and a hub goes on from it in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL

from connector import __version__
from connector.model.errors import InvalidInput
from connector.storage.backup import postgresql, sqlite
from connector.storage.backup.archive import (
    exists,
    pack,
    require_file,
    require_room,
    sum_of,
    told_bytes,
    unpack,
    working_directory,
)
from connector.storage.backup.manifest import BackupFailed, BrokenBackup, Manifest, require_same
from connector.storage.database.engine import database_url
from connector.storage.migrations import HEAD

TWICE: Final = 2
"""A backup needs room for the copy and for the archive of it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A hub's database. workflows: the file beside a SQLite one in which its workflows are."""

    url: URL
    workflows: Path | None

    @property
    def is_sqlite(self) -> bool:
        """Whether it is in files."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def files(self) -> dict[str, Path]:
        """Of SQLite, by the names that they have in archives. Raises InvalidInput: it is in memory."""
        if not self.url.database or self.url.database == ":memory:" or self.workflows is None:
            raise InvalidInput("a database in memory cannot be backed up or restored")
        return {sqlite.HUB: Path(self.url.database), sqlite.WORKFLOWS: self.workflows}


def place(database: str, workflows: Path | None) -> Place:
    """Where a hub keeps what it knows. database: as in the settings."""
    return Place(database_url(database), workflows)


def back_up(where: Place, target: Path, *, programs: postgresql.Programs, at: datetime) -> Manifest:
    """Back up the database into a file, while a hub works on it or not.

    Raises BackupFailed, BrokenBackup for a database that is damaged itself, and DatabaseAway.
    """
    if not target.parent.is_dir():
        raise BackupFailed(f"there is no directory {target.parent}")
    if target.exists():
        raise exists(target)
    return _of_sqlite(where, target, at) if where.is_sqlite else _of_postgresql(where, target, programs, at)


def _of_sqlite(where: Place, target: Path, at: datetime) -> Manifest:
    import sqlite3

    there = {name: path for name, path in where.files.items() if path.exists()}
    if sqlite.HUB not in there:
        raise BackupFailed(f"there is no database {where.url.database}", hint="Check `database` in connector.toml.")
    require_room(target.parent, TWICE * sum(path.stat().st_size for path in there.values()))
    with working_directory(target) as directory:
        copies = sqlite.copy(there, directory)
        tables = sqlite.examine(copies)
        revision, position = sqlite.version_of(copies[sqlite.HUB])
        manifest = Manifest(
            version=__version__, taken_at=at, database="sqlite", server=sqlite3.sqlite_version, revision=revision,
            position=position, tables=tables, files={name: sum_of(path) for name, path in copies.items()},
        )  # fmt: skip
        pack(target, manifest, copies, within=directory, compress=True)
    return manifest


def _of_postgresql(where: Place, target: Path, programs: postgresql.Programs, at: datetime) -> Manifest:
    with postgresql.connected(where.url) as connection:
        program = programs.find("pg_dump", needed=postgresql.major(connection))
        with working_directory(target) as directory:
            path = directory / postgresql.DUMP
            tables, revision, position = postgresql.dump(where.url, connection, program, path)
            manifest = Manifest(
                version=__version__, taken_at=at, database="postgresql",
                server=connection.info.parameter_status("server_version") or "", revision=revision,
                position=position, tables=tables, files={postgresql.DUMP: sum_of(path)},
            )  # fmt: skip
            pack(target, manifest, {postgresql.DUMP: path}, within=directory, compress=False)
    return manifest


def check(source: Path, *, programs: postgresql.Programs) -> tuple[Manifest, list[str]]:
    """Check a backup without restoring it; what was found to be so.

    Raises BrokenBackup, and BackupFailed: it cannot be checked here.
    """
    require_file(source)
    with working_directory(source.absolute()) as directory:
        manifest = unpack(source, directory)
        found = [_told_files(manifest)]
        if manifest.database == "sqlite":
            found += _check_copies(manifest, directory)
        else:
            postgresql.read_through(
                programs.find("pg_restore", needed=int(manifest.server.split(".")[0])), directory / postgresql.DUMP
            )
            found.append("the dump can be read to its end; its rows are compared when it is restored")
    return manifest, found


def restore(where: Place, source: Path, *, programs: postgresql.Programs) -> tuple[Manifest, list[str]]:
    """Restore a backup where there is no database yet; what was found to be so.

    The schema stays that of the backup: `connector migrate`, or a hub that starts, brings it to that of its version.
    Raises BackupFailed, BrokenBackup, and DatabaseAway.
    """
    require_file(source)
    return _into_files(where, source) if where.is_sqlite else _into_server(where, source, programs)


def _into_files(where: Place, source: Path) -> tuple[Manifest, list[str]]:
    places = where.files
    sqlite.require_nothing_there(list(places.values()))
    target = places[sqlite.HUB].absolute()
    if not target.parent.is_dir():
        raise BackupFailed(f"there is no directory {target.parent}")
    with working_directory(target) as directory:
        manifest = unpack(source, directory)
        _require_kind(manifest, "sqlite")
        found = [_told_files(manifest), *_check_copies(manifest, directory)]
        sqlite.put({name: directory / name for name in manifest.files}, places)
    return manifest, found


def _into_server(where: Place, source: Path, programs: postgresql.Programs) -> tuple[Manifest, list[str]]:
    with postgresql.connected(where.url) as connection, working_directory(source.absolute()) as directory:
        postgresql.require_empty(connection)
        manifest = unpack(source, directory)
        _require_kind(manifest, "postgresql")
        needed = int(manifest.server.split(".")[0])
        if postgresql.major(connection) < needed:
            raise BackupFailed(
                f"the backup is of PostgreSQL {manifest.server}, this server is {connection.info.server_version}",
                hint=f"Restore it on PostgreSQL {needed} or newer.",
            )
        program = programs.find("pg_restore", needed=needed)
        postgresql.load(where.url, program, directory / postgresql.DUMP)
        try:
            require_same(manifest.tables, postgresql.contents(connection))
            _require_end(manifest, postgresql.version_of(connection))
        except BrokenBackup as error:
            raise BrokenBackup(error.message, hint="Drop the database that it was restored into.") from error
    return manifest, [
        _told_files(manifest),
        _told_tables(manifest, "each with the rows and the digest"),
        _told_end(manifest),
    ]


def _check_copies(manifest: Manifest, directory: Path) -> list[str]:
    copies = {name: directory / name for name in manifest.files}
    if sqlite.HUB not in copies:
        raise BrokenBackup(f"the backup has no {sqlite.HUB}")
    require_same(manifest.tables, sqlite.examine(copies))
    _require_end(manifest, sqlite.version_of(copies[sqlite.HUB]))
    return [
        f"every page of {' and '.join(copies)} is sound, and no row refers to one that is not there",
        _told_tables(manifest, "each with the rows"),
        _told_end(manifest),
    ]


def _require_end(manifest: Manifest, found: tuple[str, int]) -> None:
    if found != (manifest.revision, manifest.position):
        raise BrokenBackup("schema and last position of the log are not those of the manifest")


def _require_kind(manifest: Manifest, kind: str) -> None:
    if manifest.database != kind:
        raise BackupFailed(
            f"the backup is of {manifest.database}, the configured database is {kind}",
            hint=f"Set `database` to one of {manifest.database}.",
        )
    if manifest.revision > HEAD:
        raise BackupFailed(
            f"the backup has schema {manifest.revision!r}, this version of the hub knows {HEAD!r}",
            hint=f"Restore it with version {manifest.version} of the hub, which took it, or a newer one.",
        )


def _told_files(manifest: Manifest) -> str:
    size = told_bytes(sum(file.bytes for file in manifest.files.values()))
    return f"{' and '.join(manifest.files)} ({size}) have the digests that the manifest says"


def _told_tables(manifest: Manifest, how: str) -> str:
    return f"{len(manifest.tables)} tables with {manifest.rows:,} rows, {how} that the manifest says"


def _told_end(manifest: Manifest) -> str:
    return f"the schema is {manifest.revision}, the change log ends at position {manifest.position}"
