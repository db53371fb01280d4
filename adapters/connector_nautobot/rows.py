"""Rows of Nautobot's lists, kept as they were sent and read only as far as they are looked at.

Most rows of a long list say nothing new. To know that, four of their fields are enough, and the rest is never made
into objects.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, TypeAlias, TypeVar

import msgspec
import orjson

T = TypeVar("T")

Row: TypeAlias = Mapping[str, object]
"""One object as Nautobot shows it."""


class SentRow(Mapping[str, object]):
    """An object as it was sent; its fields are read when one of them is first asked for. raw: its JSON, in UTF-8."""

    __slots__ = ("_fields", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._fields: dict[str, object] | None = None

    def _read(self) -> dict[str, object]:
        if self._fields is None:
            try:
                self._fields = orjson.loads(self.raw)
            except orjson.JSONDecodeError:  # a number beyond floating point, which the standard library takes
                self._fields = json.loads(self.raw)
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


class _Page(msgspec.Struct):
    results: list[msgspec.Raw]
    next: str | None = None


class Reference(msgspec.Struct, gc=False):
    """What a field points to."""

    id: str


class Glance(msgspec.Struct, gc=False):
    """What tells who a device is, when it changed (UTC), and what else its record depends on."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    last_updated: Annotated[datetime, msgspec.Meta(tz=True)]
    location: Reference
    status: Reference


_pages = msgspec.json.Decoder(_Page)
_glances = msgspec.json.Decoder(Glance)


def read_page(content: bytes) -> tuple[list[SentRow], bool]:
    """The rows of a page, and whether it is the last.

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
    return [SentRow(raw) for raw in rows], page.next is None


def glance(row: SentRow) -> Glance | None:
    """What a device's row says at first sight; None for one that has to be read in full to say what is wrong."""
    try:
        seen = _glances.decode(row.raw)
        seen.last_updated = seen.last_updated.astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        return None
    return seen
