"""The adapter: a directory of sheets as snapshot streams."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping
from contextlib import closing
from pathlib import Path

from connector.sdk import Adapter, Batch, Cursor, Health, Pulls, Stream, Transient, Watches
from connector_file.config import FileConfig
from connector_file.directory import find_sheet, list_directory, open_sheet
from connector_file.mapping import SHEETS
from connector_file.reading import read_batches, read_layout


class File(Adapter[FileConfig], Pulls, Watches):
    """Sites, hubs, products, substitutes, kits, assets and counted stock that a team keeps in sheets."""

    @classmethod
    def config_type(cls) -> type[FileConfig]:
        """Settings of a directory of sheets."""
        return FileConfig

    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        """Places, products, substitutes and kits before devices and counts, which refer to them."""
        return tuple(Stream(name, sheet.record, "snapshot") for name, sheet in SHEETS.items())

    async def check(self) -> Health:
        """Read the headers of all sheets. Raises ConfigError, Transient, UnexpectedResponse."""
        return Health(detail=await asyncio.to_thread(self._headers))

    async def glance(self) -> Mapping[str, str]:
        """Which file each sheet is, its size and when it was written; a sheet that is not there has none."""
        return await asyncio.to_thread(self._seen)

    def _seen(self) -> dict[str, str]:
        return {stream: _identity(find_sheet(self.config, stream)) for stream in SHEETS}

    def _headers(self) -> str:
        found = [(stream, find_sheet(self.config, stream)) for stream in SHEETS]
        told: list[str] = []
        for stream, path in found:
            if path is not None:
                with open_sheet(path, stream) as file:
                    layout = read_layout(file, path.name, stream, self.config)
                unknown = ", ".join(map(repr, layout.unknown)) if layout is not None else ""
                told.append(f"{path.name} (columns that mean nothing here: {unknown})" if unknown else path.name)
        return ", ".join(told) or f"no sheet yet: {self.config.directory} holds {list_directory(self.config)}"

    def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:  # noqa: ARG002 - a snapshot is whole
        """Batches of one sheet, always from its beginning. A sheet that is not there says nothing of anything."""
        return self._batches(stream.name)

    async def _batches(self, stream: str) -> AsyncGenerator[Batch, None]:
        batches = self._read(stream)
        try:
            while (batch := await _next(batches)) is not None:
                yield batch
        finally:
            batches.close()

    def _read(self, stream: str) -> Generator[Batch, None, None]:
        path = find_sheet(self.config, stream)
        if path is None:
            yield Batch(records=())
            return
        with open_sheet(path, stream) as file:
            before = os.fstat(file.fileno())
            with closing(read_batches(file, path.name, stream, self.config)) as batches:
                for batch in batches:
                    after = os.fstat(file.fileno())
                    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                        raise Transient(
                            f"{path.name} was changed while it was read", operation=f"pull {stream}",
                            hint="It is read again from its beginning; nothing was retired.",
                        )  # fmt: skip
                    yield batch


def _identity(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        now = path.stat()
    except FileNotFoundError:  # it went since the directory was read
        return ""
    return f"{path.name} {now.st_ino} {now.st_size} {now.st_mtime_ns}"


async def _next(batches: Generator[Batch, None, None]) -> Batch | None:
    """The next batch, read in a thread; a caller that gives up leaves only when the thread is done with the file."""
    reading = asyncio.ensure_future(asyncio.to_thread(next, batches, None))
    try:
        return await asyncio.shield(reading)
    except asyncio.CancelledError:
        await asyncio.wait({reading})
        raise
