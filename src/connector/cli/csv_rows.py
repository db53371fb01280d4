"""CSV as people export it: rows by column, what is wrong with each told by line, unknown columns by name.

And CSV as it is written for people. A spreadsheet runs a cell that begins like a formula, whoever wrote that text
into a ticket or a device's name; so it is written with an apostrophe before it, as spreadsheets mark text, and
read without.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TextIO

from connector.model.errors import InvalidInput

DELIMITERS = ",;\t"
_FORMULA = re.compile(r"[\s']*[=+\-@\t\n＝＋－＠]")
"""How a formula begins, the wide signs of East Asian spreadsheets included, and what is written for one here."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row. values: column to its text, stripped; empty cells are left out."""

    line: int
    values: Mapping[str, str]


@dataclass(slots=True)
class Sheet:
    """A file as it was read. problems: rows that are left out, by line; notes: what else is worth knowing."""

    path: Path
    rows: list[Row] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def leave_out(self, row: Row, reason: object) -> None:
        """Note that a row cannot be used."""
        self.problems.append((row.line, str(reason)))

    @property
    def left_out(self) -> list[str]:
        """What is wrong with the rows that are left out, in the order of the file."""
        return [f"{self.path.name}:{line}: {reason}" for line, reason in sorted(self.problems)]


def read_sheet(path: Path, *, required: Sequence[str], optional: Iterable[str] = ()) -> Sheet:
    """Read a CSV file: UTF-8, a head with names of columns, separated by comma, semicolon or tab.

    Raises InvalidInput when it cannot be read, or a required column is missing (with the nearest one that is there).
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}", hint="Give a CSV file in UTF-8.") from error
    lines = text.splitlines(keepends=True)
    if not lines:
        raise InvalidInput(f"{path} is empty", hint=f"Its first line names the columns: {', '.join(required)}, ...")
    delimiter = max(DELIMITERS, key=lines[0].count)
    reader = csv.reader(lines, delimiter=delimiter)
    head = [name.strip().lower().replace(" ", "_") for name in next(reader)]
    sheet = Sheet(path)
    _check_head(sheet, head, required, list(optional))
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return sheet
        except csv.Error as error:
            sheet.problems.append((reader.line_num, str(error)))
            continue
        row = Row(reader.line_num, {n: _as_meant(c.strip()) for n, c in zip(head, cells, strict=False) if c.strip()})
        missing = [name for name in required if name not in row.values]
        if len(cells) > len(head):
            sheet.leave_out(row, f"has {len(cells)} cells, the head has {len(head)}")
        elif missing and row.values:
            sheet.leave_out(row, f"{', '.join(missing)} is empty")
        elif row.values:
            sheet.rows.append(row)


def write_rows(out: TextIO, rows: Iterable[Sequence[object]]) -> None:
    """Write rows. A text is never a formula to a spreadsheet; numbers are written as they are."""
    csv.writer(out, lineterminator="\n").writerows([_harmless(cell) for cell in row] for row in rows)


def _harmless(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    text = cell.replace("\r\n", "\n").replace("\r", "\n")  # the csv module would not put it between quotation marks
    return f"'{text}" if _FORMULA.match(text) else text


def _as_meant(cell: str) -> str:
    return cell[1:].strip() if cell.startswith("'") and _FORMULA.match(cell) else cell


def _check_head(sheet: Sheet, head: Sequence[str], required: Sequence[str], optional: Sequence[str]) -> None:
    known = [*required, *optional]
    twice = sorted({name for name in head if name and head.count(name) > 1})
    if twice:
        raise InvalidInput(f"{sheet.path}: column {twice[0]!r} stands there twice")
    unknown = [name for name in head if name not in known]
    missing = [name for name in required if name not in head]
    if missing:
        near = get_close_matches(missing[0], unknown, n=1)
        raise InvalidInput(
            f"{sheet.path} has no column {missing[0]!r}" + (f"; is {near[0]!r} meant?" if near else ""),
            hint=f"Required: {', '.join(required)}. Known beside them: {', '.join(optional) or 'none'}.",
        )
    for name in unknown:
        near = get_close_matches(name, known, n=1)
        meant = f": did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
        sheet.notes.append(f"{sheet.path.name}: column {name!r} is not known and not used{meant}")
