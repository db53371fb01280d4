from __future__ import annotations

import io
import resource
import signal
import stat
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.backups import PROGRAMS, elsewhere, placed
from tests.fulfilment.scene import make_scene

from connector import __version__
from connector.storage.backup import archive, sqlite
from connector.storage.backup.keeping import back_up, check, restore
from connector.storage.backup.manifest import BackupFailed, BrokenBackup
from connector.storage.backup.postgresql import Programs
from connector.storage.database.engine import open_engine, reading
from connector.storage.database.outages import DatabaseAway

AT = datetime(2026, 12, 3, 9, 30, tzinfo=UTC)


@pytest.fixture
async def filled(engine: AsyncEngine) -> AsyncEngine:
    """A database with a product, hubs, devices and their log."""
    await make_scene(engine, spares=3)
    return engine


@pytest.fixture
def empty(database: str, tmp_path: Path) -> Iterator[str]:
    with elsewhere(database, tmp_path / "elsewhere") as url:
        yield url


async def dumped(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables."""
    from sqlalchemy import select, text

    from connector.storage.tables import metadata

    engine = open_engine(url)
    async with reading(engine) as tx:
        found = {t.name: sorted(map(repr, await tx.execute(select(t)))) for t in metadata.sorted_tables}
        found["alembic_version"] = [repr(row) for row in await tx.execute(text("SELECT * FROM alembic_version"))]
    await engine.dispose()
    return found  # type: ignore[return-value]


def rewritten(source: Path, change: Any) -> Path:
    """An archive with another manifest, or other members: change(members) -> members."""
    with tarfile.open(source) as old:
        members = {m.name: old.extractfile(m).read() for m in old}  # type: ignore[union-attr]
    target = source.with_name("rewritten")
    with tarfile.open(target, "w") as new:
        for name, content in change(members).items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    return target


def with_manifest(source: Path, **changes: Any) -> Path:
    def change(members: dict[str, bytes]) -> dict[str, bytes]:
        return {**members, "manifest.json": orjson.dumps(orjson.loads(members["manifest.json"]) | changes)}

    return rewritten(source, change)


@pytest.mark.usefixtures("filled")
async def test_what_is_backed_up_is_there_again_when_it_is_restored(database: str, empty: str, tmp_path: Path):
    file = tmp_path / "backup"

    made = back_up(placed(database), file, programs=PROGRAMS, at=AT)
    checked, _ = check(file, programs=PROGRAMS)
    restored, told = restore(placed(empty), file, programs=PROGRAMS)

    assert made == checked == restored
    assert (made.version, made.revision, made.taken_at) == (__version__, "0001", AT)
    assert made.tables["asset"].rows == 4
    assert any("workflow_status" in name for name in made.tables)
    assert await dumped(empty) == await dumped(database)
    assert f"{len(made.tables)} tables with {made.rows:,} rows" in "\n".join(told)
    assert f"the change log ends at position {made.position}" in told[-1]


@pytest.mark.usefixtures("filled")
async def test_a_backup_is_read_by_its_owner_alone_and_leaves_nothing_beside_it(database: str, tmp_path: Path):
    directory = tmp_path / "backups"
    directory.mkdir()

    back_up(placed(database), directory / "one", programs=PROGRAMS, at=AT)

    assert [path.name for path in directory.iterdir()] == ["one"]
    assert stat.S_IMODE((directory / "one").stat().st_mode) == 0o600


async def test_a_backup_overwrites_nothing(database: str, tmp_path: Path):
    file = tmp_path / "backup"
    file.write_text("of yesterday")

    with pytest.raises(BackupFailed, match="is there already"):
        back_up(placed(database), file, programs=PROGRAMS, at=AT)

    assert file.read_text() == "of yesterday"


async def test_a_backup_is_restored_only_where_there_is_nothing(database: str, tmp_path: Path):
    file = tmp_path / "backup"
    back_up(placed(database), file, programs=PROGRAMS, at=AT)
    before = await dumped(database)

    with pytest.raises(BackupFailed, match=r"(there is no database|only into an empty one)") as failed:
        restore(placed(database), file, programs=PROGRAMS)

    assert "set `database` to" in failed.value.hint
    assert await dumped(database) == before


async def test_an_archive_that_was_cut_off_or_changed_is_found_out(database: str, empty: str, tmp_path: Path):
    file = tmp_path / "backup"
    back_up(placed(database), file, programs=PROGRAMS, at=AT)
    whole = file.read_bytes()
    middle = len(whole) // 2
    inverted = bytes(255 - byte for byte in whole[middle : middle + 64])

    changed = whole[:middle] + inverted + whole[middle + 64 :]
    for broken in (whole[:middle], whole[:-12_000], changed, b"", b"x" * 9000):
        file.write_bytes(broken)
        with pytest.raises(BrokenBackup, match="damaged"):
            check(file, programs=PROGRAMS)
        with pytest.raises(BrokenBackup):
            restore(placed(empty), file, programs=PROGRAMS)

    file.write_bytes(whole)
    restore(placed(empty), file, programs=PROGRAMS)


async def test_what_the_manifest_does_not_tell_of_is_not_written(database: str, tmp_path: Path):
    file = tmp_path / "backup"
    back_up(placed(database), file, programs=PROGRAMS, at=AT)

    added = rewritten(file, lambda members: members | {"../../escaped": b"x"})
    with pytest.raises(BrokenBackup, match=r"holds '../../escaped', which its manifest does not tell of"):
        check(added, programs=PROGRAMS)

    missing = rewritten(file, lambda members: dict(list(members.items())[:1]))
    with pytest.raises(BrokenBackup, match="is not the file that its manifest tells of"):
        check(missing, programs=PROGRAMS)


async def test_rows_that_are_not_those_of_the_manifest_are_named(database: str, empty: str, tmp_path: Path):
    file = tmp_path / "backup"
    made = back_up(placed(database), file, programs=PROGRAMS, at=AT)
    tables = {name: {"rows": content.rows, "digest": content.digest} for name, content in made.tables.items()}

    changed = with_manifest(file, tables=tables | {"site": {"rows": 7, "digest": ""}})

    with pytest.raises(BrokenBackup, match=r"site has 0 rows.* and not 7 rows"):
        restore(placed(empty), changed, programs=PROGRAMS)


async def test_a_backup_of_a_newer_schema_or_format_is_refused_with_which_version_to_take(
    database: str, empty: str, tmp_path: Path
):
    file = tmp_path / "backup"
    back_up(placed(database), file, programs=PROGRAMS, at=AT)

    with pytest.raises(BackupFailed, match=r"schema '0007', this version of the hub knows '0001'") as failed:
        restore(placed(empty), with_manifest(file, revision="0007", version="3.1.0"), programs=PROGRAMS)
    assert "version 3.1.0" in failed.value.hint
    with pytest.raises(BrokenBackup, match="format 2, this version of the hub reads 1"):
        check(with_manifest(file, format=2), programs=PROGRAMS)
    with pytest.raises(BrokenBackup, match="manifest cannot be read"):
        check(with_manifest(file, files=None), programs=PROGRAMS)


async def test_a_backup_of_the_other_database_is_refused(database: str, empty: str, tmp_path: Path):
    file = tmp_path / "backup"
    back_up(placed(database), file, programs=PROGRAMS, at=AT)
    other = "postgresql" if database.startswith("sqlite") else "sqlite"

    with pytest.raises(BackupFailed, match=f"the backup is of {other}, the configured database is"):
        restore(placed(empty), with_manifest(file, database=other), programs=PROGRAMS)


def require_nothing_is_left(directory: Path, database: str, programs: Programs, told: str) -> None:
    with pytest.raises(BackupFailed, match=told):
        back_up(placed(database), directory / "backup", programs=programs, at=AT)
    assert list(directory.iterdir()) == []


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "backups"
    path.mkdir()
    return path


@pytest.fixture
def no_file_grows(database: str) -> Iterator[None]:
    """Beyond 20,000 bytes, as on a disk that becomes full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, before)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("no_file_grows")
