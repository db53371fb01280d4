"""Prism between an adapter and its sandbox, with a vendor's own OpenAPI description: it objects to either side.

The descriptions are not part of the product: `../shared/openapi` beside the repository, or CONNECTOR_DESCRIPTIONS.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.clients.conftest import PATIENCE_S
from tests.clients.install import HERE, NODE

HOME = Path(os.environ.get("CONNECTOR_DESCRIPTIONS", HERE.parents[2] / "shared" / "openapi"))
LISTENING = b"Prism is listening on "
OBJECTION = re.compile(r'"location":(\[[^\]]*\]),[^{}]*"message":("(?:[^"\\]|\\.)*")')
"""One of Prism's objections; a header that would be too long is cut off, so it may be no JSON."""
ID = re.compile(r"Q[0-9]+|[0-9a-f]{32}|9[0-9]{20,}|1Z[0-9A-Z]{16}|CN[0-9A-F]{28}|[0-9]{10}|PRG[0-9]{12,}")
"""Parts of paths that are ids of PagerDuty and Shippo, or numbers and references of parcels."""


def description(name: str) -> Path:
    """A vendor's description."""
    path = HOME / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside the repository (../shared/openapi), nor where CONNECTOR_DESCRIPTIONS says")
    return path


@asynccontextmanager
async def watched(prism: Path, path: Path, upstream: str) -> AsyncIterator[str]:
    """The address of a Prism that hands on to a server and notes where either side departs from a description."""
    command = (str(NODE), str(prism), "proxy", "-h", "127.0.0.1", "-p", "0", str(path), upstream)
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    assert process.stdout is not None
    reading: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            line = b""
            while LISTENING not in line:
                line = await process.stdout.readline()
                assert line, (await process.communicate())[1].decode()
        reading = asyncio.create_task(process.stdout.read())  # what it says later must not fill its pipe
        yield line.partition(LISTENING)[2].strip().decode()
    finally:
        process.kill()
        await process.wait()
        if reading is not None:
            await reading


class Noting(httpx.AsyncHTTPTransport):
    """Keeps what Prism objects to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[tuple[str, str]] = set()
        self.objections: dict[tuple[str, str, str], str] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        path = "/".join("ID" if ID.fullmatch(part) else part for part in request.url.path.split("/"))
        where = (request.method, path)
        self.asked.add(where)
        for place, said in OBJECTION.findall(response.headers.get("sl-violations", "")):
            spot = "/".join("*" if part.isdigit() else part for part in json.loads(place))
            self.objections.setdefault((*where, spot), said)
        return response


class Sorting(Noting):
    """The same, where one system is described by several files: each path goes to the Prism of its description."""

    def __init__(self, homes: list[tuple[str, str, str]]) -> None:
        super().__init__()
        self._homes = homes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        home, cut = next((home, cut) for start, cut, home in self._homes if path.startswith(start))
        request.url = httpx.URL(home + path.removeprefix(cut))
        request.headers["host"] = request.url.netloc.decode()
        return await super().handle_async_request(request)


def readable(name: str, folder: Path) -> Path:
    """A description as YAML: some lines have tabs where there must be spaces."""
    copy = folder / name
    copy.write_text(description(name).read_text(encoding="utf-8").replace("\t", " "), encoding="utf-8")
    return copy
