"""Prism between an adapter and its sandbox, with a vendor's own OpenAPI description: it objects to either side.

The descriptions are not part of the product: `../shared/openapi` beside the repository, or CONNECTOR_DESCRIPTIONS.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import httpx
import pytest
import yaml

from tests.clients.conftest import PATIENCE_S
from tests.clients.install import HERE, NODE

TELLING = HERE / "descriptions" / "telling.cjs"
PASSED_OVER = "PASSED OVER: "
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
HOME = Path(os.environ.get("CONNECTOR_DESCRIPTIONS", HERE.parents[2] / "shared" / "openapi"))
LISTENING = b"Prism is listening on "
OBJECTION = re.compile(r'"location":(\[[^\]]*\]),[^{}]*"message":("(?:[^"\\]|\\.)*")')
"""One of Prism's objections; a header that would be too long is cut off, so it may be no JSON."""
ID = re.compile(r"Q[0-9]+|[0-9a-f]{32}|9[0-9]{20,}|1Z[0-9A-Z]{16}|CN[0-9A-F]{28}|[0-9]{10}|PRG[0-9]{12,}")
"""Parts of paths that are ids of PagerDuty and Shippo, or numbers and references of parcels."""
ESCAPED_QUOTE = re.compile(r"""\\(["'])""")
"""Which Prism takes for a wrong expression."""


def description(name: str, public: str = "") -> Path:
    """A vendor's description. public: where it can be had."""
    path = HOME / name
    if not path.is_file():
        where = f"; it is {public}" if public else ""
        pytest.skip(
            f"{name} is not beside the repository (../shared/openapi), nor where CONNECTOR_DESCRIPTIONS says{where}"
        )
    return path


def read(name: str, public: str = "") -> dict[str, Any]:
    """What a description says, without tabs, and dates as text."""
    text = description(name, public).read_text(encoding="utf-8").replace("\t", " ")
    found: dict[str, Any] = yaml.load(text, _Plain)  # noqa: S506 - is safe
    return found


def usable(name: str, folder: Path, public: str = "", *, said: dict[str, Any] | None = None) -> Path:
    """A description that Prism can use: no date where there must be text, and each value once.

    said: what it says, if not what is in the file of this name.
    """
    copy = folder / f"{name}.json"
    copy.write_text(json.dumps(_usable(said or read(name, public))), encoding="utf-8")
    return copy


def cut(said: dict[str, Any], paths: Mapping[str, str]) -> dict[str, Any]:
    """Of a large description some paths, by other names, and whatever they refer to."""
    kept: dict[str, Any] = {"paths": {name: said["paths"][path] for path, name in paths.items()}}
    missing = _references(kept)
    while missing:
        for kind, name in missing:
            kept.setdefault("components", {}).setdefault(kind, {})[name] = said["components"][kind][name]
        known = {(kind, name) for kind, named in kept["components"].items() for name in named}
        missing = _references(kept) - known
    return {name: said[name] for name in ("openapi", "info", "servers") if name in said} | kept


def _references(node: Any) -> set[tuple[str, str]]:
    """Kind and name of each component that is referred to."""
    match node:
        case {"$ref": str(place)}:
            kind, name = place.removeprefix("#/components/").split("/")
            return {(kind, name)}
        case dict():
            return {each for value in node.values() for each in _references(value)}
        case list():
            return {each for value in node for each in _references(value)}
        case _:
            return set()


