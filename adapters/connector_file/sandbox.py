"""A directory of sheets that people work on, for the contract kit."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from connector.sdk import SourceRef
from connector.sdk.testing import App, NotApplicable, Sandbox
from connector_file.columns import COLUMNS
from connector_file.mapping import SHEETS
from connector_file.reading import BATCH_ROWS

Row = dict[str, str]

_CHANGED = {
    "sites": "name", "hubs": "name", "products": "asset_class", "compatibilities": "condition",
    "kits": "instructions", "assets": "holder", "stock": "target",
}  # fmt: skip
_WRONG: Mapping[str, Row] = {
    "sites": {"time_zone": "Mars/Olympus"},
    "hubs": {"latitude": "95"},
    "products": {"weight_g": "heavy"},
    "compatibilities": {"preference": "0"},
    "kits": {"quantity": "0"},
    "assets": {"state": "asleep"},
    "stock": {"quantity": "-1"},
}
_UNUSUAL: Mapping[str, Row] = {
    "sites": {"service_class": "galactic"},
    "hubs": {"tier": "galactic"},
    "products": {"criticality": "galactic"},
    "compatibilities": {"condition": "ticket.mood == 'gloomy'"},
    "kits": {"instructions": "=HYPERLINK()"},
    "assets": {"lane": "galactic"},
    "stock": {"lane": "normal"},
}


class FileSandbox(Sandbox):
    """Seven sheets. They are saved as spreadsheets save: a new file takes the place of the old one."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="connector-sheets-")
        self._sheets: dict[str, dict[str, Row]] = {stream: {} for stream in COLUMNS}
        self._number = 0
        for stream in COLUMNS:
            self._save(stream)

    def app(self) -> App | None:
        """Files need no server."""
        return None

    def settings(self) -> Mapping[str, object]:
        """The directory."""
        return {"directory": self._directory.name}

    def wrong_settings(self) -> Mapping[str, object]:
        """Files need no credential."""
        raise NotApplicable("sheets are read without a credential")

    def close(self) -> None:
        """Remove the directory."""
        self._directory.cleanup()

    def page_size(self, stream: str) -> int:  # noqa: ARG002 - the same for all
        """Rows of a batch."""
        return BATCH_ROWS

    def seed(self, stream: str, count: int, *, at: datetime, step: timedelta) -> tuple[SourceRef, ...]:  # noqa: ARG002
        """New rows at the end of the sheet; a row does not tell when it was written."""
        refs = tuple(self._add(stream) for _ in range(count))
        self._save(stream)
        return refs

    def touch(self, ref: SourceRef, *, at: datetime) -> None:  # noqa: ARG002 - a row does not tell when
        """Change a cell."""
        stream = _stream_of(ref)
        self._number += 1
        self._sheets[stream][ref.external_id][_CHANGED[stream]] = str(self._number)
        self._save(stream)

    def delete(self, ref: SourceRef, *, at: datetime) -> None:  # noqa: ARG002 - a row does not tell when
        """Delete the row."""
        stream = _stream_of(ref)
        del self._sheets[stream][ref.external_id]
        self._save(stream)

    def seed_malformed(self, stream: str, *, at: datetime) -> SourceRef | None:  # noqa: ARG002
        """A row with a cell that cannot be used."""
        return self._with(stream, _WRONG[stream])

    def seed_unusual(self, stream: str, *, at: datetime) -> SourceRef:  # noqa: ARG002
        """A row with a column of somebody's own, and a word that is not in the vocabulary."""
        return self._with(stream, {**_UNUSUAL[stream], "mood": "fine"})

    def _with(self, stream: str, cells: Row) -> SourceRef:
        ref = self._add(stream)
        self._sheets[stream][ref.external_id].update(cells)
        self._save(stream)
        return ref

    def _add(self, stream: str) -> SourceRef:
        self._number += 1
        external_id, row = _NEW[stream](self._number)
        self._sheets[stream][external_id] = row
        return SourceRef(kind=SHEETS[stream].kind, external_id=external_id)

    def _save(self, stream: str) -> None:
        path = Path(self._directory.name) / f"{stream}.csv"
        new = path.with_suffix(".new")
        with new.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [*(column.name for column in COLUMNS[stream]), "mood"], restval="")
            writer.writeheader()
            writer.writerows(self._sheets[stream].values())
        os.replace(new, path)


def _stream_of(ref: SourceRef) -> str:
    return next(stream for stream, sheet in SHEETS.items() if sheet.kind is ref.kind)


def _place(number: int) -> tuple[str, Row]:
    return f"p-{number}", {
        "code": f"P-{number}", "name": f"Place {number}", "latitude": "48,208176", "longitude": "16,373819",
        "time_zone": "Europe/Vienna", "country": "AT",
    }  # fmt: skip


def _product(number: int) -> tuple[str, Row]:
    return f"acme/dock {number}", {"manufacturer": "Acme", "model": f"Dock {number}", "unit_cost": "1200.50"}


def _compatibility(number: int) -> tuple[str, Row]:
    return f"acme/dock {number}/acme/dock 0", {
        "manufacturer": "Acme", "model": f"Dock {number}", "substitute_manufacturer": "Acme",
        "substitute_model": "Dock 0", "preference": "2",
    }  # fmt: skip


def _kit(number: int) -> tuple[str, Row]:
    return f"kit {number}", {
        "name": f"Kit {number}", "component_manufacturer": "Acme", "component_model": "Dock 0", "quantity": "2",
    }  # fmt: skip


def _asset(number: int) -> tuple[str, Row]:
    return f"serial/sn{number}", {"serial": f"SN{number}", "hub": "P-1", "state": "in stock"}


def _stock(number: int) -> tuple[str, Row]:
    row = {"hub": "P-1", "manufacturer": "Acme", "model": f"Dock {number}", "quantity": "3"}
    return f"p-1/acme/dock {number}/normal", row


_NEW: Mapping[str, Callable[[int], tuple[str, Row]]] = {
    "sites": _place, "hubs": _place, "products": _product, "compatibilities": _compatibility, "kits": _kit,
    "assets": _asset, "stock": _stock,
}  # fmt: skip
