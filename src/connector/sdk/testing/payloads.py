"""Where the golden payloads come from: `SOURCES.md` in their folder, a table with a row for each of them.

    | payload | kind | source | changed |
    | --- | --- | --- | --- |
    | tickets.json | recorded | Acme Desk 4.2.1, started from its image: `GET /api/tickets` | names; cut to two |
    | webhook.json | example | https://acme.example/docs/webhooks, read in May 2026 | nothing |

`NAME.expected.json` is the author's own and has no row. Text around the table is free.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, assert_never

from connector.sdk.testing.bench import require

SOURCES: Final = "SOURCES.md"
"""Name of the file, in the folder of the payloads."""
HEAD: Final = ("payload", "kind", "source", "changed")
"""The table's columns."""

_ADDRESS: Final = re.compile(r"https?://[\w-]+(\.[\w-]+)+")
_VERSION: Final = re.compile(r"\b\d+(\.\d+)+")
_LINK: Final = re.compile(r"\]\(([^)#:]+)(#[^)]*)?\)")
_BAR: Final = re.compile(r"(?<!\\)\|")


class PayloadKind(StrEnum):
    """How near a payload is to the system."""

    RECORDED = "recorded"
    """A running system once said it: the vendor's published recording, or a server that was started for it."""
    EXAMPLE = "example"
    """The vendor's own published example."""
    WRITTEN = "written"
    """Written after the vendor's documentation or source code: no system is known to have said it."""
    OWN = "own"
    """The adapter itself says what the format is, no vendor does."""


@dataclass(frozen=True, slots=True)
class PayloadSource:
    """A row of `SOURCES.md`. changed: what differs from the source, as names that were replaced; or `nothing`."""

    payload: str
    kind: PayloadKind
    source: str
    changed: str


def payloads_in(folder: Path) -> list[Path]:
    """The payloads of a folder by name, without what is expected of them and without `SOURCES.md`."""
    files = (path for path in folder.glob("*") if path.is_file() and path.name != SOURCES)
    return sorted(path for path in files if ".expected." not in path.name)


def payload_sources(folder: Path) -> list[PayloadSource]:
    """The rows of a folder's `SOURCES.md`, in its order.

    Raises Broken when it is missing, has no such table, a row of another form, or a source that cannot be found by
    what it says.
    """
    path = folder / SOURCES
    require(path.is_file(), f"there is no {SOURCES} in {folder.name!r}: say where each payload comes from")
    rows = [_cells(line) for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    require(
        len(rows) > 1 and tuple(rows[0]) == HEAD,
        f"{SOURCES} has no table | {' | '.join(HEAD)} |: write one, with a row for each payload",
    )
    return [_source(folder, row) for row in rows[2:]]


def require_sources(folder: Path) -> None:
    """Each payload has one row, each row has its payload, and each source can be found. Raises Broken."""
    named = [source.payload for source in payload_sources(folder)]
    there = [path.name for path in payloads_in(folder)]
    for name in there:
        require(name in named, f"{name} has no row in {SOURCES}: say where it comes from")
        require(named.count(name) == 1, f"{name} has {named.count(name)} rows in {SOURCES}: leave one")
    for name in named:
        require(name in there, f"{SOURCES} names {name!r}, which is not beside it: take the row out")


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in _BAR.split(line.strip().strip("|"))]


def _source(folder: Path, row: list[str]) -> PayloadSource:
    require(
        len(row) == len(HEAD) and all(row),
        f"{SOURCES} has a row {' | '.join(row)!r}: give {', '.join(HEAD)}; where nothing was changed, say so",
    )
    payload, kind, source, changed = row
    kinds = {str(each): each for each in PayloadKind}
    require(kind in kinds, f"{SOURCES} says that {payload} is {kind!r}: choose one of {', '.join(kinds)}")
    for missing in _missing(folder, kinds[kind], source):
        require(False, f"{SOURCES} says of {payload}, which is {kind}, {source!r}: {missing}")
    return PayloadSource(payload.strip("`"), kinds[kind], source, changed)


def _missing(folder: Path, kind: PayloadKind, source: str) -> Iterator[str]:
    """What a reader needs to find the source, and is not told."""
    match kind:
        case PayloadKind.RECORDED:
            if not _ADDRESS.search(source) and not _VERSION.search(source):
                yield "give the address where it is published, or name product and version of the server that said it"
        case PayloadKind.EXAMPLE | PayloadKind.WRITTEN:
            if not _ADDRESS.search(source):
                yield "give the address of the vendor's description"
        case PayloadKind.OWN:
            if not any((folder / link[0]).is_file() for link in _LINK.findall(source)):
                yield "link the file of the package that describes the format, as [README](../README.md)"
        case _:
            assert_never(kind)
