"""`connector adapters try`: what a source's rows become, before anything is kept. Reads, and writes nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.table import Table
from rich.text import Text

from connector.cli.configured import AsJson, Config, loaded_settings
from connector.cli.output import ExitCode, console, print_json, told
from connector.clock import SystemClock
from connector.model.errors import InvalidInput, NotKnown
from connector.sdk import AdapterError, Connection, Deferred, Previews, Pulls, Shown, Stream, connect

BY_DOCUMENT = "rest"
"""The adapter that a document alone describes a system for."""
LONGEST_SHOWN = 3_000
"""Signs of a row that are shown on the screen; JSON has all of them."""
_UNSEEN = {sign: "\N{REPLACEMENT CHARACTER}" for sign in (*range(32), *range(127, 160)) if sign != 10}


@dataclass(frozen=True, slots=True)
class Row:
    """A row, and what it becomes; both without secrets."""

    raw: object
    record: object
    outcome: str

    @property
    def is_rejected(self) -> bool:
        """Whether it cannot become a record."""
        return self.outcome.startswith("rejected")


@dataclass(frozen=True, slots=True)
class Tried:
    """One stream. problem: why its list cannot be read."""

    stream: str
    rows: tuple[Row, ...]
    problem: str | None = None

    @property
    def rejected(self) -> int:
        """Rows that cannot become records."""
        return sum(row.is_rejected for row in self.rows)

    def chosen(self, count: int) -> list[Row]:
        """Those that are shown: rejected ones first, since they are what is to be corrected."""
        return sorted(self.rows, key=lambda row: not row.is_rejected)[:count]


def try_source(
    what: Annotated[str, typer.Argument(help="A source of the configuration, or a YAML file that describes a system.")],
    stream: Annotated[list[str] | None, typer.Option(help="Only this stream; may be given more than once.")] = None,
    rows: Annotated[int, typer.Option(min=1, max=10_000, help="Rows of each stream that are shown.")] = 3,
    identity: Annotated[str | None, typer.Option(help="With a file: user name, or client id.")] = None,
    secret_env: Annotated[
        str | None, typer.Option(help="With a file: the environment variable that holds its secret.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Fetch the first page of each stream and show what it becomes, beside its rows by `rest`. Nothing is written."""
    with told(as_json=as_json):
        connection = _connection(what, identity, secret_env, config)
        tried = asyncio.run(_try(connection, stream))
    if as_json:
        print_json([_as_json(each, rows) for each in tried])
    else:
        for each in tried:
            _print(each, rows)
    if any(each.problem for each in tried):
        raise typer.Exit(ExitCode.FAILED)


def _connection(what: str, identity: str | None, secret_env: str | None, config: Config) -> Connection:
    if Path(what).suffix in (".yaml", ".yml"):
        settings: dict[str, object] = {"definition": what}
        if identity is not None:
            settings["identity"] = identity
        if secret_env is not None:
            if secret_env not in os.environ:
                raise InvalidInput(f"environment variable {secret_env!r} is not set")
            settings["secret"] = os.environ[secret_env]
        return connect(Path(what).stem, BY_DOCUMENT, settings, clock=SystemClock())
    loaded = loaded_settings(config, log_level="WARNING").settings
    sources, egress = loaded.sources, loaded.egress.rules
    source = sources.get(what)
    if source is None:
        known = ", ".join(sorted(sources)) or "none"
        raise NotKnown(f"there is no source {what!r}", hint=f"Configured are: {known}. A file ends in .yaml or .yml.")
    return connect(what, source.adapter, source.adapter_settings(), clock=SystemClock(), egress=egress)


async def _try(connection: Connection, names: list[str] | None) -> list[Tried]:
    adapter = connection.adapter
    try:
        streams = adapter.streams() if isinstance(adapter, Pulls) else ()
        unknown = sorted(set(names or ()) - {stream.name for stream in streams})
        if unknown:
            known = ", ".join(stream.name for stream in streams) or "none"
            raise InvalidInput(f"there is no stream {', '.join(map(repr, unknown))}", hint=f"There are: {known}.")
        return [await _tried(connection, stream) for stream in streams if names is None or stream.name in names]
    finally:
        await connection.aclose()


async def _tried(connection: Connection, stream: Stream) -> Tried:
    """What one stream shows; the others are tried all the same."""
    adapter, redact = connection.adapter, connection.http.redact
    try:
        if isinstance(adapter, Previews):
            shown = await adapter.preview(stream)
        else:
            shown = await _first_batch(adapter, stream) if isinstance(adapter, Pulls) else ()
    except AdapterError as error:
        return Tried(stream.name, (), f"{error.code}: {redact(str(error))}")
    return Tried(stream.name, tuple(_row(each, redact) for each in shown))


async def _first_batch(adapter: Pulls, stream: Stream) -> tuple[Shown, ...]:
    """Of an adapter that does not keep the rows themselves: its records, and the rows that it rejects."""
    async for batch in adapter.pull(stream, None):
        made = batch.made()
        records = tuple(Shown(b"", record) for record in made.records if not isinstance(record, Deferred))
        return records + tuple(Shown(item.raw, None, f"rejected: {item.reason}") for item in made.rejected)
    return ()


def _row(shown: Shown, redact: Callable[[str], str]) -> Row:
    record = None
    if shown.record is not None:
        told = {"record": type(shown.record).__name__, **shown.record.model_dump(mode="json", exclude_none=True)}
        record = _parsed(redact(orjson.dumps(told).decode()))
    return Row(_parsed(redact(shown.raw.decode(errors="replace"))), record, redact(shown.outcome))


def _parsed(text: str) -> object:
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return text


def _as_json(tried: Tried, rows: int) -> dict[str, object]:
    return {
        "stream": tried.stream,
        "problem": tried.problem,
        "rows": len(tried.rows),
        "rejected": tried.rejected,
        "shown": [{"raw": row.raw, "record": row.record, "outcome": row.outcome or None} for row in tried.chosen(rows)],
    }


def _print(tried: Tried, rows: int) -> None:
    console.print(Text(f"\n{tried.stream}", style="bold"), end="")
    if tried.problem:
        console.print(Text(f": {_safe(tried.problem)}", style="red"))
        return
    console.print(Text(f": {len(tried.rows)} rows on the first page, {tried.rejected} rejected"))
    table = Table(show_lines=True, expand=True)
    chosen = tried.chosen(rows)
    has_rows = any(row.raw is not None for row in chosen)
    if has_rows:
        table.add_column("row", overflow="fold")
    table.add_column("becomes", overflow="fold")
    for row in chosen:
        became = "\n".join(part for part in (_safe(row.outcome), _pretty(row.record)) if part)
        cells = [Text(_pretty(row.raw))] if has_rows else []
        table.add_row(*cells, Text(became), style="red" if row.is_rejected else None)
    if tried.rows:
        console.print(table)


def _pretty(value: object) -> str:
    if value is None:
        return ""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()
    return _safe(text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + " …")


def _safe(text: str) -> str:
    """A text of others without signs that a terminal obeys."""
    return text.translate(_UNSEEN)
