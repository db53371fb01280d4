"""The hubs of a long list as they are recorded: a bit for each id between the first and the last.

A product that every hub has leaves thousands of shelves that lost for the same reason. Written out they would be most
of the record, and most of what a decision about it costs the database.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from typing import Any, Final

FEW: Final = 100
"""Up to so many are written out, which people can read in the database, too."""
_MOST_TIMES: Final = 8
"""How often an id may be listed: once per shelf of its hub."""
_SPARSE: Final = 24
"""Ids between the first and the last, per id that is listed, from which on it is shorter to write them out."""
_ONES: Final = tuple(bytes(48 + (times >= wanted) for times in range(256)) for wanted in range(1, _MOST_TIMES + 1))
"""Digits: by how often an id must be listed, and how often it is, whether that is enough."""


def recorded_hubs(hubs: Sequence[int]) -> Any:
    """Ids as a JSON value; of many of them the order is that of the ids.

    `first`: the lowest one. `bits`, in Base64, highest id first: those that are listed, those that are listed twice,
    and so on.
    """
    if len(hubs) <= FEW:
        return hubs
    first, last = min(hubs), max(hubs)
    span = last - first + 1
    if span > _SPARSE * len(hubs):
        return hubs
    times = bytearray(span)
    try:
        for hub in hubs:
            times[last - hub] += 1
    except ValueError:  # more often than a byte can count
        return hubs
    most = max(times)
    if most > _MOST_TIMES:
        return hubs
    layers = (int(times.translate(ones), 2) for ones in _ONES[:most])
    return {"first": first, "bits": [b64encode(bits.to_bytes(-(-span // 8), "big")).decode() for bits in layers]}


def hubs_of(recorded: Any) -> Sequence[int]:
    """The ids again."""
    if not isinstance(recorded, dict):
        hubs: Sequence[int] = recorded
        return hubs
    return sorted(hub for layer in recorded["bits"] for hub in _listed(recorded["first"], layer))


def _listed(first: int, layer: str) -> Iterator[int]:
    digits = f"{int.from_bytes(b64decode(layer), 'big'):b}"
    return (first + place for place, digit in enumerate(reversed(digits)) if digit == "1")
