"""How far a sync has come, and about how long it will take, shown while it lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from connector.cli.output import console
from connector.ingest.reports import StreamReport


@contextmanager
def sync_progress(name: str, *, is_quiet: bool, on: Console = console) -> Iterator[Callable[[StreamReport], None]]:
    """A bar for each stream of a source. How much is left is told where the source says so, or the last pull does."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[seen]}"), TimeElapsedColumn(),
        TextColumn("left about"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=on, disable=is_quiet or not on.is_terminal, transient=True) as progress:
        bars: dict[str, TaskID] = {}

        def tell(report: StreamReport) -> None:
            for stream, bar in bars.items():
                if stream != report.name:
                    progress.update(bar, visible=False)
            if report.name not in bars:
                bars[report.name] = progress.add_task(f"{name} {report.name}", total=None, seen="")
            known = report.expected if report.expected and report.expected >= report.seen else None
            progress.update(
                bars[report.name], completed=report.seen, total=known, seen=seen_of(report.seen, known)
            )  # fmt: skip

        yield tell


def seen_of(seen: int, expected: int | None) -> str:
    """So many records, and out of about how many."""
    return f"{seen:,} records" if expected is None else f"{seen:,} of about {expected:,} records"
