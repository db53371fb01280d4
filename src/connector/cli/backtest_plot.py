"""The plot of a backtest; imported only when one is drawn, since matplotlib is an optional extra."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from connector.planning.backtest import Backtest
from connector.planning.measures import Day, Measures

WEEK = 7
"""Days over which attainment is taken together."""
MOST_REGIONS = 20
BAR = 0.4
"""Width of a bar, of the room that a region has."""


def draw(found: Backtest, path: Path) -> None:
    """SLA attainment (of each seven days), stock on hand over time, and attainment by region, for both policies; SVG.

    The same bytes each time. Of many regions those with the most tickets are drawn.
    """
    with mpl.rc_context({"svg.hashsalt": "connector", "svg.fonttype": "none", "axes.grid": True, "grid.alpha": 0.3}):
        figure = Figure(figsize=(10, 9.5), layout="constrained")
        attainment, stock, regions = figure.subplots(3, 1)
        stock.sharex(attainment)
        for replayed, name, style in ((found.against, "against", "--"), (found.new, "new", "-")):
            label = f"{name}: {replayed.policy_version}"
            days = [day.day for day in replayed.days]
            attainment.plot(days, _attainment(replayed.days), style, label=label, linewidth=1.5)
            stock.plot(days, [day.stock_units for day in replayed.days], style, label=label, linewidth=1.5)
        attainment.set(title="Restored in time, of seven days", ylabel="%", ylim=(-2, 102))
        stock.set(title="Stock on hand at the end of the day", ylabel="units")
        stock.set_ylim(bottom=0)
        for axes in (attainment, stock):
            dates = AutoDateLocator(maxticks=8, interval_multiples=False)  # type: ignore[no-untyped-call]
            axes.xaxis.set_major_locator(dates)
            axes.xaxis.set_major_formatter(ConciseDateFormatter(dates))  # type: ignore[no-untyped-call]
        attainment.legend(loc="best")
        _draw_regions(regions, found)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": "connector"})


def _draw_regions(axes: Axes, found: Backtest) -> None:
    """A pair of bars for each region: the share restored in time under either policy."""
    old, new = found.against.regions, found.new.regions
    busiest = sorted(old.keys() | new.keys(), key=lambda name: (-max(_tickets(old, name), _tickets(new, name)), name))
    names = sorted(busiest[:MOST_REGIONS])
    for replayed, name, shift in ((old, "against", -BAR / 2), (new, "new", BAR / 2)):
        shares = [_share(replayed, region) for region in names]
        places = [place + shift for place in range(len(names))]
        axes.bar(places, shares, BAR, label=name)
    axes.set(title="Restored in time, by region", ylabel="%", ylim=(0, 102))
    axes.set_xticks(range(len(names)), [region or "(none)" for region in names], rotation=30 if len(names) > 6 else 0)
    axes.legend(loc="best")


def _tickets(regions: Mapping[str, Measures], name: str) -> int:
    return regions[name].tickets if name in regions else 0


def _share(regions: Mapping[str, Measures], name: str) -> float:
    """Per cent that was restored in time; not a number where nothing had a due time."""
    share = regions[name].sla_attainment if name in regions else None
    return float("nan") if share is None else 100 * share


def _attainment(days: tuple[Day, ...]) -> list[float]:
    """Per cent of the tickets of the last seven days that were restored in time; a gap where none had a due time."""
    shares = []
    for end in range(1, len(days) + 1):
        window = days[max(0, end - WEEK) : end]
        due = sum(day.due for day in window)
        shares.append(100 * sum(day.in_time for day in window) / due if due else float("nan"))
    return shares
