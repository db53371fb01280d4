"""What a measure is: a ratio against a named baseline of the same run, and what it must be."""

from __future__ import annotations

from collections.abc import Mapping
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
