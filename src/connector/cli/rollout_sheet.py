"""The sites of a rollout as people keep them: a sheet with one site in each row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from connector.cli.csv_rows import Row, read_sheet
from connector.cli.output import warn
from connector.model.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class SiteRow:
    """A row. site: a code or a name. ticket: a number, of the ticket whose end says what became of it."""

    line: int
    site: str
    quantity: int
    wave: int | None
    ticket: str | None


@dataclass(frozen=True, slots=True)
class RolloutSites:
    """A sheet that was read."""

    path: Path
    rows: list[SiteRow]


def read_sites(path: Path) -> RolloutSites:
    """Read a sheet: column `site`, also `quantity` (1), `wave`, `ticket`.

    Raises InvalidInput with every mistake by line.
    """
    sheet = read_sheet(path, required=("site",), optional=("quantity", "wave", "ticket"))
    rows: list[SiteRow] = []
    for row in sheet.rows:
        try:
            quantity, wave = _number(row, "quantity"), _number(row, "wave")
        except ValueError as error:
            sheet.leave_out(row, error)
            continue
        ticket = row.values.get("ticket")
        rows.append(SiteRow(row.line, row.values["site"], 1 if quantity is None else quantity, wave, ticket))
    for note in sheet.notes:
        warn(note)
    if sheet.problems:
        raise InvalidInput("\n".join(sheet.left_out), hint="Correct the file; nothing was made of it.")
    return RolloutSites(path, rows)


def _number(row: Row, name: str) -> int | None:
    text = row.values.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 100_000):
        raise ValueError(f"{name} {text!r} is no whole number of 1 or more")
    return int(text)
