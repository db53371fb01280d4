"""One row of a sheet: its cells as the types that records need, and everything that is wrong with it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

import orjson

from connector_file.columns import Layout
from connector_file.config import FileConfig
from connector_file.numbers import Ambiguous, read_number
from connector_file.sheets import BrokenCell, Cell, Line, shown

E = TypeVar("E", bound=StrEnum)

HIGHEST = 2_147_483_647
"""The hub keeps counts in 32 bits."""
LONGEST_TEXT = 255
LONGEST_SHOWN = 80

YES, NO = (
    frozenset({"yes", "y", "true", "1", "ja", "j", "wahr"}),
    frozenset({"no", "n", "false", "0", "nein", "falsch"}),
)
SPELLINGS = {"serialized": "serialised", "breakglass": "break_glass", "loan": "loaner", "loaners": "loaner"}

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_ROUNDED = re.compile(r"\d[.,]\d+E\+\d+", re.IGNORECASE)
_TIMES = re.compile(r"[\s,;]+")


class Row:
    """A row under its layout. problems: what is wrong, column by column; a row with problems makes no record."""

    def __init__(self, where: str, layout: Layout, line: Line, config: FileConfig) -> None:
        self.where = where
        self.line = line
        self.config = config
        self.problems: list[str] = []
        self.first_column: str | None = None
        self._layout = layout
        beyond = [cell for cell in line.cells[len(layout.header) :] if shown(cell)]
        if beyond:
            self.problems.append(
                f"there are {len(line.cells)} cells under {len(layout.header)} headers, the last is "
                f"{_quoted(beyond[-1])}: put a text that holds a delimiter into quotation marks"
            )

    def reason(self) -> str:
        """What is wrong with the row, and where it is."""
        return f"{self.where}, line {self.line.number}: {'; '.join(self.problems)}. Correct it; the next pull reads it."

    def raw(self) -> bytes:
        """The row as JSON, header to cell, without its line: it stays the same row when others move it."""
        cells = {}
        for place, cell in enumerate(self.line.cells):
            header = self._layout.header[place] if place < len(self._layout.header) else ""
            if header or shown(cell):
                cells[header or f"column {place + 1}"] = shown(cell)
        return orjson.dumps({"file": self.where, "row": cells})

    def refuse(self, name: str, expected: str) -> None:
        """Note that a cell cannot be used, and what would be right."""
        self.note(name, f"is {_quoted(self.cell(name))}, expected {expected}")

    def note(self, name: str, problem: str) -> None:
        """Note what is wrong with a column."""
        self.first_column = self.first_column or self._layout.named(name)
        self.problems.append(f"column {self._layout.named(name)!r} {problem}")

    def cell(self, name: str) -> Cell:
        """What stands in the column; None when it is empty or the sheet has no such column."""
        place = self._layout.places.get(name)
        if place is None or place >= len(self.line.cells):
            return None
        cell = self.line.cells[place]
        return cell if shown(cell) else None

    def text(self, name: str, *, longest: int = LONGEST_TEXT, needed: bool = False) -> str | None:
        """The cell as text, whatever it begins with. needed: an empty one is a problem."""
        cell = self.cell(name)
        text = shown(cell)
        if isinstance(cell, BrokenCell):
            self.refuse(name, "a value: its formula failed")
        elif not text:
            if needed:
                self.note(name, "is empty, and must not be")
        elif len(text) > longest:
            self.refuse(name, f"at most {longest} characters, it has {len(text)}")
        elif _CONTROL.search(text):
            self.refuse(name, "a text without control characters")
        else:
            return text
        return None

    def number_plate(self, name: str) -> str | None:
        """A serial or tag; one that the spreadsheet has taken for a number and rounded is a problem."""
        cell, text = self.cell(name), self.text(name)
        if text and (_ROUNDED.fullmatch(text) or (isinstance(cell, float | int) and abs(cell) >= 1e15)):
            self.refuse(name, "a text: the spreadsheet has rounded it. Format the column as text and enter it again")
            return None
        return text

    def number(self, name: str, *, lowest: int, highest: int) -> float | None:
        """A number with a decimal point or comma, such as a latitude; groups of thousands do not occur."""
        value = self._number(name, f"a number from {lowest} to {highest}", groups=False)
        if value is not None and not lowest <= value <= highest:
            self.refuse(name, f"a number from {lowest} to {highest}")
            return None
        return None if value is None else float(value)

    def whole(self, name: str, *, lowest: int = 0, highest: int = HIGHEST, needed: bool = False) -> int | None:
        """A whole number in these bounds."""
        expected = f"a whole number from {lowest} to {highest}"
        if needed and self.cell(name) is None:
            self.note(name, f"is empty, expected {expected}")
            return None
        value = self._number(name, expected)
        if value is None:
            return None
        if value != value.to_integral_value() or not lowest <= value <= highest:
            self.refuse(name, expected)
            return None
        return int(value)

    def cents(self, name: str) -> int | None:
        """An amount of money such as `1.200,50`, in cents."""
        expected = "an amount such as 1200.50, with at most two decimals"
        value = self._number(name, expected)
        if value is None:
            return None
        cents = value * 100
        if cents != cents.to_integral_value() or not 0 <= cents <= HIGHEST:
            self.refuse(name, expected)
            return None
        return int(cents)

    def truth(self, name: str) -> bool | None:
        """Yes or no."""
        word = (self.text(name) or "").casefold()
        if word and word not in YES | NO:
            self.refuse(name, "yes or no")
            return None
        return word in YES if word else None

    def choice(self, name: str, kind: type[E]) -> E | None:
        """A word of a vocabulary, in any case, with spaces or dashes where it has underscores."""
        text = self.text(name)
        if text is None:
            return None
        word = re.sub(r"[\s-]+", "_", text.casefold())
        try:
            return kind(SPELLINGS.get(word, word))
        except ValueError:
            self.refuse(name, f"one of {', '.join(member.value for member in kind)}")
            return None

    def code(self, name: str, letters: int, example: str) -> str | None:
        """A code of so many letters, in any case."""
        text = self.text(name)
        if text is None:
            return None
        if not re.fullmatch(rf"[A-Za-z]{{{letters}}}", text):
            self.refuse(name, f"a code of {letters} letters, for example {example}")
            return None
        return text.upper()

    def times(self, name: str) -> tuple[str, ...] | None:
        """Times of day, separated by spaces, commas or semicolons."""
        text = self.text(name)
        return None if text is None else tuple(part for part in _TIMES.split(text) if part)

    def moment(self, name: str) -> datetime | None:
        """A date, with or without time, in the zone that it states or else the settings' zone; UTC."""
        cell, zone = self.cell(name), self.config.time_zone
        text = self.text(name)
        if text is None:
            return None
        try:
            value = cell if isinstance(cell, datetime) else datetime.fromisoformat(text)
            if value.tzinfo is None and zone is None:
                self.refuse(name, f"a time with its zone, for example {text}+01:00, or time_zone in the settings")
                return None
            return (value if value.tzinfo else value.replace(tzinfo=ZoneInfo(zone or "UTC"))).astimezone(UTC)
        except (ValueError, OverflowError):
            self.refuse(name, "a date such as 2026-01-31 or 2026-01-31 14:30")
            return None

    def day(self, name: str) -> date | None:
        """A date; a time of day behind it does not matter."""
        cell, text = self.cell(name), self.text(name)
        if text is None:
            return None
        try:
            return (cell if isinstance(cell, datetime) else datetime.fromisoformat(text)).date()
        except ValueError:
            self.refuse(name, "a date such as 2026-01-31")
            return None

    def _number(self, name: str, expected: str, *, groups: bool = True) -> Decimal | None:
        cell = self.cell(name)
        if isinstance(cell, int | float) and not isinstance(cell, bool):
            return Decimal(str(cell))
        if isinstance(cell, datetime | time | timedelta | bool):
            self.refuse(name, expected)
            return None
        text = self.text(name)
        if text is None:
            return None
        try:
            return read_number(text, decimal=self.config.decimal if groups else None, groups=groups)
        except Ambiguous as error:
            self.refuse(name, str(error))
        except ValueError:
            self.refuse(name, expected)
        return None


def _quoted(cell: Cell) -> str:
    text = shown(cell)
    return repr(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…")
