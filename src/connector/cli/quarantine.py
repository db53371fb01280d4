"""`connector quarantine`: records that could not be used, and trying them again."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.padding import Padding
from rich.text import Text

from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import ExitCode, console, print_json
from connector.hub import Hub
from connector.ingest.replay import Replayed, discard, replay, replay_source
from connector.model.errors import InvalidInput
from connector.storage.database.engine import reading
from connector.storage.sources.quarantine import Entry, list_quarantine, quarantine_entry
from connector.storage.sources.sources import source_ids

quarantine = typer.Typer(help="Records that could not be used: list, show, replay, discard.", no_args_is_help=True)

Ids = Annotated[list[int] | None, typer.Argument(help="Numbers of entries.")]


@quarantine.command("list")
def list_entries(
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    after: Annotated[int, typer.Option(help="Go on after this entry.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Entries a page.")] = 50,
    resolved: Annotated[bool, typer.Option("--resolved", help="Those that are settled as well.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List what is in quarantine, oldest first."""

    async def read(hub: Hub) -> list[Entry]:
        async with reading(hub.database) as tx:
            source_id = None
            if source is not None:
                hub.connection(source)
                source_id = (await source_ids(tx))[source]
            return await list_quarantine(tx, source_id=source_id, after=after, limit=limit, is_open=not resolved)

    entries = with_hub(config, read, as_json=as_json)
    rows = [
        {
            "id": entry.id,
            "source": entry.source,
            "stream": entry.stream,
            "record": entry.external_ref,
            "reason": entry.reason,
            "waits_for": entry.waits_for,
            "attempts": entry.attempts,
            "first_seen": entry.first_seen_at,
        }
        for entry in entries
    ]
    if as_json:
        print_json(rows)
        return
    if not entries:
        console.print("The quarantine is empty.")
    for entry in entries:
        _tell(entry)
    if len(entries) == limit:
        console.print(f"More: --after {entries[-1].id}")


def _tell(entry: Entry) -> None:
    """An entry and its reason, which is a sentence or several: as lines, since no column is wide enough for it."""
    head = f"[bold]{entry.id}[/]  {entry.source} {entry.stream}  "
    console.print(head, end="", highlight=False)
    console.print(entry.external_ref or "", markup=False, highlight=False, soft_wrap=True)
    times = "once" if entry.attempts == 1 else f"{entry.attempts} times, first"
    seen = f"Seen {times} {entry.first_seen_at:%Y-%m-%d %H:%M:%S} UTC."
    console.print(Padding(Text(f"{entry.reason}\n{seen}"), (0, 0, 0, 3)))


@quarantine.command()
def show(entry_id: Annotated[int, typer.Argument(help="Number of the entry.")], config: Config = None,
         as_json: AsJson = False) -> None:  # fmt: skip
    """Show one record whole, with the reason why it could not be used."""

    async def read(hub: Hub) -> Entry:
        async with reading(hub.database) as tx:
            return await quarantine_entry(tx, entry_id)

    entry = with_hub(config, read, as_json=as_json)
    raw = entry.raw.decode("utf-8", errors="replace")
    if as_json:
        print_json(
            {
                "id": entry.id, "source": entry.source, "stream": entry.stream, "record": entry.external_ref,
                "reason": entry.reason, "path": entry.path, "waits_for": entry.waits_for,
                "attempts": entry.attempts, "first_seen": entry.first_seen_at, "last_seen": entry.last_seen_at,
                "resolved": entry.resolved_at, "raw": raw, "normalised": entry.record,
            }
        )  # fmt: skip
        return
    console.print(f"[bold]{entry.id}[/]  {entry.source} {entry.stream}  {entry.external_ref or ''}")
    console.print(entry.reason, markup=False, highlight=False)
    if entry.path:
        console.print(f"at {entry.path}", highlight=False)
    console.print(f"seen {entry.attempts} times, first {entry.first_seen_at:%Y-%m-%d %H:%M:%S} UTC")
    console.print(raw, markup=False, highlight=False, soft_wrap=True)


@quarantine.command("replay")
def replay_entries(
    ids: Ids = None,
    source: Annotated[str | None, typer.Option(help="All open entries of this source.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Try records again: some by number, or all of a source."""

    async def again(hub: Hub) -> Replayed:
        if bool(ids) == (source is not None):
            raise InvalidInput(
                "name either entries or a source", hint="connector quarantine replay 12 13, or --source."
            )
        if source is not None:
            hub.connection(source)
            return await replay_source(hub.database, hub.connections, source, clock=hub.clock)
        return await replay(hub.database, hub.connections, ids or [], clock=hub.clock)

    result = with_hub(config, again, as_json=as_json)
    if as_json:
        print_json({"applied": result.applied, "remaining": result.remaining})
    else:
        console.print(f"{result.applied} applied, {result.remaining} still in quarantine.")
    if result.remaining:
        raise typer.Exit(ExitCode.UNHEALTHY)


@quarantine.command("discard")
def discard_entries(ids: Annotated[list[int], typer.Argument(help="Numbers of entries.")], config: Config = None,
                    as_json: AsJson = False) -> None:  # fmt: skip
    """Give records up; they stay readable with --resolved."""

    async def give_up(hub: Hub) -> int:
        return await discard(hub.database, ids, actor="cli", clock=hub.clock)

    count = with_hub(config, give_up, as_json=as_json)
    if as_json:
        print_json({"discarded": count})
    else:
        console.print(f"{count} discarded.")
