"""Example sheets to begin with."""

from __future__ import annotations

import csv
from pathlib import Path

from connector_file.columns import COLUMNS


def write_templates(directory: Path) -> list[Path]:
    """Write a CSV file with headers and one example row for each stream that has none yet; returns those written.

    The examples fit each other: what they name is in another of them.
    """
    directory.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for stream, columns in COLUMNS.items():
        path = directory / f"{stream}.csv"
        if path.exists():
            continue
        with path.open("x", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(column.name for column in columns)
            writer.writerow(column.example for column in columns)
        written.append(path)
    return written
