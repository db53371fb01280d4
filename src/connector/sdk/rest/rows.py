"""Rows of REST lists, kept as they were sent and read only as far as they are looked at.

Most rows of a long list say nothing new. To know that, a few of their fields are enough, and the rest is never made
into objects.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias, TypeVar

import httpx
import msgspec
import orjson

from connector.model.errors import InvalidRecord
from connector.model.refs import SourceRef
from connector.sdk.adapter import Rejected
from connector.sdk.client import SourceClient
from connector.sdk.errors import UnexpectedResponse

T = TypeVar("T")

Row: TypeAlias = Mapping[str, object]
"""One object as the system shows it."""


class SentRow(Mapping[str, object]):
    """An object as it was sent; its fields are read when one of them is first asked for. raw: its JSON, in UTF-8.

    also: further fields, for a system that calls `id` and `last_updated` otherwise; they are no part of `raw`.
    """

    __slots__ = ("_also", "_fields", "raw")

    def __init__(self, raw: bytes, also: Mapping[str, object] | None = None) -> None:
        self.raw = raw
        self._also = also
        self._fields: dict[str, object] | None = None

    def _read(self) -> dict[str, object]:
        if self._fields is None:
            try:
                self._fields = orjson.loads(self.raw)
            except orjson.JSONDecodeError:  # a number beyond floating point, which the standard library takes
                self._fields = json.loads(self.raw)
            if self._also:
                self._fields = {**self._fields, **self._also}
        return self._fields

    def __getitem__(self, name: str) -> object:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def get(self, name: str, default: T | None = None) -> object | T | None:
        """A field, or the default."""
        return self._read().get(name, default)


class Page(NamedTuple):
    """Rows of one answer. total: of all that fit, None where the system did not count."""

    rows: list[SentRow]
    is_last: bool
    total: int | None


class _Page(msgspec.Struct):
    results: list[msgspec.Raw]
    next: str | None = None
    count: int | None = None


_pages = msgspec.json.Decoder(_Page)


def read_page(content: bytes) -> Page:
    """The rows of a page `{"count", "next", "results"}`, and whether it is the last.

    Raises ValueError for what is not JSON in UTF-8, TypeError for JSON that is no page of objects.
    """
    content.decode()  # the reader of pages looks at what is between the quotes only when it is asked for it
    try:
        page = _pages.decode(content)
    except msgspec.ValidationError as error:
        raise TypeError(str(error)) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    rows = [bytes(raw) for raw in page.results]
    if not all(raw.startswith(b"{") for raw in rows):
        raise TypeError("an element of `results` is no object")
    return Page([SentRow(raw) for raw in rows], page.next is None, page.count)


def answered_page(http: SourceClient, response: httpx.Response, *, path: str, operation: str, system: str) -> Page:
    """The page in an answer. system: what people call it. Raises UnexpectedResponse for anything else."""
    try:
        return read_page(response.content)
    except ValueError as error:
        http.json(response, operation=operation)
        raise UnexpectedResponse(
            f"{operation}: the answer of {path!r} cannot be read: {error}", operation=operation
        ) from error
    except TypeError as error:
        raise UnexpectedResponse(
            f"{operation}: the answer of {path!r} holds no list `results` of objects: {error}",
            operation=operation,
            hint=f"Check that base_url is the address of {system} itself.",
        ) from error


def made(
    rows: Sequence[SentRow], make: Callable[[Row], T | None], ref: Callable[[str], SourceRef | None]
) -> tuple[list[T], list[Rejected]]:
    """What is made of each row, and the rows of which nothing could be made; None is left out.

    ref: what a row with this id is called; None where it is of nothing that has a name here.
    """
    found: list[T] = []
    rejected: list[Rejected] = []
    for row in rows:
        try:
            item = named(row, make)
        except InvalidRecord as error:
            external_id = row_id(row)
            named_by = ref(external_id) if external_id else None
            rejected.append(Rejected(ref=named_by, raw=row.raw, reason=str(error), path=error.path))
        else:
            if item is not None:
                found.append(item)
    return found, rejected


def named(row: Row, make: Callable[[Row], T]) -> T:
    """What is made of a row; an error says of which. Raises InvalidRecord."""
    try:
        return make(row)
    except InvalidRecord as error:
        name = row.get("display") or row.get("id")
        raise InvalidRecord(
            f"{row.get('object_type', 'object')} {name!r}: {error.message}", path=error.path, hint=error.hint
        ) from error


def row_id(row: Row) -> str | None:
    """A row's identifier, a text or a whole number over there; None when it has none that can be read."""
    value = row.get("id")
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None
