"""`connector sources` and `connector sync`: how the external systems fare, and pulling them now."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import ExitCode, console, print_json, print_table
from connector.hub import Hub
from connector.ingest.pull import PullReport, StreamReport, pull_source
from connector.memory import calm_garbage_collection
from connector.model.kinds import SourceState
from connector.storage.database.engine import reading
from connector.storage.sources.overview import SourceOverview, source_overviews


def sources(config: Config = None, as_json: AsJson = False) -> None:
    """Show every source: state, freshness, last error, what waits and what is quarantined."""

    async def read(hub: Hub) -> list[dict[str, object]]:
        async with reading(hub.database) as tx:
            return [_row(item, item.freshness_seconds(hub.clock.now())) for item in await source_overviews(tx)]

    rows = with_hub(config, read, as_json=as_json)
    if as_json:
        print_json(rows)
        return
    shown = ("name", "adapter", "state", "last_success", "records", "waiting", "quarantined", "last_error")
    print_table(
        "Sources", [{key: row[key] for key in shown} for row in rows], empty="No source is configured; see docs."
    )


def sync(
    names: Annotated[list[str] | None, typer.Argument(help="Sources to pull; all of them by default.")] = None,
    stream: Annotated[list[str] | None, typer.Option(help="Only this stream; may be given more than once.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Everything anew, not only what changed.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Pull sources now, also those that back off or have stopped, and show what came of it."""

    async def pull(hub: Hub) -> list[PullReport]:
        wanted = names or sorted(hub.connections)
        for name in wanted:
            hub.connection(name)
        columns = (TextColumn("{task.description}"), TextColumn("{task.fields[seen]}"), TimeElapsedColumn())
        with Progress(*columns, console=console, disable=as_json, transient=True) as progress:
            reports: list[PullReport] = []
            for name in wanted:
                bar = progress.add_task(name, total=None, seen="")

                def show(report: StreamReport, bar: int = bar, name: str = name) -> None:
                    progress.update(bar, description=f"{name} {report.name}", seen=f"{report.seen:,} records")  # type: ignore[arg-type]

                reports.append(
                    await pull_source(
                        hub.database, hub.connection(name), clock=hub.clock, streams=stream, full=full, resume=True,
                        progress=show,
                    )
                )  # fmt: skip
            return reports

    calm_garbage_collection()
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
    if any(report.outcome == "failed" for report in reports):
        raise typer.Exit(ExitCode.FAILED)


def _row(item: SourceOverview, freshness: int | None) -> dict[str, object]:
    return {
        "name": item.name,
        "adapter": item.adapter,
        "state": item.state.value,
        "last_success": item.last_success_at,
        "freshness_seconds": freshness,
        "records": item.records,
        "waiting": item.waiting,
        "quarantined": item.quarantined,
        "last_error": item.last_error if item.state is not SourceState.OK else None,
        "last_error_at": item.last_error_at,
        "not_before": item.not_before,
    }


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
