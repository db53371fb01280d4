"""`connector policy backtest`: two policies over the same history, before one of them decides anything."""

from __future__ import annotations

from collections.abc import Sequence, Set
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from connector.cli.backtest_files import (
    HUB_COLUMNS,
    SHELF_COLUMNS,
    TICKET_COLUMNS,
    names_of,
    products_named,
    read_lead_times,
    read_stock,
    read_tickets,
)
from connector.cli.backtest_report import print_backtest, write_files
from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.csv_rows import Sheet, read_sheet
from connector.cli.output import print_json, told, warn
from connector.cli.policy_document import policy_document
from connector.hub import Hub
from connector.memory import calm_garbage_collection
from connector.model.errors import InvalidInput
from connector.model.naming import fold
from connector.planning.backtest import Backtest
from connector.planning.backtest import backtest as run_backtest
from connector.planning.history import LeadTime, LeadTimes, PastTicket
from connector.rules.facts.scene import Scene
from connector.rules.policy.reading import Policy, default_policy, read_policy
from connector.settings.sections import DEFAULT_FILE
from connector.storage.database.engine import reading
from connector.storage.facts.scene import current_scene

CURRENT = "current"
SHOWN = 20
"""Rows that are left out and told one by one."""


def backtest(
    tickets: Annotated[Path, typer.Option(help="History of tickets, CSV.")],
    policy: Annotated[str, typer.Option(help="Policy to try: a file, or a version.")],
    against: Annotated[str | None, typer.Option(help="Policy to compare with; the active one by default.")] = None,
    stock: Annotated[str, typer.Option(help="Stock to start from: a CSV file, or `current`.")] = CURRENT,
    substitutes: Annotated[Path | None, typer.Option(help="What stands in for what, CSV; with a stock file.")] = None,
    lead_times: Annotated[Path | None, typer.Option(help="Days until a used unit is replaced, CSV.")] = None,
    lead_days: Annotated[float, typer.Option(min=0, help="Lead time of what the file does not name.")] = 14,
    lead_deviation: Annotated[float, typer.Option(min=0, help="Its standard deviation, in days.")] = 4,
    time_zone: Annotated[str | None, typer.Option(help="Of times that name none, e.g. Europe/Berlin.")] = None,
    seed: Annotated[int, typer.Option(help="Of the lead times; the same seed gives the same result.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Directory for the figures and the plot.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Replay a history of tickets under two policies and compare what would have come of it."""
    with told(as_json=as_json):
        new, old = _policy(policy, config, as_json=as_json), _policy(against, config, as_json=as_json)
        history = read_sheet(tickets, required=("number", "opened_at", "product"), optional=TICKET_COLUMNS)
        leads, sheets = _lead_times(lead_times, LeadTime(lead_days, lead_deviation))
        classes = frozenset(new.service_classes) & frozenset(old.service_classes)
        if stock == CURRENT:
            if substitutes:
                raise InvalidInput("--substitutes goes with a stock file", hint="Name it with --stock FILE.")
            sites = {fold(row.values["site"]) for row in history.rows if "site" in row.values}
            scene = with_hub(config, partial(_current, sites), as_json=as_json)
            names = names_of(scene.products.values())
        else:
            shelves = read_sheet(
                Path(stock), required=("hub", "product", "quantity"), optional=(*HUB_COLUMNS, *SHELF_COLUMNS)
            )
            pairs = substitutes and read_sheet(
                substitutes, required=("product", "substitute"), optional=("preference", "condition")
            )
            names = products_named(history, shelves, pairs or None)
            scene = read_stock(shelves, names, pairs or None)
            sheets += [shelves, *([pairs] if pairs else [])]
        places = {fold(name): place for place in scene.places for name in (place.site.name, place.site.code) if name}
        past = read_tickets(history, names, places, classes, time_zone)
        sheets.insert(0, history)
        found = _run(past, scene, new, old, leads, seed)
    left_out = [problem for sheet in sheets for problem in sheet.left_out]
    notes = [note for sheet in sheets for note in sheet.notes] + _unknown_costs(scene)
    files = write_files(out, found, len(past), len(left_out)) if out else None
    if as_json:
        print_json({
            **found.content(), "tickets": len(past), "left_out": left_out, "notes": notes,
            "files": [str(path) for path in files.written] if files else [],
        })  # fmt: skip
        return
    _tell_left_out(left_out, notes + (files.notes if files else []))
    print_backtest(found, tickets=len(past))
    if files:
        warn(f"written: {', '.join(str(path) for path in files.written)}")


async def _current(sites: Set[str], hub: Hub) -> Scene:
    async with reading(hub.database) as tx:
        return await current_scene(tx, sites)


def _policy(name: str | None, config: Path | None, *, as_json: bool) -> Policy:
    """The policy of a name; without one the active one, and where no hub is configured the shipped one."""
    if name is None and config is None and not Path(DEFAULT_FILE).exists():
        return default_policy()
    source, text = policy_document(name, config, as_json=as_json)
    return read_policy(text, source=source)


def _lead_times(path: Path | None, otherwise: LeadTime) -> tuple[LeadTimes, list[Sheet]]:
    if path is None:
        return LeadTimes(otherwise=otherwise), []
    leads, sheet = read_lead_times(path, otherwise=otherwise)
    return leads, [sheet]


def _run(past: Sequence[PastTicket], scene: Scene, new: Policy, old: Policy, leads: LeadTimes, seed: int) -> Backtest:
    calm_garbage_collection()
    return run_backtest(past, scene, new=new, against=old, lead_times=leads, seed=seed)


def _unknown_costs(scene: Scene) -> list[str]:
    unknown = scene.unknown_costs
    if not unknown:
        return []
    more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
    return [f"no unit cost is known of {', '.join(unknown[:3])}{more}: counted as 0 in the capital that is tied up"]


def _tell_left_out(left_out: Sequence[str], notes: Sequence[str]) -> None:
    for note in notes:
        warn(note)
    if left_out:
        warn(f"{len(left_out)} rows are left out:")
    for problem in left_out[:SHOWN]:
        warn(f"  {problem}")
    if len(left_out) > SHOWN:
        warn(f"  and {len(left_out) - SHOWN} more; --json lists all of them")
