"""Counting, as cheaply as that goes: what a scrape makes of it is worked out when somebody asks (`api.metrics`)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from connector.telemetry.metrics import BUCKETS, Metric

MOST_SERIES: Final = 500
"""Of one metric; what would be more is counted together."""
OTHER: Final = "other"

Labels: TypeAlias = tuple[str, ...]
Counts: TypeAlias = dict[Labels, float]


@dataclass(slots=True)
class Spread:
    """How long something took. buckets: how often up to each of `BUCKETS`, and then longer; total_s: in all."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total_s: float = 0.0

    def add(self, other: Spread) -> None:
        """Take another one in."""
        self.buckets = [mine + theirs for mine, theirs in zip(self.buckets, other.buckets, strict=True)]
        self.total_s += other.total_s


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted: metric -> labels -> how often, or how much there is now, or how long it took."""

    counts: dict[str, Counts] = field(default_factory=dict)
    levels: dict[str, Counts] = field(default_factory=dict)
    spreads: dict[str, dict[Labels, Spread]] = field(default_factory=dict)

    def add(self, other: Counted, *, levels: bool = True) -> None:
        """Take in what was counted elsewhere. levels: whether how much there is counts, too."""
        for ours, theirs in ((self.counts, other.counts), (self.levels, other.levels if levels else {})):
            for name, series in theirs.items():
                into = ours.setdefault(name, {})
                for labels, number in series.items():
                    into[labels] = into.get(labels, 0.0) + number
        for name, spreads in other.spreads.items():
            found = self.spreads.setdefault(name, {})
            for labels, spread in spreads.items():
                found.setdefault(labels, Spread()).add(spread)

    def plain(self) -> dict[str, Any]:
        """As JSON has it; `from_plain` reads it."""
        return {
            "counts": {name: [[*labels, n] for labels, n in series.items()] for name, series in self.counts.items()},
            "levels": {name: [[*labels, n] for labels, n in series.items()] for name, series in self.levels.items()},
            "spreads": {
                name: [[*labels, item.buckets, item.total_s] for labels, item in series.items()]
                for name, series in self.spreads.items()
            },
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Counted:
        """What `plain` wrote."""

        def series(key: str) -> dict[str, Counts]:
            return {name: {tuple(row[:-1]): row[-1] for row in rows} for name, rows in plain[key].items()}

        spreads = {
            name: {tuple(row[:-2]): Spread(row[-2], row[-1]) for row in rows} for name, rows in plain["spreads"].items()
        }
        return cls(series("counts"), series("levels"), spreads)


class Tally:
    """Counts of one process. Whoever counts names one of `connector.telemetry.metrics` and its labels, in order."""

    def __init__(self) -> None:
        self._counts: dict[Metric, Counts] = {}
        self._spreads: dict[Metric, dict[Labels, Spread]] = {}
        self._asked: dict[Metric, Callable[[], float]] = {}

    def count(self, metric: Metric, *labels: str, by: float = 1.0) -> None:
        """It happened once more, or `by` more."""
        series = self._counts.get(metric)
        if series is None:
            series = self._counts[metric] = {}
        if labels in series:
            series[labels] += by
        else:
            labels = _bounded(series, labels)
            series[labels] = series.get(labels, 0.0) + by

    def took(self, metric: Metric, seconds: float, *labels: str) -> None:
        """It took so long."""
        series = self._spreads.get(metric)
        if series is None:
            series = self._spreads[metric] = {}
        spread = series.get(labels)
        if spread is None:
            spread = series.setdefault(_bounded(series, labels), Spread())
        spread.buckets[bisect_left(BUCKETS, seconds)] += 1
        spread.total_s += seconds

    def ask(self, metric: Metric, ask: Callable[[], float]) -> None:
        """How much of it there is, or was up to now, is asked of `ask` when somebody wants to know."""
        self._asked[metric] = ask

    def counted(self) -> Counted:
        """All of it up to now."""
        asked: list[dict[str, Counts]] = [
            {metric.name: {(): ask()} for metric, ask in self._asked.items() if (metric.kind == "gauge") is is_level}
            for is_level in (False, True)
        ]
        return Counted(
            {metric.name: dict(series) for metric, series in self._counts.items()} | asked[0],
            asked[1],
            {
                metric.name: {labels: Spread(list(item.buckets), item.total_s) for labels, item in series.items()}
                for metric, series in self._spreads.items()
            },
        )


def _bounded(series: Mapping[Labels, object], labels: Labels) -> Labels:
    """The labels, or those of all that are too many."""
    return labels if len(series) < MOST_SERIES else (OTHER,) * len(labels)