def test_a_disk_that_becomes_full_is_told(database: str, directory: Path):
    require_nothing_is_left(directory, database, PROGRAMS, f"not enough room on the disk of {directory}")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_disk_without_room_is_told_before_anything_is_written(
    database: str, directory: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _directory: SimpleNamespace(free=1_000_000))

    require_nothing_is_left(directory, database, PROGRAMS, r"MB are needed, 1\.0 MB are free")


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ("echo 'pg_dump: error: could not write to output file: No space left on device' >&2; exit 1", "enough room"),
        ("echo 'pg_dump: error: permission denied for table site' >&2; exit 1", "permission denied for table site"),
        ("kill -KILL $$", "could not be dumped: it was ended by SIGKILL"),
    ],
)
def test_a_dump_that_fails_is_told_with_why(database: str, directory: Path, tmp_path: Path, ends: str, told: str):
    program = tmp_path / "pg_dump"
    program.write_text(f"#!/bin/sh\n[ \"$1\" = --version ] && echo 'pg_dump (PostgreSQL) 18.1' && exit\n{ends}\n")
    program.chmod(0o755)

    require_nothing_is_left(directory, database, Programs(tmp_path), told)


def test_files_that_are_not_there_are_told(tmp_path: Path):
    with pytest.raises(BackupFailed, match="cannot be read: No such file"):
        check(tmp_path / "none", programs=PROGRAMS)
    with pytest.raises(BackupFailed, match="there is no database"):
        back_up(placed(f"sqlite:///{tmp_path}/none.db"), tmp_path / "file", programs=PROGRAMS, at=AT)
    with pytest.raises(BackupFailed, match="there is no directory"):
        back_up(placed(f"sqlite:///{tmp_path}/none.db"), tmp_path / "no" / "file", programs=PROGRAMS, at=AT)


