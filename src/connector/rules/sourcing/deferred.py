"""Sequences and mappings that are made when somebody looks at them.

A decision explains itself in full to whoever keeps or shows it; whoever only acts on it does not pay for the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar, overload

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


class Deferred(Sequence[T], Generic[T]):
    """Equal to a tuple of the same items. make: makes them, once, from facts that must not change."""

    __slots__ = ("_items", "_make")

    def __init__(self, make: Callable[[], Iterable[T]]) -> None:
        self._make = make
        self._items: tuple[T, ...] | None = None

    @property
    def _all(self) -> tuple[T, ...]:
        if self._items is None:
            self._items = tuple(self._make())
        return self._items

    def __len__(self) -> int:
        return len(self._all)

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[T, ...]: ...

    def __getitem__(self, place: int | slice) -> T | tuple[T, ...]:
        """The item at a place."""
        return self._all[place]

    def __iter__(self) -> Iterator[T]:
        return iter(self._all)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._all == tuple(other)

    def __hash__(self) -> int:
        return hash(self._all)

    def __repr__(self) -> str:
        return repr(self._all)


class DeferredMapping(Mapping[K, V], Generic[K, V]):
    """Equal to a dict of the same entries, which are made when somebody looks at one, once."""

    __slots__ = ("_entries", "_make")

    def __init__(self, make: Callable[[], Mapping[K, V]]) -> None:
        self._make = make
        self._entries: Mapping[K, V] | None = None

    @property
    def _all(self) -> Mapping[K, V]:
        if self._entries is None:
            self._entries = self._make()
        return self._entries

    def __getitem__(self, name: K) -> V:
        return self._all[name]

    def __iter__(self) -> Iterator[K]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __repr__(self) -> str:
        return repr(self._all)


def entries(mapping: Mapping[K, V]) -> dict[K, V]:
    """The entries of a mapping, of a deferred one without asking for each."""
    return dict(mapping._all if isinstance(mapping, DeferredMapping) else mapping)
