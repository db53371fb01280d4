"""`connector backup` and `connector restore`: everything that a hub knows, in one file, and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from connector.cli.configured import AsJson, Config, loaded_settings
from connector.cli.output import console, print_json, told
from connector.clock import SystemClock
from connector.fulfilment.workflow_tables import workflow_file
from connector.storage.backup.keeping import Place, back_up, check, place
from connector.storage.backup.keeping import restore as restore_backup
from connector.storage.backup.manifest import Manifest
from connector.storage.backup.postgresql import Programs

Bin = Annotated[
    Path | None,
    typer.Option(
        "--postgresql-bin", envvar="CONNECTOR_POSTGRESQL_BIN", help="Where pg_dump and pg_restore are, if not in PATH."
    ),
]


def backup(
    file: Annotated[Path, typer.Argument(help="File to write; with --verify: to check.")],
    verify: Annotated[bool, typer.Option("--verify", help="Check a backup without restoring it.")] = False,
    postgresql_bin: Bin = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Back up the hub's database into a file, also while the hub works; or check such a file."""
    programs = Programs(postgresql_bin)
    with told(as_json=as_json):
        if verify:
            _tell(file, "is whole", *check(file, programs=programs), as_json=as_json)
            return
        manifest = back_up(_configured(config), file.absolute(), programs=programs, at=SystemClock().now())
    _tell(file, "is written", manifest, [], as_json=as_json)


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `connector backup` wrote.")],
    postgresql_bin: Bin = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Restore a backup into the configured database, which must be empty, and check all of it."""
    with told(as_json=as_json):
        manifest, found = restore_backup(_configured(config), file, programs=Programs(postgresql_bin))
    _tell(file, "is restored", manifest, found, as_json=as_json)


def _configured(config: Path | None) -> Place:
    database = loaded_settings(config, log_level="WARNING").settings.database
    return place(database, workflow_file(database))


def _tell(file: Path, what: str, manifest: Manifest, found: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "file": str(file),
                "takenAt": manifest.taken_at,
                "version": manifest.version,
                "database": manifest.database,
                "server": manifest.server,
                "schema": manifest.revision,
                "position": manifest.position,
                "tables": len(manifest.tables),
                "rows": manifest.rows,
                "verified": found,
            }
        )
        return
    console.print(
        f"{file} {what}: a hub of version {manifest.version} on {manifest.database} {manifest.server}, "
        f"at {manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC, up to position {manifest.position} of its log.",
        highlight=False,
    )
    for line in found:
        console.print(f"- {line}", highlight=False)
