"""SANDBOX: the rows of an instance, who changed them when, and the rules that refuse a change."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from connector.sdk import Clock
from connector_servicenow.sandbox.schema import COLUMNS, JOURNALS, LENGTHS, REFERENCES, columns_of, lineage

Row: TypeAlias = dict[str, str]
DISPLAYED = ("number", "display_name", "name", "user_name")


class Refusal(Exception):  # noqa: N818 - says what is so
    """An answer other than the wanted one."""

    def __init__(self, status: int, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "detail": detail or None}, "status": "failure"}


@dataclass(frozen=True)
class Entry:
    """An entry in a journal."""

    task: str
    element: str
    text: str
    at: datetime


@dataclass
class Instance:
    """Rows by sys_id. hidden: rows that the user may not see. changes: row, column and value of every change."""

    clock: Clock
    rows: dict[str, Row] = field(default_factory=dict)
    journal: list[Entry] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    mandatory: dict[str, tuple[str, ...]] = field(
        default_factory=lambda: {"6": ("close_code", "close_notes"), "7": ("close_code", "close_notes")}
    )
    _made: int = 0

    def add(self, table: str, at: datetime | None = None, **values: str) -> str:
        """A new row; its sys_id."""
        self._made += 1
        sys_id = hashlib.md5(str(self._made).encode(), usedforsecurity=False).hexdigest()
        stamp = written(at or self.clock.now())
        self.rows[sys_id] = dict.fromkeys(columns_of(table), "") | {
            "sys_id": sys_id, "sys_class_name": table, "sys_created_on": stamp, "sys_updated_on": stamp, **values,
        }  # fmt: skip
        return sys_id

    def change(self, sys_id: str, at: datetime | None = None, **values: str) -> None:
        """Change columns of a row, as far as it has them."""
        row, moment = self.rows[sys_id], at or self.clock.now()
        before = dict(row)
        for column, told in values.items():
            if column in JOURNALS and "task" in lineage(row["sys_class_name"]):
                self.journal.append(Entry(sys_id, column, told, moment))
            elif column in row:
                row[column] = told[: LENGTHS.get(column, len(told))]
        noted = [(sys_id, column, row[column]) for column in row if row[column] != before[column]]
        self.changes += noted
        if noted or any(column in JOURNALS for column in values):
            row["sys_updated_on"] = written(moment)

    def patch(self, sys_id: str, values: Row, *, display: bool) -> None:
        """Change a row as a request does. Raises Refusal where a rule does not allow it."""
        row = self.rows[sys_id]
        wanted = {column: self._meant(column, told, row) if display else told for column, told in values.items()}
        after = row | wanted
        if row["sys_class_name"] == "incident":
            missing = [each for each in self.mandatory.get(after["state"], ()) if not after.get(each)]
            if missing:
                raise Refusal(
                    403, "Operation Failed",
                    f"Data Policy Exception: The following fields are mandatory: {', '.join(missing)}",
                )  # fmt: skip
        tag = wanted.get("asset_tag")
        if tag and any(each["sys_id"] != sys_id and each.get("asset_tag") == tag and
                       each["sys_class_name"] == row["sys_class_name"] for each in self.rows.values()):  # fmt: skip
            raise Refusal(
                403, "Operation Failed",
                f"Operation against file '{row['sys_class_name']}' was aborted by Business Rule 'Unique asset tag'",
            )  # fmt: skip
        self.change(sys_id, None, **wanted)

    def remove(self, sys_id: str, at: datetime | None = None) -> None:
        """Delete a row; the deletion is recorded."""
        row = self.rows.pop(sys_id)
        self.add("sys_audit_delete", at, tablename=row["sys_class_name"], documentkey=sys_id)

    def of(self, table: str) -> list[Row]:
        """The rows of a table, those of tables that extend it included."""
        return [row for row in self.rows.values() if table in lineage(row["sys_class_name"])]

    def column(self, row: Row, path: str) -> str | None:
        """A column, or one of what the row refers to; None where there is none of that name."""
        name, _, rest = path.partition(".")
        if not rest:
            return row.get(name)
        target = REFERENCES.get(name)
        if target is None or name not in row:
            return None
        if rest.partition(".")[0] not in _possible(target):
            return None
        found = self.rows.get(row[name])
        return "" if found is None else self.column(found, rest) or ""

    def shown(self, row: Row, path: str) -> str | None:
        """What people see of a column."""
        if path in JOURNALS and "task" in lineage(row["sys_class_name"]):
            entries = [each for each in self.journal if (each.task, each.element) == (row["sys_id"], path)]
            return "".join(
                f"{written(each.at)} - Connector ({JOURNALS[path]})\n{each.text}\n\n" for each in reversed(entries)
            )
        told = self.column(row, path)
        target = self.rows.get(told or "") if path.rpartition(".")[2] in REFERENCES else None
        return display_of(target) if target else told

    def _meant(self, column: str, told: str, row: Row) -> str:
        """The row that a display value names; a text that names none clears a reference."""
        table = REFERENCES.get(column)
        if table is None or column not in row:
            return told
        return next((each["sys_id"] for each in self.of(table) if told in (each["sys_id"], display_of(each))), "")


def display_of(row: Row) -> str:
    """What a row is called."""
    return next((row[column] for column in DISPLAYED if row.get(column)), row["sys_id"])


def written(at: datetime) -> str:
    """A time as ServiceNow keeps it: UTC, without saying so."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _possible(table: str) -> set[str]:
    """Columns that a row of a table, or of one that extends it, may have."""
    family = [each for each in (*COLUMNS, "cmdb_ci_hardware", "alm_hardware") if table in lineage(each)]
    return {column for each in family for column in columns_of(each)}
