"""`connector offline`: work on paper for people without a connection, and recording what they did."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from connector.cli.approvals import whoever_types
from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.csv_rows import Row, read_sheet
from connector.cli.output import ExitCode, console, print_json, print_table, told, warn
from connector.fulfilment.approvals import Approvals, holders_of
from connector.fulfilment.offline import Offline, OfflineNote, Recorded
from connector.fulfilment.work import Work
from connector.fulfilment.worksheet import SAID, page, worksheet
from connector.hub import Hub, fulfilment_options, roles_by_key
from connector.model.errors import InvalidInput
from connector.model.kinds import OfflineOutcome
from connector.storage.database.engine import reading
from connector.storage.sources.named import hub_called

offline = typer.Typer(help="Work without a connection: print it, record what was done.", no_args_is_help=True)

_OPTIONAL: Final = ("serial", "reason", "key")
_UNSETTLED: Final = frozenset({OfflineOutcome.LATER, OfflineOutcome.CONFLICT})


@offline.command()
def sheet(
    hub: Annotated[str, typer.Option(help="Which hub: code or name.")],
    out: Annotated[Path, typer.Option(help="HTML file to write; open it and print.")],
    config: Config = None,
) -> None:
    """Write the open work of a hub as a page to be printed, with codes to scan."""

    async def read(there: Hub) -> tuple[str, int]:
        async with reading(there.database) as tx:
            found = await worksheet(tx, await hub_called(tx, hub), there.clock.now())
        return page(found), len(found.entries)

    html, entries = with_hub(config, read)
    with told(as_json=False):
        try:
            out.write_text(html, encoding="utf-8")
        except OSError as error:
            raise InvalidInput(f"{out} cannot be written: {error}", hint="Name another file.") from error
    console.print(f"{entries} things to do are in {out}.", markup=False, highlight=False, soft_wrap=True)


@offline.command()
def record(
    file: Annotated[Path, typer.Argument(help="CSV with the columns act, code, at, by; also serial, reason, key.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Record what was done offline: each line counts once, however often the file is recorded."""
    with told(as_json=as_json):
        notes = read_notes(file)

    async def do(hub: Hub) -> list[Recorded]:
        work = Work(hub.database, hub.connections, hub.clock, fulfilment_options(hub.settings))
        approvals = Approvals(work, holders_of(roles_by_key(hub.settings)))
        desk = Offline(hub.database, hub.clock, hub.policy, approvals)
        return await desk.record(notes, recorded_by=whoever_types().name)

    found = with_hub(config, do, as_json=as_json)
    rows = [
        {
            "act": SAID[note.act],
            "code": note.code,
            "outcome": item.outcome.value,
            "task": item.task_id,
            "text": item.text,
        }
        for note, item in zip(notes, found, strict=True)
    ]
    if as_json:
        print_json(rows)
    else:
        print_table("Recorded", rows, empty="Nothing is in the file.")
    if any(item.outcome in _UNSETTLED for item in found):
        raise typer.Exit(ExitCode.UNHEALTHY)


def read_notes(path: Path) -> list[OfflineNote]:
    """Read a CSV file of acts. Raises InvalidInput with every mistake by line."""
    sheet = read_sheet(path, required=("act", "code", "at", "by"), optional=_OPTIONAL)
    notes = []
    for row in sheet.rows:
        try:
            notes.append(_note(row))
        except ValueError as error:
            sheet.leave_out(row, error)
    for note in sheet.notes:
        warn(note)
    if sheet.problems:
        raise InvalidInput("\n".join(sheet.left_out), hint="Correct the file; nothing was recorded of it.")
    return notes


def _note(row: Row) -> OfflineNote:
    said = row.values["act"].strip().lower().replace("_", " ")
    acts = {text: act for act, text in SAID.items()}
    if said not in acts:
        raise ValueError(f"act {said!r} is none of {', '.join(sorted(acts))}")
    at = _instant(row.values["at"])
    serial, reason, key = (row.values.get(name) for name in _OPTIONAL)
    return OfflineNote(acts[said], row.values["code"], at, row.values["by"], serial, reason, key)


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError(f"at {text!r} is no instant with a zone: write it like 2026-12-01T18:00Z")
    return found
