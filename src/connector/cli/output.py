"""What commands print: tables for people, JSON for scripts, errors that help, and exit codes that mean something."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import IntEnum
from textwrap import wrap
from typing import NoReturn

import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from connector.model.errors import ConnectorError, InvalidInput, NotKnown, Unavailable


class ExitCode(IntEnum):
    """0 done; 1 failed; 2 wrong input or configuration; 3 not found; 4 something is not healthy; 5 unreachable."""

    DONE = 0
    FAILED = 1
    INVALID = 2
    NOT_FOUND = 3
    UNHEALTHY = 4
    UNREACHABLE = 5


SHORT = 20
"""Columns whose cells have at most so many characters are kept on one line."""

console = Console()
_errors = Console(stderr=True)


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z, default=str).decode() + "\n")


def print_table(title: str, rows: Sequence[Mapping[str, object]], *, empty: str) -> None:
    """Rows as a table, their keys as its head, without columns that are empty; `empty` is said when there are no rows.

    Short cells stay on one line however narrow the terminal is; the head above them folds between words.
    """
    if not rows:
        console.print(empty)
        return
    table = Table(
        title=title,
        title_justify="left",
        header_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    columns = [(name, [cell(row[name]) for row in rows]) for name in rows[0]]
    columns = [(name, cells) for name, cells in columns if any(cells)]
    for name, cells in columns:
        widest = max(map(len, cells))
        head = "\n".join(wrap(name.replace("_", " "), max(widest, 1), break_long_words=False))
        table.add_column(head, overflow="fold", no_wrap=widest <= SHORT)
    for line in zip(*(cells for _, cells in columns), strict=True):
        table.add_row(*line)
    console.print(table)


def cell(value: object) -> str:
    """A value as people read it; nothing for None."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.astimezone().strftime("%d %b %H:%M:%S")
        case _:
            return str(value)


def fail(error: ConnectorError, *, as_json: bool = False) -> NoReturn:
    """Say what is wrong and leave with the exit code of its kind."""
    if as_json:
        print_json({"error": {"code": error.code, "message": error.message, "hint": error.hint or None}})
    else:
        _errors.print(f"[bold red]{error.code}[/] ", end="")
        _errors.print(error.message, markup=False, highlight=False)
        if error.hint:
            _errors.print(error.hint, style="yellow", markup=False, highlight=False)
    raise typer.Exit(exit_code(error))


def warn(text: str) -> None:
    """Something beside the answer, on standard error."""
    _errors.print(text, markup=False, highlight=False, soft_wrap=True)


def exit_code(error: ConnectorError) -> ExitCode:
    """The exit code that an error calls for."""
    match error:
        case InvalidInput():
            return ExitCode.INVALID
        case NotKnown():
            return ExitCode.NOT_FOUND
        case Unavailable():
            return ExitCode.UNREACHABLE
        case _:
            return ExitCode.FAILED


@contextmanager
def told(*, as_json: bool = False) -> Iterator[None]:
    """Turns the product's errors into a message and an exit code; anything else is a bug and keeps its trace."""
    try:
        yield
    except ConnectorError as error:
        fail(error, as_json=as_json)
