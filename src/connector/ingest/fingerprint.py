"""By what two plans are told to do the same, whenever and in whatever order they do it.

Left out is what is different each time without meaning anything: when it is done, and the numbers that the hub would
give to what is new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final

import orjson

UNTOLD: Final = frozenset({"created_at", "updated_at", "retired_at"})
"""Columns that say when the hub did what the operation says anyway."""
_BITS: Final = 256


def mark_of(line: Mapping[str, Any], at: str) -> int:
    """A number for a line of a plan, the same for lines that mean the same. at: when the plan was made, as in the log.

    line: as `connector.ingest.rehearsal.Plan` writes it.
    """
    what, found = next(iter(line.items()))
    if what == "Foreseen":
        fields = {
            name: [_told(name, value, at) for value in pair]
            for name, pair in found["fields"].items()
            if name not in UNTOLD
        }
        found = [found["kind"], found["operation"], found["external_ids"] or found["name"], fields]
    return int.from_bytes(sha256(orjson.dumps([what, found], option=orjson.OPT_SORT_KEYS)).digest())


def fingerprint_of(marks: Iterable[int]) -> str:
    """Of a plan with lines of these marks, in any order."""
    return f"{sum(marks) % 2**_BITS:064x}"


def difference(planned: Iterable[int], found: Iterable[int]) -> tuple[int, int]:
    """How many lines were not planned, and how many that were planned are not found."""
    counts = Counter(found)
    counts.subtract(Counter(planned))
    return sum((+counts).values()), sum((-counts).values())


def _told(name: str, value: Any, at: str) -> Any:
    if name.endswith("_id") and isinstance(value, int):
        return "a thing without a name"
    return "now" if value == at else value
