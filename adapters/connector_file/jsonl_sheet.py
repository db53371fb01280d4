"""Reading JSON lines: an object a line, whose names are the headers."""

from __future__ import annotations

import codecs
from collections.abc import Generator, Iterator, Mapping
from typing import BinaryIO

import orjson

from connector.sdk import UnexpectedResponse
from connector_file.sheets import BrokenLine, Cell, Line

LONGEST_LINE = 1_048_576
"""Bytes; a longer line is no row of a sheet."""
MOST_NAMES = 1_000
"""Different names in one file: more are data that stand where names belong."""
DEEPEST = 8
"""Objects within objects."""


def read_jsonl(file: BinaryIO, where: str) -> Generator[Line | BrokenLine, None, None]:
    """Lines of a file of JSON lines, blank ones left out; before them a header of all names that occur in it.

    What is within an object is named by its way, `device.serial`. A list of texts and numbers is one text with
    spaces, any other list its JSON. The file is read twice, so that a name that only later lines have is no surprise.
    where: the file, for messages. Raises UnexpectedResponse when no line is an object.
    """
    names: dict[str, int] = {}
    broken = 0
    for _, read in _objects(file, where):
        if isinstance(read, str):
            broken += 1
            continue
        for name in read:
            names.setdefault(name, len(names))
        if len(names) > MOST_NAMES:
            raise UnexpectedResponse(
                f"{where} has more than {MOST_NAMES} different names in its objects: these are no rows of a sheet",
                operation="read JSON lines",
                hint="Write one object a line, with the names of columns.",
            )
    if not names:
        if broken:
            raise UnexpectedResponse(
                f"no line of {where} is a JSON object: these are no JSON lines",
                operation="read JSON lines",
                hint='Write one object a line, such as {"code": "BER", "latitude": 52.52}, without a list around them.',
            )
        return
    yield Line(1, list(names))
    for line in _lines(file, where):
        if isinstance(line, BrokenLine):
            yield line
            continue
        number, cells = line
        row: list[Cell] = [None] * len(names)
        for name, cell in cells.items():
            if name in names:  # else it was written since the first reading, and the pull notices that
                row[names[name]] = cell
        yield Line(number, row)


def _lines(file: BinaryIO, where: str) -> Iterator[tuple[int, Mapping[str, Cell]] | BrokenLine]:
    for (number, raw), read in _objects(file, where):
        yield BrokenLine(number, raw.decode(errors="replace"), read) if isinstance(read, str) else (number, read)


def _objects(file: BinaryIO, where: str) -> Iterator[tuple[tuple[int, bytes], Mapping[str, Cell] | str]]:
    """Every line that is not blank with its number, and its cells by name or why it has none; from the beginning."""
    file.seek(0)
    number = 0
    while raw := file.readline(LONGEST_LINE):
        number += 1
        if len(raw) >= LONGEST_LINE:
            raise UnexpectedResponse(
                f"{where}, line {number} is longer than {LONGEST_LINE} bytes: these are no JSON lines",
                operation="read JSON lines",
                hint="Write one object a line.",
            )
        text = (raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw).strip()
        if text:
            yield (number, text), _cells(text)


def _cells(text: bytes) -> Mapping[str, Cell] | str:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return f"it is no JSON ({error.msg}, column {error.colno}): write one whole object a line, in UTF-8"
    if not isinstance(value, dict):
        return "it is no JSON object: write the row as an object with the names of columns"
    cells: dict[str, Cell] = {}
    return cells if _flatten(value, "", cells, DEEPEST) else f"its objects are more than {DEEPEST} deep"


def _flatten(value: Mapping[str, object], way: str, cells: dict[str, Cell], levels: int) -> bool:
    """Note every value by its way; False when it is too deep."""
    for name, item in value.items():
        if isinstance(item, dict):
            if not levels or not _flatten(item, f"{way}{name}.", cells, levels - 1):
                return False
        else:
            cells[f"{way}{name}"] = _cell(item)
    return True


def _cell(item: object) -> Cell:
    if item is None or isinstance(item, str | bool | int | float):
        return item or None if isinstance(item, str) else item
    if isinstance(item, list) and all(isinstance(each, str | int | float) for each in item):
        return " ".join(map(str, item)) or None
    return orjson.dumps(item).decode()
