"""When lines that are short may get their units: from what is on order for their rollout. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

_UNKNOWN = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Supply:
    """Units that come to a hub and nobody else has a claim on. what: the order, for people; hub: its label.

    expected_at: None when nobody says when they come.
    """

    what: str
    hub: str
    units: int
    expected_at: datetime | None


@dataclass(frozen=True, slots=True)
class Short:
    """A line that cannot be served, and why, for people.

    lacks_units: whether units would help. expected_at: when those come that it may get; None when nothing says so.
    """

    line_id: int
    reason: str
    quantity: int = 1
    lacks_units: bool = True
    expected_at: datetime | None = None


def expecting(short: Iterable[Short], supplies: Iterable[Supply]) -> tuple[Short, ...]:
    """The lines with when they may get units: in their order, each from the first supply that has enough left."""
    coming = sorted(supplies, key=_order)
    left = [supply.units for supply in coming]
    return tuple(_expecting(line, coming, left) if line.lacks_units else line for line in short)


def _expecting(line: Short, coming: Sequence[Supply], left: list[int]) -> Short:
    place = next((place for place, units in enumerate(left) if units >= line.quantity), None)
    if place is None:
        text = "nothing more is on order for the rollout" if coming else "nothing is on order for the rollout"
        return replace(line, reason=f"{line.reason}; {text}")
    supply = coming[place]
    left[place] -= line.quantity
    when = "nobody says when" if supply.expected_at is None else f"{supply.expected_at:%Y-%m-%d %H:%M}Z"
    text = f"{supply.units} come to {supply.hub} by {supply.what}: {when}"
    return replace(line, reason=f"{line.reason}; {text}", expected_at=supply.expected_at)


def _order(supply: Supply) -> tuple[datetime, str, str]:
    return supply.expected_at or _UNKNOWN, supply.hub, supply.what
