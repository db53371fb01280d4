"""The hubs of a long list as they are recorded: the steps from one id to the next, packed.

A product that every hub has leaves thousands of shelves that lost for the same reason. Written out they would be most
of the record, and most of what a decision about it costs the database.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from itertools import accumulate
from operator import sub
from typing import Any, Final
from zlib import compress, decompress

FEW: Final = 100
"""Up to so many are written out, which people can read in the database, too."""
_LARGEST_STEP: Final = 255
_FAST: Final = 1


def recorded_hubs(hubs: Sequence[int]) -> Any:
    """Ids as a JSON value; of many of them the order is that of the ids."""
    if len(hubs) <= FEW:
        return hubs
    ascending = sorted(hubs)
    steps = list(map(sub, ascending[1:], ascending))
    if max(steps) > _LARGEST_STEP:
        return hubs
    return {"first": ascending[0], "steps": b64encode(compress(bytes(steps), _FAST)).decode()}


def hubs_of(recorded: Any) -> Sequence[int]:
    """The ids again."""
    if not isinstance(recorded, dict):
        hubs: Sequence[int] = recorded
        return hubs
    return [*accumulate(decompress(b64decode(recorded["steps"])), initial=recorded["first"])]
