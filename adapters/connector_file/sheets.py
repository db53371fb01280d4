"""Lines of a sheet, whatever its format: what readers of CSV and XLSX yield."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TypeAlias


class BrokenCell(str):
    """A cell whose formula failed; the text is the spreadsheet's own, for example `#N/A`."""

    __slots__ = ()


Cell: TypeAlias = str | int | float | bool | datetime | date | time | timedelta | None
"""What a cell holds. CSV knows texts only; None is an empty cell."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its number, as an editor or spreadsheet shows it: the first is 1."""

    number: int
    cells: Sequence[Cell]

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing in it but spaces."""
        return all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in self.cells)


@dataclass(frozen=True, slots=True)
class BrokenLine:
    """A line that cannot be divided into cells. raw: its text. reason: why."""

    number: int
    raw: str
    reason: str


def shown(cell: Cell) -> str:
    """A cell as a person sees it; an empty one is ""."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, time):
        return cell.isoformat("minutes") if not cell.second else cell.isoformat("seconds")
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time(0) else cell.isoformat(" ", "seconds")
    return str(cell).strip()
