"""What a measure is: a ratio against a named baseline of the same run, and what it must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """ratio >= required is success. figures: what was observed, for people, with units in the names."""

    name: str
    ratio: float
    required: float
    figures: Mapping[str, float | int | str]

    @property
    def ok(self) -> bool:
        """Whether the measure is met."""
        return self.ratio >= self.required


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies."""
    return sorted(values)[int(len(values) * share)]
