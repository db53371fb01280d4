"""Which file of the directory holds a stream's sheet."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from connector.sdk import ConfigError, Transient
from connector_file.config import FileConfig

SUFFIXES = (".csv", ".tsv", ".xlsx", ".xlsm", ".jsonl", ".ndjson")
"""Of files that are found by the stream's name."""


def find_sheet(config: FileConfig, stream: str) -> Path | None:
    """The stream's file, in any case; None when there is none and the settings do not name one.

    Raises ConfigError when two files may be meant, the directory cannot be read, or the file lies elsewhere; Transient
    when the directory, or a file that the settings name, is not there.
    """
    names, operation = _names(config), f"pull {stream}"
    wanted = config.files.get(stream)
    if wanted is not None:
        path = _within(config, wanted, operation)
        if not path.is_file():
            raise Transient(
                f"{wanted!r}, which the settings name for {stream}, is not in {str(config.directory)!r}",
                operation=operation,
                hint=f"It holds {_listed(names)}. Put the file there, or correct files.{stream}.",
            )
        return path
    found = [name for name in names if name.casefold() in {stream + suffix for suffix in SUFFIXES}]
    if len(found) > 1:
        raise ConfigError(
            f"{', '.join(map(repr, found))} may each be the sheet of {stream}",
            operation=operation,
            hint=f'Remove all but one, or name it: files = {{ {stream} = "{found[0]}" }}.',
        )
    return _within(config, found[0], operation) if found else None


def list_directory(config: FileConfig) -> str:
    """What the directory holds, for messages. Raises ConfigError, Transient."""
    return _listed(_names(config))


def open_sheet(path: Path, stream: str) -> BinaryIO:
    """Open a file. Raises ConfigError when that is not allowed, Transient when it is gone."""
    try:
        return path.open("rb")
    except PermissionError as error:
        raise ConfigError(
            f"{path.name} may not be read", operation=f"pull {stream}",
            hint="Let the user that the hub runs as read it.",
        ) from error  # fmt: skip
    except OSError as error:
        raise Transient(f"{path.name} cannot be opened: {error.strerror}", operation=f"pull {stream}") from error


def _within(config: FileConfig, name: str, operation: str) -> Path:
    """The file of that name. Raises ConfigError when it lies outside of the directory, or is a link to what does."""
    path = config.directory / name
    try:
        found, home = path.resolve(), config.directory.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a link to itself; a name with a zero byte
        raise ConfigError(f"{name!r} cannot be found: {error}", operation=operation) from error
    if not found.is_relative_to(home):
        raise ConfigError(
            f"{name!r} leads out of {str(config.directory)!r}, to {str(found)!r}", operation=operation,
            hint="Put the file itself there, or name the directory that it is in. Links within the directory will do.",
        )  # fmt: skip
    return path


def _names(config: FileConfig) -> list[str]:
    place = str(config.directory)
    try:
        return sorted(path.name for path in config.directory.iterdir() if path.is_file())
    except NotADirectoryError as error:
        raise ConfigError(f"{place!r} is not a directory", operation="list sheets") from error
    except PermissionError as error:
        raise ConfigError(
            f"directory {place!r} may not be read", operation="list sheets",
            hint="Let the user that the hub runs as read it.",
        ) from error  # fmt: skip
    except OSError as error:
        raise Transient(
            f"directory {place!r} cannot be read: {error.strerror}",
            operation="list sheets",
            hint="Make it, mount it, or correct directory in the settings.",
        ) from error


def _listed(names: list[str]) -> str:
    return (", ".join(map(repr, names[:8])) + (f" and {len(names) - 8} more" if len(names) > 8 else "")) or "nothing"
