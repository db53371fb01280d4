"""Answers of a sandbox, distorted as those of real systems are: cut, emptied, repeated, wrong somewhere."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import httpx

from connector.sdk.testing.faults import Fault, Forward

ROWS_WANTED: Final = re.compile(r"(limit|per_?page|page_?size|size\]|max_?results|\$top)$", re.IGNORECASE)
"""Names by which requests say how many rows they want."""
WRONG_VALUES: Final[tuple[Any, ...]] = (
    None, 0, -1.5, "", "x", [], {}, [None], {"id": None}, True, "2026-13-45T99:99:99Z", "2026-03-01T09:00:00",
    "half \ud83d",
)  # fmt: skip
DEEPEST_LIST: Final = 3
"""Objects around the list of rows, at most."""

Spot: TypeAlias = tuple[str | int, ...]


class EndlessError(Exception):
    """A system was asked more often than any pull would."""


@dataclass
class Cap:
    """Cuts every page. times: how often a request wanted more."""

    most: int
    times: int = 0
    fault: Fault = field(init=False)

    def __post_init__(self) -> None:
        self.fault = Fault("shorter pages", self._act)

    async def _act(self, request: httpx.Request, forward: Forward) -> httpx.Response:
        content = await request.aread()
        pairs = [(name, self._cut(name, value)) for name, value in request.url.params.multi_items()]
        url = request.url.copy_with(params=pairs) if pairs else request.url
        try:
            body = json.loads(content) if content else None
        except ValueError:
            body = None
        if isinstance(body, dict):
            content = json.dumps({name: self._cut(name, value) for name, value in body.items()}).encode()
        headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"content-length"]
        return await forward(
            httpx.Request(request.method, url, headers=headers, content=content, extensions=request.extensions)
        )

    def _cut(self, name: str, value: Any) -> Any:
        text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
        if not ROWS_WANTED.search(name) or not (text.isascii() and text.isdecimal()) or int(text) <= self.most:
            return value
        self.times += 1
        return type(value)(self.most)


def capped(most: int) -> Cap:
    """A system that gives no more rows a page than this, whatever it is asked for."""
    return Cap(most)


@dataclass
class Emptied:
    """Takes the rows out of an answer and leaves the rest. times: how often. most: rows taken. body: as it came."""

    times: int = 0
    most: int = 0
    body: bytes = b""

    @property
    def fault(self) -> Fault:
        """The longest list of the answer becomes empty."""

        def empty(content: bytes) -> bytes:
            try:
                document = json.loads(content)
            except ValueError:
                return content
            rows = _rows(document)
            if rows is None:
                return content
            length, spot = rows
            self.times, self.most = self.times + 1, max(self.most, length)
            return json.dumps(replaced(document, spot, [])).encode()

        return Fault("an empty page", _answering(empty))

    @property
    def kept(self) -> Fault:
        """The answer passes as it is, and its body is kept."""

        def keep(content: bytes) -> bytes:
            self.body = content
            return content

        return Fault("nothing", _answering(keep))


def emptied() -> Emptied:
    """A system that gives a page without rows."""
    return Emptied()


def same_again(most: int) -> Fault:
    """The first answer of each path is given for ever. Raises EndlessError at the request beyond `most`."""
    first: dict[str, httpx.Response] = {}
    asked = 0

    async def act(request: httpx.Request, forward: Forward) -> httpx.Response:
        nonlocal asked
        asked += 1
        if asked > most:
            raise EndlessError
        if request.url.path not in first:
            first[request.url.path] = await forward(request)
            await first[request.url.path].aread()
        kept = first[request.url.path]
        return httpx.Response(kept.status_code, headers=kept.headers, content=kept.content)

    return Fault("the same page for ever", act)


def with_body(content: bytes) -> Fault:
    """The system answers as it does, with another body."""
    return Fault("another body", _answering(lambda _: content))


def mutations(content: bytes, most: int) -> Iterator[tuple[str, bytes]]:
    """What is wrong, and the body with it: one value of a JSON document replaced or left out; the same each time."""
    try:
        document = json.loads(content)
    except ValueError:
        return
    dice = random.Random(55)  # noqa: S311 - the same choice each time, protects nothing
    places = list(spots(document))
    dice.shuffle(places)
    each = max(2, most // max(1, len(places)))
    count = 0
    for spot in places:
        path = "/" + "/".join(map(str, spot))
        for value in (None, *dice.sample(WRONG_VALUES[1:], min(each, len(WRONG_VALUES) - 1))):
            count += 1
            yield f"{path} is {value!r}", json.dumps(replaced(document, spot, value)).encode()
        yield f"{path} is missing", json.dumps(removed(document, spot)).encode()
        if count >= most:
            return


def spots(document: Any, path: Spot = ()) -> Iterator[Spot]:
    """Paths of all values in a JSON document but itself."""
    if path:
        yield path
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        yield from spots(value, (*path, key))


def replaced(document: Any, spot: Spot, value: object) -> Any:
    """The document with another value in one place."""
    if not spot:
        return value
    copy: Any = document.copy()
    copy[spot[0]] = replaced(document[spot[0]], spot[1:], value)
    return copy


def removed(document: Any, spot: Spot) -> Any:
    """The document without what is in one place."""
    copy: Any = document.copy()
    if len(spot) == 1:
        del copy[spot[0]]
    else:
        copy[spot[0]] = removed(document[spot[0]], spot[1:])
    return copy


def _rows(document: Any, path: Spot = ()) -> tuple[int, Spot] | None:
    """Length and place of the longest list of objects or lists, not far below the top."""
    if isinstance(document, list):
        return (len(document), path) if document and all(isinstance(row, dict | list) for row in document) else None
    if not isinstance(document, dict) or len(path) >= DEEPEST_LIST:
        return None
    found = [rows for name, value in document.items() if (rows := _rows(value, (*path, name))) is not None]
    return max(found, default=None)


def _answering(change: Callable[[bytes], bytes]) -> Callable[[httpx.Request, Forward], Any]:
    async def act(request: httpx.Request, forward: Forward) -> httpx.Response:
        response = await forward(request)
        body = change(await response.aread())
        headers = [(name, value) for name, value in response.headers.raw if name.lower() != b"content-length"]
        return httpx.Response(response.status_code, headers=headers, content=body)

    return act
