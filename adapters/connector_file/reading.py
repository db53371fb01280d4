"""A sheet as batches: rows become records, what cannot is rejected, and only a whole look is complete."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import PurePath
from typing import BinaryIO

import orjson

from connector.sdk import Batch, ConfigError, Record, Rejected, SourceRef
from connector_file.columns import COLUMNS, Layout, known_headers, read_header
from connector_file.config import FileConfig
from connector_file.csv_sheet import read_csv
from connector_file.jsonl_sheet import read_jsonl
from connector_file.mapping import SHEETS, joined_record, record, reference
from connector_file.row import Row
from connector_file.sheets import BrokenLine, Line, shown
from connector_file.xlsx_sheet import read_xlsx

BATCH_ROWS = 500


def read_batches(file: BinaryIO, name: str, stream: str, config: FileConfig) -> Generator[Batch, None, None]:
    """Batches of one sheet, read as they are asked for; the last one says whether everything was understood.

    name: of the file, for its format and for messages. What is remembered of earlier rows is their keys; rows of which
    several are one thing are kept until the end.
    Raises ConfigError, UnexpectedResponse.
    """
    taking = _Taking(name, stream, config)
    layout: Layout | None = None
    with closing(_lines(file, name, stream, config)) as lines:
        for line in lines:
            if layout is None:
                layout = _header(stream, name, line, config)
                continue
            if taking.is_full:
                yield taking.batch(complete=False)
            taking.take(layout, line)
    for _ in taking.put_together():
        if taking.is_full:
            yield taking.batch(complete=False)
    yield taking.batch(complete=layout is not None and taking.is_whole)


def read_layout(file: BinaryIO, name: str, stream: str, config: FileConfig) -> Layout | None:
    """The columns of a sheet; None when it is empty. Raises ConfigError, UnexpectedResponse."""
    with closing(_lines(file, name, stream, config)) as lines:
        line = next(lines, None)
        return None if line is None else _header(stream, name, line, config)


def _lines(file: BinaryIO, name: str, stream: str, config: FileConfig) -> Generator[Line | BrokenLine, None, None]:
    suffix = PurePath(name).suffix.lower()
    if suffix in {".xlsx", ".xlsm"}:
        return read_xlsx(file, name, stream)
    if suffix in {".jsonl", ".ndjson"}:
        return read_jsonl(file, name)
    headers = known_headers(stream, config.columns.get(stream, {}))
    delimiter = config.delimiter or ("\t" if suffix == ".tsv" else None)
    return read_csv(file, name, headers, delimiter=delimiter, encoding=config.encoding)


def _header(stream: str, name: str, line: Line | BrokenLine, config: FileConfig) -> Layout:
    if isinstance(line, BrokenLine):
        raise ConfigError(
            f"{name}, line {line.number} should hold the headers, and {line.reason}", operation=f"pull {stream}",
            hint=f"Begin the sheet with a line such as: {','.join(column.name for column in COLUMNS[stream][:3])}.",
        )  # fmt: skip
    header = [shown(cell).lstrip("\ufeff") for cell in line.cells]
    return read_header(stream, name, header, config.columns.get(stream, {}))


class _Taking:
    """Rows on their way into batches. is_whole: every row said who it is about."""

    def __init__(self, name: str, stream: str, config: FileConfig) -> None:
        self.is_whole = True
        self._name, self._stream, self._config = name, stream, config
        self._records: list[Record] = []
        self._rejected: list[Rejected] = []
        self._lines: dict[str, int] = {}
        self._parts: dict[SourceRef, list[Row]] | None = None if SHEETS[stream].together is None else {}

    @property
    def is_full(self) -> bool:
        return len(self._records) + len(self._rejected) >= BATCH_ROWS

    def batch(self, *, complete: bool) -> Batch:
        batch = Batch(records=tuple(self._records), rejected=tuple(self._rejected), complete=complete)
        self._records, self._rejected = [], []
        return batch

    def take(self, layout: Layout, line: Line | BrokenLine) -> None:
        if isinstance(line, BrokenLine):
            self.is_whole = False
            reason = f"{self._name}, line {line.number}: {line.reason}"
            raw = orjson.dumps({"file": self._name, "text": line.raw})
            self._rejected.append(Rejected(ref=None, raw=raw, reason=reason))
            return
        row = Row(self._name, layout, line, self._config)
        ref = reference(self._stream, row)
        if ref is None:
            self.is_whole = False
            self._reject(row, None)
            return
        if self._parts is not None:
            self._parts.setdefault(ref, []).append(row)
            return
        first = self._lines.setdefault(ref.external_id, line.number)
        if first != line.number:
            row.problems.append(f"it is about the same as line {first} ({ref.external_id!r}), which counts: keep one")
        made = None if row.problems else record(self._stream, row, ref)
        if made is None:
            self._reject(row, ref)
        else:
            self._records.append(made)

    def put_together(self) -> Iterator[None]:
        """Make the things that several rows are about, and stop after each.

        One row in which something is wrong keeps all of its thing as it was; that row is the one that is rejected.
        """
        for ref, rows in (self._parts or {}).items():
            made = joined_record(self._stream, rows, ref)
            if made is not None:
                self._records.append(made)
            for row in rows:
                if row.problems:
                    self._reject(row, ref)
            yield

    def _reject(self, row: Row, ref: SourceRef | None) -> None:
        column = row.first_column
        path = None if column is None else f"/row/{column.replace('~', '~0').replace('/', '~1')}"
        self._rejected.append(Rejected(ref=ref, raw=row.raw(), reason=row.reason(), path=path))
