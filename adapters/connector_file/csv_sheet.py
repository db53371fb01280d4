"""Reading CSV: encoding, delimiter and quotation marks, one line after the other."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Collection, Generator, Iterator
from itertools import chain
from typing import BinaryIO

from connector.sdk import ConfigError, UnexpectedResponse
from connector_file.columns import folded
from connector_file.sheets import BrokenLine, Line

DELIMITERS = (",", ";", "\t", "|")
LONGEST_LINE = 1_048_576
"""Characters; a longer line is no line of a sheet."""

_SEPARATOR_NOTE = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)


def read_csv(
    file: BinaryIO, where: str, headers: Collection[str], *, delimiter: str | None, encoding: str | None
) -> Generator[Line | BrokenLine, None, None]:
    """Lines of a CSV file, blank ones left out; the first is the header.

    where: the file, for messages. headers: folded headers that the sheet may have, to find the delimiter by.
    Raises ConfigError when the text is in another encoding, UnexpectedResponse when this is no CSV.
    """
    encoding = _encoding(file, encoding)
    text = io.TextIOWrapper(file, encoding=encoding, newline="")
    source = _Lines(text, where)
    try:
        first = next((line for line in source if line.strip("\ufeff \t\r\n,;|")), None)
        if first is None:
            return
        note = _SEPARATOR_NOTE.fullmatch(first)
        if note is not None:
            delimiter = delimiter or note[1]
            source.taken.clear()
            first = next(source, "")
        yield from _records(source, first, delimiter or _delimiter(first, headers))
    except UnicodeDecodeError as error:
        raise _wrong_encoding(file, where, encoding, error) from error
    finally:
        text.detach()


class _Lines(Iterator[str]):
    """Physical lines. number: of the last one. taken: those of the record under way."""

    def __init__(self, text: io.TextIOWrapper, where: str) -> None:
        self._text = text
        self._where = where
        self.number = 0
        self.taken: list[str] = []

    def __next__(self) -> str:
        line = self._text.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) >= LONGEST_LINE:
            raise UnexpectedResponse(
                f"{self._where}, line {self.number} is longer than {LONGEST_LINE} characters: this is no CSV file",
                operation="read CSV",
                hint="Save the sheet as CSV again.",
            )
        self.taken.append(line)
        return line


def _records(source: _Lines, first: str, delimiter: str) -> Iterator[Line | BrokenLine]:
    source.taken.clear()
    begin = source.number
    source.number -= 1

    def counted() -> Iterator[str]:
        source.number += 1
        source.taken.append(first)
        yield first

    reader = csv.reader(chain(counted(), source), delimiter=delimiter, strict=True, skipinitialspace=True)
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield BrokenLine(begin, "".join(source.taken), _why(error))
        else:
            if cells is None:
                return
            line = Line(begin, [cell or None for cell in cells])
            if not line.is_blank:
                yield line
        source.taken.clear()
        begin = source.number + 1


def _why(error: csv.Error) -> str:
    if "unexpected end" in str(error):
        return "a quotation mark that is opened here is never closed: the lines below it cannot be told apart"
    if "field larger" in str(error):
        return f"a quotation mark that is opened here is not closed within {csv.field_size_limit()} characters"
    return f"it cannot be divided into cells ({error}): write a quotation mark inside a text twice"


def _encoding(file: BinaryIO, given: str | None) -> str:
    """By the mark at the beginning, else as the settings say, else UTF-8."""
    head = file.read(3)
    file.seek(0)
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return given or "utf-8"


def _delimiter(header: str, headers: Collection[str]) -> str:
    """The delimiter that makes the most known headers of the line, then the one that makes the most cells."""

    def merit(delimiter: str) -> tuple[int, int]:
        cells = next(csv.reader([header], delimiter=delimiter, skipinitialspace=True), [])
        return sum(folded(cell) in headers for cell in cells), len(cells)

    return max(DELIMITERS, key=merit)


def _wrong_encoding(file: BinaryIO, where: str, encoding: str, error: UnicodeDecodeError) -> ConfigError:
    place, byte = "", error.object[error.start : error.start + 1]
    if not encoding.startswith("utf-16"):
        file.seek(0)
        for number, line in enumerate(file, 1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as found:
                place, byte = f", line {number}", found.object[found.start : found.start + 1]
                break
    return ConfigError(
        f"{where}{place}: byte 0x{byte.hex()} is not {encoding.upper()}",
        operation="read CSV",
        hint="Save the sheet as 'CSV UTF-8', or name its encoding in the settings, for example "
        'encoding = "cp1252" for Excel\'s plain CSV in Western Europe. It is not guessed, since a wrong guess '
        "turns names into other names.",
    )
