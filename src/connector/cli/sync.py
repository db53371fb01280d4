"""`connector sync`: pulling sources now, or showing what that would do."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from connector.cli.approvals import whoever_types
from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.foreseen import show_plans
from connector.cli.output import ExitCode, console, print_json, print_table
from connector.cli.progress import sync_progress
from connector.hub import Hub
from connector.ingest.backfill import since_of
from connector.ingest.reports import PullReport, StreamReport
from connector.ingest.sync import sync_source
from connector.memory import calm_garbage_collection


def sync(
    names: Annotated[list[str] | None, typer.Argument(help="Sources to pull; all of them by default.")] = None,
    stream: Annotated[list[str] | None, typer.Option(help="Only this stream; may be given more than once.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Everything anew, not only what changed.")] = False,
    since: Annotated[
        str | None, typer.Option(help="The past again: 2025-12-01, an instant, or so long ago: 90d, 12mo, 1y.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would change; nothing is written.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="With --plan: changes of each source on the screen.")] = 50,
    save: Annotated[bool, typer.Option("--save", help="With --plan: keep it, to be approved and applied.")] = False,
    exceed_limit: Annotated[
        bool, typer.Option("--exceed-limit", help="With --plan: retire as much as the source lets go.")
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Pull sources now, also those that back off or have stopped, but not paused ones; show what came of it."""
    calm_garbage_collection()
    if (save or exceed_limit) and not plan:
        raise typer.BadParameter("--save and --exceed-limit belong to --plan")
    if since is not None and (plan or full):
        raise typer.BadParameter("--since goes with neither --full nor --plan")
    if plan:
        is_whole = with_hub(
            config,
            lambda hub: show_plans(
                hub, names, stream, full=full, limit=limit, as_json=as_json, save=save, exceeds_limit=exceed_limit
            ),
            as_json=as_json,
        )
        if not is_whole:
            raise typer.Exit(ExitCode.FAILED)
        return

    async def pull(hub: Hub) -> list[PullReport]:
        wanted = names or sorted(hub.connections)
        for name in wanted:
            hub.connection(name)
        reports: list[PullReport] = []
        for name in wanted:
            with sync_progress(name, is_quiet=as_json) as progress:
                reports.append(
                    await sync_source(
                        hub.database, hub.connection(name), clock=hub.clock, streams=stream, full=full,
                        since=None if since is None else since_of(since, hub.clock.now()), by=whoever_types().name,
                        progress=progress, resume=True, guard=hub.guards[name],
                    )
                )  # fmt: skip
        return reports

    reports = with_hub(config, pull, as_json=as_json)
    if as_json:
        print_json([asdict(report) for report in reports])
    else:
        rows = [{"source": report.source, **_pulled(item)} for report in reports for item in report.streams]
        print_table("Pulled", rows, empty="Nothing was pulled.")
        for report in reports:
            if report.error:
                console.print(f"[red]{report.source}[/]: ", end="")
                console.print(report.error, markup=False, highlight=False)
    if any(report.outcome in ("failed", "stopped") or _is_held(report) for report in reports):
        raise typer.Exit(ExitCode.FAILED)


def _is_held(report: PullReport) -> bool:
    """Whether somebody wanted a source pulled that is paused."""
    return report.outcome == "skipped" and report.error is not None


def _pulled(item: StreamReport) -> dict[str, object]:
    """A stream as a row that fits a narrow terminal; what is left of the records was known already."""
    counts = (("created", item.created), ("updated", item.updated), ("deleted", item.deleted))
    return {
        "stream": item.name,
        "outcome": item.outcome,
        "records": item.seen,
        "changes": ", ".join(f"{count:,} {name}" for name, count in counts if count) or "none",
        "quarantined": item.quarantined or None,
    }
