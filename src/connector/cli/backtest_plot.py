"""The plot of a backtest; imported only when one is drawn, since matplotlib is an optional extra."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from connector.planning.backtest import Backtest
from connector.planning.measures import Day

WEEK = 7
"""Days over which attainment is taken together."""


def draw(found: Backtest, path: Path) -> None:
    """SLA attainment (of each seven days) and stock on hand over time, for both policies; SVG, the same each time."""
    with mpl.rc_context({"svg.hashsalt": "connector", "svg.fonttype": "none", "axes.grid": True, "grid.alpha": 0.3}):
        figure = Figure(figsize=(10, 6.5), layout="constrained")
        attainment, stock = figure.subplots(2, 1, sharex=True)
        for replayed, name, style in ((found.against, "against", "--"), (found.new, "new", "-")):
            label = f"{name}: {replayed.policy_version}"
            days = [day.day for day in replayed.days]
            attainment.plot(days, _attainment(replayed.days), style, label=label, linewidth=1.5)
            stock.plot(days, [day.stock_units for day in replayed.days], style, label=label, linewidth=1.5)
        attainment.set(title="Restored in time, of seven days", ylabel="%", ylim=(-2, 102))
        stock.set(title="Stock on hand at the end of the day", ylabel="units")
        stock.set_ylim(bottom=0)
        attainment.legend(loc="best")
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": "connector"})


def _attainment(days: tuple[Day, ...]) -> list[float]:
    """Per cent of the tickets of the last seven days that were restored in time; a gap where none had a due time."""
    shares = []
    for end in range(1, len(days) + 1):
        window = days[max(0, end - WEEK) : end]
        due = sum(day.due for day in window)
        shares.append(100 * sum(day.in_time for day in window) / due if due else float("nan"))
    return shares
