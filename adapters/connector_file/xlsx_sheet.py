"""Reading XLSX: one row after the other, cells as the types that the workbook gives them."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, BinaryIO, cast

import openpyxl

from connector.sdk import ConfigError, UnexpectedResponse
from connector_file.sheets import BrokenCell, Cell, Line


def read_xlsx(file: BinaryIO, where: str, stream: str) -> Generator[Line, None, None]:
    """Lines of the sheet that is named as the stream, or of the only one; blank ones left out.

    A formula counts as the result that the spreadsheet saved with it.
    Raises ConfigError when it is not clear which sheet is meant, UnexpectedResponse when this is no workbook.
    """
    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except Exception as error:
        raise _unreadable(where, error) from error
    try:
        sheet = _sheet(book, where, stream)
        sheet.reset_dimensions()
        rows = sheet.iter_rows()
        try:
            number = 0
            while True:
                try:
                    row = next(rows, None)
                except Exception as error:
                    raise _unreadable(where, error) from error
                if row is None:
                    return
                number += 1
                line = Line(number, [_cell(cell) for cell in row])
                if not line.is_blank:
                    yield line
        finally:
            rows.close()
    finally:
        book.close()


def _sheet(book: Any, where: str, stream: str) -> Any:
    names = {name.strip().casefold(): name for name in book.sheetnames}
    if stream in names:
        return book[names[stream]]
    if len(book.worksheets) == 1:
        return book.worksheets[0]
    raise ConfigError(
        f"{where} has the sheets {', '.join(map(repr, book.sheetnames)) or 'none'}, and none is named {stream!r}",
        operation="read workbook",
        hint=f"Name the sheet that holds them {stream!r}.",
    )


def _cell(cell: Any) -> Cell:
    value = cell.value
    return BrokenCell(value) if cell.data_type == "e" else cast("Cell", value)


def _unreadable(where: str, error: Exception) -> UnexpectedResponse:
    return UnexpectedResponse(
        f"{where} cannot be read as a workbook",
        operation="read workbook",
        hint="Open it in the spreadsheet and save it as .xlsx without a password.",
        detail=f"{type(error).__name__}: {error}",
    )
