"""What the Nautobot sandbox holds: objects by type, sorted by their time, in memory and, if wanted, in a file."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeAlias

import orjson

Fields: TypeAlias = dict[str, Any]
"""Own fields of an object; references are ids, times are microseconds since 1970."""


@dataclass(slots=True)
class Table:
    """Objects of one type. index: (time, id) in order, for pages that are cheap at any depth."""

    order: str
    rows: dict[str, Fields] = field(default_factory=dict)
    index: list[tuple[int, str]] = field(default_factory=list)

    def put(self, row: Fields) -> None:
        """Add or replace an object."""
        self.drop(row["id"])
        self.rows[row["id"]] = row
        entry = (row[self.order], row["id"])
        if not self.index or entry > self.index[-1]:
            self.index.append(entry)
        else:
            insort(self.index, entry)

    def drop(self, external_id: str) -> Fields | None:
        """Remove an object, if it is there."""
        row = self.rows.pop(external_id, None)
        if row is not None:
            del self.index[bisect_left(self.index, (row[self.order], external_id))]
        return row

    def since(self, at: int) -> int:
        """Index of the first object that is not older than `at`."""
        return bisect_left(self.index, (at, ""))


class Store:
    """All tables by content type. journal: file in which every change is kept; read again at the start."""

    def __init__(self, types: tuple[str, ...], *, journal: Path | None = None) -> None:
        self.tables = {name: Table("time" if name == "extras.objectchange" else "last_updated") for name in types}
        self._journal: IO[bytes] | None = None
        if journal is not None:
            self._resume(journal)

    def put(self, content_type: str, row: Fields) -> None:
        """Add or replace an object."""
        self.tables[content_type].put(row)
        self._write({"put": content_type, "row": row})

    def drop(self, content_type: str, external_id: str) -> Fields | None:
        """Remove an object, if it is there."""
        row = self.tables[content_type].drop(external_id)
        self._write({"drop": content_type, "id": external_id})
        return row

    def find(self, external_id: str) -> tuple[str, Fields] | None:
        """An object of any type, with its content type."""
        for content_type, table in self.tables.items():
            if external_id in table.rows:
                return content_type, table.rows[external_id]
        return None

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        if self._journal is not None:
            self._journal.flush()

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _write(self, entry: Fields) -> None:
        if self._journal is not None:
            self._journal.write(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))

    def _resume(self, path: Path) -> None:
        """Read the journal, and write it anew without what was overwritten; a line cut off by a crash is left out."""
        if path.exists():
            for entry in _entries(path):
                table = self.tables.get(entry.get("put") or entry.get("drop", ""))
                if table is not None and "row" in entry:
                    table.put(entry["row"])
                elif table is not None:
                    table.drop(entry["id"])
        fresh = path.with_name(f"{path.name}.new")
        with fresh.open("wb") as out:
            for name, table in self.tables.items():
                for row in table.rows.values():
                    out.write(orjson.dumps({"put": name, "row": row}, option=orjson.OPT_APPEND_NEWLINE))
        fresh.replace(path)
        self._journal = path.open("ab")


def _entries(path: Path) -> Iterator[Fields]:
    with path.open("rb") as lines:
        for line in lines:
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError:
                return
