"""What a backtest shows: tables on the terminal, figures and a plot in files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import orjson

from connector.cli.csv_rows import write_rows
from connector.cli.output import console, print_table
from connector.model.errors import InvalidInput
from connector.planning.backtest import Backtest
from connector.planning.measures import MEASURES, MONEY, Measures

REGION_MEASURES = ("sla_attainment", "stock_outs", "emergency_shipments", "freight_cents", "capital_cents")
"""What the table of regions shows of both policies."""


@dataclass(slots=True)
class Files:
    """What was written, and what could not be."""

    written: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def print_backtest(found: Backtest, *, tickets: int) -> None:
    """The measures of both policies, in total and by region."""
    old, new = found.against, found.new
    rows = []
    for name, label in MEASURES.items():
        before, after = getattr(old.total, name), getattr(new.total, name)
        unit = f" ({new.currency})" if name in MONEY else ""
        rows.append({
            "measure": label + unit,
            old.policy_version: shown(name, before),
            new.policy_version + (" (new)" if new.policy_version == old.policy_version else ""): shown(name, after),
            "difference": _difference(name, before, after),
        })  # fmt: skip
    print_table(f"{tickets:,} tickets, seed {found.seed}", rows, empty="no tickets")
    regions = sorted(set(old.regions) | set(new.regions))
    by_region = []
    for region in regions:
        row: dict[str, object] = {"region": region or "(none)"}
        for name in REGION_MEASURES:
            before, after = (shown(name, _of(replayed.regions.get(region), name)) for replayed in (old, new))
            row[MEASURES[name]] = f"{before} → {after}"
        by_region.append(row)
    console.print()
    print_table("By region, old → new", by_region, empty="no regions")


def shown(name: str, value: float | None) -> str:
    """A measure as people read it; money in whole units of the currency."""
    if value is None:
        return "–"
    if name == "sla_attainment":
        return f"{value:.1%}"
    if name in MONEY:
        return f"{value / 100:,.0f}"
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"


def write_files(directory: Path, found: Backtest, tickets: int, left_out: int) -> Files:
    """Write `backtest.json`, `measures.csv`, `days.csv` and the plot `backtest.svg`.

    Raises InvalidInput when the directory cannot be written to.
    """
    files = Files()
    content = {**found.content(), "tickets": tickets, "left_out": left_out}
    json = orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        contents = {"backtest.json": json, "measures.csv": _csv(_measures(found)), "days.csv": _csv(_days(found))}
        for name, data in contents.items():
            (directory / name).write_bytes(data)
            files.written.append(directory / name)
        try:
            from connector.cli.backtest_plot import draw
        except ModuleNotFoundError as error:
            files.notes.append(f"no plot: {error.name} is not installed; pip install 'connector[plots]'")
        else:
            draw(found, directory / "backtest.svg")
            files.written.append(directory / "backtest.svg")
    except OSError as error:
        raise InvalidInput(f"{directory} cannot be written to: {error}", hint="Name another with --out.") from error
    return files


def _measures(found: Backtest) -> Iterator[tuple[object, ...]]:
    yield "region", "measure", found.against.policy_version, found.new.policy_version
    pairs: list[tuple[str, Measures | None, Measures | None]] = [("(all)", found.against.total, found.new.total)]
    pairs += [
        (region, found.against.regions.get(region), found.new.regions.get(region))
        for region in sorted(set(found.against.regions) | set(found.new.regions))
    ]
    for region, old, new in pairs:
        for name in MEASURES:
            yield region, name, _rounded(_of(old, name)), _rounded(_of(new, name))


def _days(found: Backtest) -> Iterator[tuple[object, ...]]:
    yield "policy", "day", "due", "in_time", "stock_outs", "stock_units", "stock_cents"
    for replayed in (found.against, found.new):
        for day in replayed.days:
            yield (
                replayed.policy_version, day.day.isoformat(), day.due, day.in_time, day.stock_outs, day.stock_units,
                day.stock_cents,
            )  # fmt: skip


def _csv(rows: Iterator[tuple[object, ...]]) -> bytes:
    text = StringIO(newline="")
    write_rows(text, rows)
    return text.getvalue().encode()


def _of(measures: Measures | None, name: str) -> float | None:
    return None if measures is None else getattr(measures, name)


def _rounded(value: float | None) -> float | str:
    return "" if value is None else round(value, 6) if isinstance(value, float) else value


def _difference(name: str, before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return ""
    if name == "sla_attainment":
        return f"{(after - before) * 100:+.1f} points"
    change = after - before
    return ("+" if change > 0 else "") + shown(name, change)
