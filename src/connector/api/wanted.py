"""Which readers of the feed want which change: looked up, not searched for.

A reader is found by the kind of the change and by one column of what it is narrowed to; so a change costs as much as
there are readers that it may concern, whatever the number of the others.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from connector.model.refs import EntityKind
from connector.storage.database.changes import LoggedChange

Only: TypeAlias = Mapping[str, int | str]
"""Column -> id that a thing must have there, or the state that it must have come to; nothing for every thing."""
Values: TypeAlias = Mapping[tuple[EntityKind, int], Mapping[str, object]]
"""Kind and id of a thing -> what stands in its columns."""

_ID: Final = "id"


class Reader:
    """Somebody who reads the feed. position: everything up to it is read, or waits in `pending`."""

    def __init__(self, kind: EntityKind, only: Only, position: int) -> None:
        self.kind = kind
        self.only = only
        self.position = position
        self.pending: deque[LoggedChange] = deque()
        self.news = asyncio.Event()

    @property
    def columns(self) -> frozenset[str]:
        """Columns that must be read to tell whether a change is wanted."""
        return frozenset(column for column in self.only if _is_of_the_thing(column))

    def wants(self, change: LoggedChange, values: Values) -> bool:
        """Whether the change is of its kind, and of a thing that it is narrowed to, as the thing is now.

        What state it came to is said by the change itself, so that whoever reads the log later is told the same.
        """
        if change.kind is not self.kind:
            return False
        row = values.get((change.kind, change.entity_id), {})
        return all(_found(change, row, column) == wanted for column, wanted in self.only.items())


class Wanted:
    """The readers that are to be told of changes."""

    def __init__(self) -> None:
        self._readers: dict[tuple[EntityKind, str | None, int | str], dict[Reader, None]] = {}
        self._narrowed: Counter[tuple[EntityKind, str]] = Counter()
        self._columns: Counter[tuple[EntityKind, str]] = Counter()

    def __len__(self) -> int:
        return sum(map(len, self._readers.values()))

    def __contains__(self, reader: Reader) -> bool:
        return reader in self._readers.get(_place(reader), {})

    def add(self, reader: Reader) -> None:
        """Tell it from now on."""
        place = _place(reader)
        self._readers.setdefault(place, {})[reader] = None
        self._columns.update((reader.kind, column) for column in reader.columns)
        if place[1] is not None:
            self._narrowed[reader.kind, place[1]] += 1

    def discard(self, reader: Reader) -> None:
        """Tell it no more."""
        if reader not in self:
            return
        place = _place(reader)
        del self._readers[place][reader]
        if not self._readers[place]:
            del self._readers[place]
        self._columns.subtract((reader.kind, column) for column in reader.columns)
        if place[1] is not None:
            self._narrowed[reader.kind, place[1]] -= 1

    def columns(self, kind: EntityKind) -> frozenset[str]:
        """Columns of things of this kind that must be read to tell who wants their changes."""
        return frozenset(column for (of, column), readers in self._columns.items() if of is kind and readers)

    def who(self, change: LoggedChange, values: Values) -> Iterator[Reader]:
        """The readers that want a change."""
        yield from self._readers.get((change.kind, None, 0), ())
        row = values.get((change.kind, change.entity_id), {})
        for (kind, column), readers in self._narrowed.items():
            if kind is change.kind and readers:
                key = _found(change, row, column)
                if isinstance(key, int | str):
                    for reader in self._readers.get((kind, column, key), ()):
                        if len(reader.only) == 1 or reader.wants(change, values):
                            yield reader


def _is_of_the_thing(column: str) -> bool:
    """Whether it is read of the thing; what else there is stands in the change."""
    return column.endswith("_id")


def _found(change: LoggedChange, row: Mapping[str, object], column: str) -> object:
    """What a change has in a column. row: what stands in columns of the thing."""
    if column == _ID:
        return change.entity_id
    if _is_of_the_thing(column):
        return row.get(column)
    _, came_to = change.fields.get(column, (None, None))
    return came_to


def _place(reader: Reader) -> tuple[EntityKind, str | None, int | str]:
    """Where a reader is kept: by its id if it follows one thing, else by the first of its columns, states last."""
    if not reader.only:
        return reader.kind, None, 0
    column = _ID if _ID in reader.only else min(reader.only, key=lambda name: (not _is_of_the_thing(name), name))
    return reader.kind, column, reader.only[column]