@asynccontextmanager
async def watched(prism: Path, path: Path, upstream: str) -> AsyncIterator[str]:
    """The address of a Prism that hands on to a server and notes where either side departs from a description.

    Fails at its end where Prism passed over a body, since it could not use the schema.
    """
    command = (
        str(NODE),
        "--require",
        str(TELLING),
        str(prism),
        "proxy",
        "-h",
        "127.0.0.1",
        "-p",
        "0",
        str(path),
        upstream,
    )
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    errors = asyncio.create_task(process.stderr.read())
    reading: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            line = b""
            while LISTENING not in line:
                line = await process.stdout.readline()
                assert line, (await errors).decode()
        reading = asyncio.create_task(process.stdout.read())  # what it says later must not fill its pipe
        yield line.partition(LISTENING)[2].strip().decode()
    finally:
        process.kill()
        await process.wait()
        said = (await errors).decode()
        if reading is not None:
            await reading
    passed_over = {line for line in said.splitlines() if line.startswith(PASSED_OVER)}
    assert passed_over == set(), f"Prism cannot use schemas of {path.name}: {passed_over}"


Asked: TypeAlias = tuple[str, str]
"""Method and path of a request, ids left out."""


class Noting(httpx.AsyncHTTPTransport):
    """Keeps what Prism objects to. ids: parts of paths that are left out."""

    def __init__(self, ids: re.Pattern[str] = ID) -> None:
        super().__init__()
        self._ids = ids
        self.asked: set[Asked] = set()
        self.objections: dict[tuple[str, str, str], str] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        path = "/".join("ID" if self._ids.fullmatch(part) else part for part in request.url.path.split("/"))
        where = (request.method, path)
        self.asked.add(where)
        for place, said in OBJECTION.findall(response.headers.get("sl-violations", "")):
            spot = "/".join("*" if part.isdigit() else part for part in json.loads(place))
            self.objections.setdefault((*where, spot), said)
        return response

    async def reads(self, site: str, wrong: Mapping[Asked, object], number: str = "0") -> set[Asked]:
        """Where Prism objects to a body that is wrong: it passes over those whose schemas it cannot use.

        site: where requests go. number: written for ID. Neither these requests nor what is said of them is kept.
        """
        asked, objections, read = set(self.asked), dict(self.objections), set[Asked]()
        for (method, path), body in wrong.items():
            self.objections.clear()
            address = f"{site}{path.replace('ID', number)}"
            response = await self.handle_async_request(httpx.Request(method, address, json=body))
            await response.aclose()
            if any(spot.startswith("request/body") for _, _, spot in self.objections):
                read.add((method, path))
        self.asked, self.objections = asked, objections
        return read


class Sorting(Noting):
    """The same, where one system is described by several files: each path goes to the Prism of its description."""

    def __init__(self, homes: list[tuple[str, str, str]], ids: re.Pattern[str] = ID) -> None:
        super().__init__(ids)
        self._homes = homes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        home, cut = next((home, cut) for start, cut, home in self._homes if path.startswith(start))
        request.url = httpx.URL(home + path.removeprefix(cut))
        request.headers["host"] = request.url.netloc.decode()
        return await super().handle_async_request(request)


class _Plain(_Loader):
    """Reads YAML as JSON knows it: a date stays text."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, form) for tag, form in found if tag != "tag:yaml.org,2002:timestamp"]
        for first, found in _Loader.yaml_implicit_resolvers.items()
    }


def _usable(node: Any) -> Any:
    """Values once in each `enum`; null not at all where `nullable` says it, for Prism adds it, if there is a type."""
    match node:
        case {"nullable": True, **rest} if not isinstance(rest.get("type"), str):
            wanted = _usable(rest)
            return {"anyOf": [wanted, {"enum": [None]}]} if rest.keys() - {"description", "title"} else wanted
        case {"enum": [*values], **rest}:
            kept = [each for number, each in enumerate(values) if each not in values[:number]]
            if rest.get("nullable") is True:
                kept = [each for each in kept if each is not None]
            return {**{name: _usable(each) for name, each in rest.items()}, "enum": kept}
        case {"pattern": str(pattern), **rest}:
            return {
                **{name: _usable(each) for name, each in rest.items()},
                "pattern": ESCAPED_QUOTE.sub(r"\1", pattern),
            }
        case dict():
            return {name: _usable(each) for name, each in node.items()}
        case list():
            return [_usable(each) for each in node]
        case _:
            return node
