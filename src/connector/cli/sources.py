"""`connector sources`: how the external systems fare, pausing them, and letting them go on."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from connector.cli.approvals import whoever_types
from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import console, print_json, print_table
from connector.hub import Hub
from connector.model.errors import NotKnown
from connector.model.kinds import RunOutcome, SourceState
from connector.settings.sources import SourceSettings
from connector.storage.database.engine import Transaction, reading, transaction
from connector.storage.sources.overview import SourceOverview, source_overviews, stream_overviews
from connector.storage.sources.pauses import pause_source, resume_source
from connector.storage.sources.runs import Run, list_runs
from connector.storage.sources.sources import source_ids

sources = typer.Typer(
    help="How the sources fare; pause one, or let it go on.", invoke_without_command=True, no_args_is_help=False
)

Name = Annotated[str, typer.Argument(help="Name of the source in connector.toml.")]


@sources.callback()
def show(context: typer.Context, config: Config = None, as_json: AsJson = False) -> None:
    """Show every source: state, freshness, last error, what waits and what is quarantined."""
    if context.invoked_subcommand is not None:
        return

    async def read(hub: Hub) -> list[dict[str, object]]:
        async with reading(hub.database) as tx:
            return [_row(item, item.freshness_seconds(hub.clock.now())) for item in await source_overviews(tx)]

    rows = with_hub(config, read, as_json=as_json)
    if as_json:
        print_json(rows)
        return
    shown = ("name", "adapter", "state", "last_success", "records", "waiting", "quarantined")
    print_table(
        "Sources", [{key: row[key] for key in shown} for row in rows], empty="No source is configured; see docs."
    )
    for row in rows:
        if row["last_error"]:
            console.print(f"[red]{row['name']}[/]: ", end="")
            console.print(row["last_error"], markup=False, highlight=False)


@sources.command("show")
def show_one(name: Name, config: Config = None, as_json: AsJson = False) -> None:
    """Show the streams of a source: how fresh each is, and what its last pull brought."""

    async def read(hub: Hub) -> list[dict[str, object]]:
        async with reading(hub.database) as tx:
            found = await stream_overviews(tx, await _source_id(tx, name))
        return [asdict(item) | {"freshness_seconds": item.freshness_seconds(hub.clock.now())} for item in found]

    rows = with_hub(config, read, as_json=as_json)
    if as_json:
        print_json(rows)
        return
    shown = [
        {
            "stream": row["name"],
            "last success": row["last_success_at"],
            "seconds ago": row["freshness_seconds"],
            "records": row["seen"],
            "changed": row["changed"],
            "backfill": "under way" if row["is_backfilling"] else None,
        }
        for row in rows
    ]
    print_table(f"Streams of {name}", shown, empty=f"Source {name!r} was not pulled yet.")


@sources.command()
def runs(
    name: Annotated[str | None, typer.Argument(help="Source; all of them by default.")] = None,
    stream: Annotated[str | None, typer.Option(help="Only this stream.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many at most.")] = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show the history of pulls, the newest first: what each came to, how long it took, and who wanted it."""

    async def read(hub: Hub) -> list[Run]:
        async with reading(hub.database) as tx:
            if name is not None:
                await _source_id(tx, name)
            return await list_runs(tx, name, stream, limit=limit)

    found = with_hub(config, read, as_json=as_json)
    if as_json:
        print_json([asdict(run) for run in found])
        return
    print_table("Pulls", [_run(run) for run in found], empty="Nothing was pulled yet.")


@sources.command()
def pause(
    name: Name,
    because: Annotated[str, typer.Option("--because", help="Why; shown until it goes on.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Have a source not pulled until it is resumed, whatever starts meanwhile; webhooks are still taken in."""

    async def do(hub: Hub) -> None:
        async with transaction(hub.database) as tx:
            source_id = await _source_id(tx, name)
            by = whoever_types().name
            await pause_source(tx, source_id, by=by, reason=because.strip(), at=hub.clock.now())

    with_hub(config, do, as_json=as_json)
    _tell(name, f"Source {name} is paused. Next: connector sources resume {name}", state="paused", as_json=as_json)


@sources.command()
def resume(name: Name, config: Config = None, as_json: AsJson = False) -> None:
    """Let a source go on that somebody, or the guard, has paused."""

    async def do(hub: Hub) -> str:
        async with transaction(hub.database) as tx:
            source_id = await _source_id(tx, name)
            was_paused = await resume_source(tx, source_id, by=whoever_types().name, at=hub.clock.now())
        return _goes_on(hub.settings.sources.get(name)) if was_paused else "was not paused"

    text = with_hub(config, do, as_json=as_json)
    _tell(name, f"Source {name} {text}. Now: connector sync {name}", state="new", as_json=as_json)


def _goes_on(source: SourceSettings | None) -> str:
    """What a source that is not paused any more does by itself, if anything. source: None for one that is gone."""
    if source is None:
        return "is not paused any more, but is not in connector.toml"
    if source.schedule or source.schedules or source.full_schedule:
        return "goes on by its schedule"
    return "is not paused any more; it has no schedule, and is pulled by hand only"


def _run(run: Run) -> dict[str, object]:
    """A pull as a row that fits a narrow terminal; JSON has all of it."""
    counts = (("new", run.created), ("changed", run.updated), ("retired", run.retired), ("unusable", run.quarantined))
    told = ", ".join(f"{count:,} {word}" for word, count in counts if count) or "nothing new"
    return {
        "source": run.source,
        "stream": run.stream,
        "mode": run.mode.value,
        "began": run.began_at,
        "seconds": round((run.ended_at - run.began_at).total_seconds(), 1),
        "result": told if run.outcome is RunOutcome.PULLED else f"{run.outcome.value.replace('_', ' ')}; {told}",
    }


async def _source_id(tx: Transaction, name: str) -> int:
    known = await source_ids(tx)
    if name not in known:
        raise NotKnown(f"there is no source {name!r}", hint=f"There are: {', '.join(sorted(known)) or 'none'}.")
    return known[name]


def _tell(name: str, text: str, *, state: str, as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "state": state})
    else:
        console.print(text, highlight=False)


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
        "paused_by": item.paused_by,
        "pause_reason": item.pause_reason,
    }
