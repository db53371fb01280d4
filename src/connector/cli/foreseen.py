"""`connector sync --plan`: what a sync would do, change by change. Nothing is written but the plan, if it is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any, Final

from rich.text import Text

from connector.cli.approvals import whoever_types
from connector.cli.output import console, print_json, print_table
from connector.cli.progress import sync_progress
from connector.hub import Hub
from connector.ingest.fingerprint import UNTOLD
from connector.ingest.planned import counts_of, guard_of, keep
from connector.ingest.rehearsal import Plan, rehearse
from connector.sdk.errors import AdapterError
from connector.storage.sources.foreseen import Foreseen

_WORDS: Final = {
    "created": ("new", "green"),
    "updated": ("changed", "yellow"),
    "retired": ("retired", "red"),
    "withdrawn": ("gone", "red"),
}
LONGEST: Final = 60
"""Signs of a value that are shown on the screen; JSON has all of them."""


async def show_plans(
    hub: Hub,
    names: Sequence[str] | None,
    streams: list[str] | None,
    *,
    full: bool,
    limit: int,
    as_json: bool,
    save: bool = False,
    exceeds_limit: bool = False,
) -> bool:
    """Rehearse sources one after the other, and show what came of it; changes beyond `limit` are counted.

    save: plans are kept, so that somebody approves them. exceeds_limit: as much is retired as the sources let go.
    A source that fails is told, and the others go on: false then. Where it is the only one, its error is raised.
    """
    wanted = names or sorted(hub.connections)
    for name in wanted:
        hub.connection(name)
    told: list[dict[str, Any]] = []
    has_failed = False
    for name in wanted:
        try:
            made = await _rehearsed(hub, name, streams, full=full, exceeds_limit=exceeds_limit, is_quiet=as_json)
        except AdapterError as error:
            if len(wanted) == 1:
                raise
            has_failed = True
            message = hub.connection(name).http.redact(error.message)
            told.append({"source": name, "error": {"code": error.code, "message": message, "hint": error.hint or None}})
            if not as_json:
                lines = f"\nSource {name} cannot be planned: {message}", error.hint
                console.print(Text("\n".join(filter(None, lines)), style="red"), soft_wrap=True)
            continue
        with made as plan:
            number: int | None = None
            if save:
                by = whoever_types().name
                number = await keep(hub.database, plan, streams=streams, full=full, exceeds_limit=exceeds_limit, by=by)
            if as_json:
                told.append(as_json_of(plan) | ({"id": number} if save else {}))
                continue
            show(plan, limit)
            if number is not None:
                console.print(f"Kept as plan {number}. Next: connector plans approve {number}", highlight=False)
    if as_json:
        print_json(told)
    elif not wanted:
        console.print("No source is configured; see docs.")
    return not has_failed


async def _rehearsed(
    hub: Hub, name: str, streams: list[str] | None, *, full: bool, exceeds_limit: bool, is_quiet: bool
) -> Plan:
    with sync_progress(name, is_quiet=is_quiet) as progress:
        return await rehearse(
            hub.database,
            hub.connection(name),
            clock=hub.clock,
            streams=streams,
            full=full,
            progress=progress,
            guard=guard_of(hub.guards[name], exceeds_limit=exceeds_limit),
        )


def as_json_of(plan: Plan) -> dict[str, Any]:
    """All that a plan says, as JSON values."""
    return {
        "source": plan.source,
        "streams": [counts_of(report) for report in plan.streams],
        "alarms": plan.alarms,
        "stops": plan.stops,
        "changes": [asdict(item) for item in plan.changes],
        "unusable": [asdict(item) for item in plan.unusable],
    }


def show(plan: Plan, limit: int) -> None:
    """Print what a plan says; changes beyond `limit` are counted."""
    print_table(
        f"What a sync of {plan.source} would do",
        [counts_of(report) for report in plan.streams],
        empty=f"Source {plan.source!r} has nothing to pull.",
    )
    for alarm in (*plan.alarms, *plan.stops):
        console.print(Text(alarm, style="yellow"))
    changes = plan.changes
    for change in islice(changes, limit):
        for line in _lines(change):
            console.print(line, soft_wrap=True)
    _say_rest(changes, "changes")
    unusable = plan.unusable
    for item in islice(unusable, limit):
        where = f" (at {item.path})" if item.path else ""
        word = "unclear" if item.is_ambiguous else "cannot"
        console.print(Text.assemble((f"{word} ", "magenta"), f"{item.ref or 'a record'}: {item.reason}{where}"))
    _say_rest(unusable, "records that could not be used")
    console.print()


def _lines(change: Foreseen) -> Iterator[Text]:
    """What becomes of one thing: of a new one what it is called, of one that changes each field."""
    word, colour = _WORDS.get(change.operation, (change.operation, ""))
    refs = f" ({', '.join(change.external_ids)})" if change.external_ids else ""
    yield Text.assemble((f"{word:7} ", colour), f"{change.kind.value} {change.name or change.entity_id}{refs}")
    if change.operation == "withdrawn":
        yield Text("          the source has it no more; it stays, since another one has it or it is history")
    if change.operation == "updated":
        for name, (before, after) in _told(change.fields).items():
            yield Text(f"          {name}: {_cell(before)} \u2192 {_cell(after)}")


def _told(fields: Mapping[str, tuple[Any, Any]]) -> dict[str, tuple[Any, Any]]:
    return {name: pair for name, pair in fields.items() if name not in UNTOLD}


def _cell(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}\u2026"


def _say_rest(items: Iterator[object], what: str) -> None:
    rest = sum(1 for _ in items)
    if rest:
        console.print(f"\u2026 and {rest:,} more {what}; --json has all of them.")
