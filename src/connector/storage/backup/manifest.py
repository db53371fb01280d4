"""What a backup says of itself: what it was taken of and when, and what must be in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal

import orjson

from connector.model.errors import ConnectorError

FORMAT: Final = 1
"""Of archives that this version writes, and the newest that it reads."""
DatabaseKind = Literal["sqlite", "postgresql"]


class BackupFailed(ConnectorError):  # noqa: N818 - named by what is wrong
    """No backup could be made, or none restored; nothing was left half done."""

    code = "BACKUP_FAILED"


class BrokenBackup(ConnectorError):  # noqa: N818 - named by what is wrong
    """A file that is no backup, or is not what it says of itself."""

    code = "BROKEN_BACKUP"


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a table. digest: over all rows in whatever order; "" where the file's digest covers it."""

    rows: int
    digest: str = ""


@dataclass(frozen=True, slots=True)
class FileSum:
    """One file of an archive."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """version: of the hub. server: of the database. revision: of the schema. position: the last of the change log, 0
    when there is none. tables: by name, those of the workflows with their schema before it. files: by name.
    """

    version: str
    taken_at: datetime
    database: DatabaseKind
    server: str
    revision: str
    position: int
    tables: Mapping[str, Content]
    files: Mapping[str, FileSum]
    format: int = FORMAT

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(content.rows for content in self.tables.values())

    def written(self) -> bytes:
        """As it stands in the archive."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)


def read_manifest(text: bytes) -> Manifest:
    """The manifest of an archive. Raises BrokenBackup, also for one that a newer version wrote in another format."""
    try:
        given: dict[str, Any] = orjson.loads(text)
        if given["format"] > FORMAT:
            raise BrokenBackup(
                f"the backup has format {given['format']}, this version of the hub reads {FORMAT}",
                hint=f"Use version {given['version']} of the hub, which wrote it, or a newer one.",
            )
        return Manifest(
            version=str(given["version"]),
            taken_at=datetime.fromisoformat(given["taken_at"]),
            database=given["database"],
            server=str(given["server"]),
            revision=str(given["revision"]),
            position=int(given["position"]),
            tables={name: Content(**content) for name, content in given["tables"].items()},
            files={name: FileSum(**file) for name, file in given["files"].items()},
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BrokenBackup(f"the backup's manifest cannot be read: {error}") from error


def require_same(wanted: Mapping[str, Content], found: Mapping[str, Content]) -> None:
    """Raises BrokenBackup naming the tables that are not as the manifest says."""
    wrong = [
        f"{name} has {_told(found.get(name))} and not {_told(content)}"
        for name, content in sorted(wanted.items())
        if found.get(name) != content
    ]
    wrong += [f"{name} is not in its manifest" for name in sorted(found.keys() - wanted.keys())]
    if wrong:
        raise BrokenBackup(f"what is in the backup is not what its manifest says: {'; '.join(wrong)}")


def _told(content: Content | None) -> str:
    if content is None:
        return "no rows, for it is missing,"
    return f"{content.rows} rows" + (f" with digest {content.digest}" if content.digest else "")
