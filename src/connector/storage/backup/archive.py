"""The file of a backup: a tar archive whose first member is its manifest, whole or not there at all."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from connector.storage.backup.manifest import BackupFailed, BrokenBackup, FileSum, Manifest, read_manifest

MANIFEST: Final = "manifest.json"
LARGEST_MANIFEST: Final = 16 * 1024 * 1024
CHUNK: Final = 1024 * 1024
COMPRESSION: Final = 3
"""Of what is not compressed yet: nearly as small as with more, in a third of the time."""
NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def working_directory(beside: Path) -> Iterator[Path]:
    """A directory of this process alone, on the disk on which the result is to be, gone at the end.

    Raises BackupFailed when something cannot be written there.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=f".{beside.name}.", dir=beside.parent) as directory:
            yield Path(directory)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise no_room(beside.parent) from error
        raise BackupFailed(f"{beside.parent} cannot be written to: {error.strerror or error}") from error


def require_room(directory: Path, wanted: int) -> None:
    """Raises BackupFailed when there is less room on the disk of a directory than so many bytes."""
    free = shutil.disk_usage(directory).free
    if free < wanted:
        raise no_room(directory, f"{told_bytes(wanted)} are needed, {told_bytes(free)} are free")


def no_room(directory: Path, why: str = "it is full") -> BackupFailed:
    """That the disk of a directory has no room."""
    return BackupFailed(
        f"there is not enough room on the disk of {directory}: {why}",
        hint="Make room, or name a file on another disk. Nothing was left behind.",
    )


def told_bytes(number: int) -> str:
    """A number of bytes for people."""
    return f"{number / 1_000_000:,.1f} MB"


def sum_of(path: Path) -> FileSum:
    """Size and digest of a file."""
    with path.open("rb") as file:
        return FileSum(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def pack(target: Path, manifest: Manifest, files: Mapping[str, Path], *, within: Path, compress: bool) -> None:
    """Write an archive that only its owner may read. within: a working directory beside the target.

    The target appears at the end, when all of it is on the disk. Raises BackupFailed when it is there already.
    """
    path = within / "archive"
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        if compress:
            with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=COMPRESSION, filename="") as pressed:
                _write(pressed, manifest, files)
        else:
            _write(file, manifest, files)
        file.flush()
        os.fsync(file.fileno())
    if target.exists():
        raise exists(target)
    path.rename(target)
    persist(target.parent)


def exists(target: Path) -> BackupFailed:
    """That a file would be overwritten."""
    return BackupFailed(f"{target} is there already", hint="Name another file, or remove it first.")


def persist(directory: Path) -> None:
    """Have the names in a directory outlive a power cut."""
    number = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _write(file: IO[bytes] | gzip.GzipFile, manifest: Manifest, files: Mapping[str, Path]) -> None:
    with tarfile.open(fileobj=file, mode="w") as archive:
        text = manifest.written()
        archive.addfile(_member(MANIFEST, len(text), manifest), io.BytesIO(text))
        for name, path in files.items():
            with path.open("rb") as source:
                archive.addfile(_member(name, path.stat().st_size, manifest), source)


def _member(name: str, size: int, manifest: Manifest) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, int(manifest.taken_at.timestamp())
    return member


def require_file(source: Path) -> None:
    """Raises BackupFailed for what is no file that can be read."""
    try:
        with source.open("rb"):
            return
    except OSError as error:
        raise BackupFailed(f"{source} cannot be read: {error.strerror}") from error


def unpack(source: Path, directory: Path) -> Manifest:
    """Write the files of an archive into a directory, having compared each with the manifest.

    Only names that the manifest has are written. Raises BrokenBackup.
    """
    try:
        with tarfile.open(source, mode="r|*") as archive:
            manifest = _manifest_of(archive)
            found = {member.name: _extract(archive, member, manifest, directory) for member in iter(archive.next, None)}
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BrokenBackup(
            f"{source} is no backup of a hub, or is damaged: {error}", hint="Fetch it again, or take another one."
        ) from error
    for name, wanted in manifest.files.items():
        if found.get(name) != wanted:
            raise BrokenBackup(
                f"{source} is damaged: {name} is not the file that its manifest tells of",
                hint="Fetch it again, or take another one.",
            )
    return manifest


def _manifest_of(archive: tarfile.TarFile) -> Manifest:
    member = archive.next()
    if member is None or member.name != MANIFEST or member.size > LARGEST_MANIFEST:
        raise tarfile.ReadError("it does not begin with a manifest")
    file = archive.extractfile(member)
    if file is None:
        raise tarfile.ReadError("its manifest is no file")
    return read_manifest(file.read())


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, manifest: Manifest, directory: Path) -> FileSum:
    file = archive.extractfile(member) if member.name in manifest.files and "/" not in member.name else None
    if file is None:
        raise BrokenBackup(f"the backup holds {member.name!r}, which its manifest does not tell of")
    digest, size = hashlib.sha256(), 0
    with os.fdopen(os.open(directory / member.name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as target:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            target.write(chunk)
        target.flush()
        os.fsync(target.fileno())
    return FileSum(size, digest.hexdigest())