def test_what_remains_of_another_database_counts_as_one(tmp_path: Path):
    (tmp_path / "hub.workflows.db-wal").touch()

    with pytest.raises(BackupFailed, match=r"hub\.workflows\.db-wal is there already"):
        sqlite.require_nothing_there(list(placed(f"sqlite:///{tmp_path}/hub.db").files.values()))


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_without_pg_dump_of_the_right_version_one_is_told_what_to_install(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupFailed, match="pg_dump is not found") as failed:
        back_up(placed(database), tmp_path / "backup", programs=Programs(), at=AT)
    assert "postgresql-client-18" in failed.value.hint

    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 13.4'\n")
    old.chmod(0o755)
    with pytest.raises(BackupFailed, match=r"is of version pg_dump \(PostgreSQL\) 13\.4, 18 is needed"):
        back_up(placed(database), tmp_path / "backup", programs=Programs(tmp_path), at=AT)


def test_a_server_that_is_not_there_is_told_in_one_line(tmp_path: Path):
    with pytest.raises(DatabaseAway, match="connection failed"):
        back_up(placed("postgresql://nobody@127.0.0.1:1/none"), tmp_path / "backup", programs=PROGRAMS, at=AT)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_both_files_are_copied_as_of_one_moment(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whoever wants to write while the snapshots are taken waits, to whichever file."""
    import sqlite3

    files = placed(database).files
    with sqlite._one_moment(list(files.values())) as snapshots:
        for path in files.values():
            with sqlite3.connect(path) as writing:  # the locks are let go once the snapshots are there
                writing.execute("CREATE TABLE later (number INTEGER)")
            writing.close()
        for snapshot in snapshots:
            assert snapshot.execute("SELECT count(*) FROM sqlite_master WHERE name = 'later'").fetchone() == (0,)
        held = sqlite3.connect(files[sqlite.WORKFLOWS], timeout=0, isolation_level=None)
        held.execute("BEGIN IMMEDIATE")

    monkeypatch.setattr(sqlite, "BUSY_S", 0.01)
    (tmp_path / "copies").mkdir()
    with pytest.raises(BackupFailed, match="could not be copied: database is locked"):
        sqlite.copy(files, tmp_path / "copies")
    held.close()
