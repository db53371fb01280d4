"""Everything that hangs on a device, and moving it to another one.

Each table that names a device is listed here with what becomes of it; a test compares the list with the schema, so that
no new one is forgotten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypedDict

from sqlalchemy import Table, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.refs import EntityKind
from connector.storage.database.bulk import among
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.rows import json_value
from connector.storage.merging.journal import Entry, dropped, moved
from connector.storage.tables import (
    asset,
    asset_mac,
    asset_relation,
    field_override,
    identity_candidate,
    identity_review,
    loan,
    reservation,
    rma,
    source_ref,
    ticket,
)


class Said(TypedDict):
    """Who has something moved, why, and when."""

    actor: str
    cause: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Hanging:
    """Rows that name a device. columns: all that hold its id. word: what they are, for people.

    kind: under which each of them has its line in the change log; None where the device's own says it. same: columns by
    which a row is known again, where its id may be another's later. once_by: those by which a device has one at most;
    of two the one that hangs on the device that is kept stays.
    """

    word: str
    table: Table
    columns: tuple[str, ...]
    kind: EntityKind | None = None
    same: tuple[str, ...] = ()
    once_by: tuple[str, ...] = ()


HANGING: Final[Sequence[Hanging]] = (
    Hanging("records", source_ref, ("entity_id",), same=("source_id", "kind", "external_id")),
    Hanging("addresses", asset_mac, ("asset_id",), same=("source_id", "mac"), once_by=("source_id", "mac")),
    Hanging(
        "relations", asset_relation, ("asset_id",), same=("source_id", "said_by", "kind", "external_id")
    ),
    Hanging(
        "relations", asset_relation, ("other_id",), same=("source_id", "said_by", "kind", "external_id")
    ),
    Hanging("overrides", field_override, ("entity_id", "asset_id"), same=("kind", "field")),
    Hanging("tickets", ticket, ("asset_id",), kind=EntityKind.TICKET),
    Hanging("reservations", reservation, ("asset_id",), kind=EntityKind.RESERVATION),
    Hanging("loans", loan, ("asset_id",), kind=EntityKind.LOAN),
    Hanging("returns", rma, ("asset_id",), kind=EntityKind.RMA),
    Hanging("returns", rma, ("received_asset_id",), kind=EntityKind.RMA),
    Hanging("identity reviews", identity_review, ("asset_id",), kind=EntityKind.IDENTITY_REVIEW),
    Hanging("candidates", identity_candidate, ("asset_id",), same=("review_id",), once_by=("review_id",)),
    Hanging("merged devices", asset, ("merged_into_id",), kind=EntityKind.ASSET),
)  # fmt: skip
"""What moves, in the order in which it does. Tasks and parcels hang on reservations and tickets, and go with them."""

STAYING: Final[Mapping[tuple[str, str], str]] = {
    ("field_conflict", "asset_id"): "worked out of what is stated, for each device anew",
    ("field_conflict", "entity_id"): "the same",
    ("asset_merge", "kept_id"): "what was done, with the devices that it was done to",
    ("asset_merge", "merged_id"): "the same",
    ("change", "entity_id"): "what happened to a device happened to that one",
    ("event_delivery", "entity_id"): "others are told what happened to that one",
}
"""Columns that hold the id of a device and go on doing so -> why."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What went over, row by row. counts: of rows, by the word for people."""

    entries: list[Entry] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


async def move_hanging(tx: AsyncConnection, merged: int, kept: int, *, actor: str, cause: str, at: datetime) -> Moved:
    """Let everything that names one device name the other, each with its line in the log."""
    done, changes = Moved(), list[NewChange]()
    for hanging in HANGING:
        rows = await _rows(tx, hanging, [merged])
        beside = await _beside(tx, hanging, kept) if rows and hanging.once_by else {}
        going = [row for row in rows if _once(hanging, row) not in beside]
        double = [(row, beside[_once(hanging, row)]) for row in rows if _once(hanging, row) in beside]
        await point(tx, hanging, [row["id"] for row in going], kept, at=at)
        if double:
            ids = [row["id"] for row, _ in double]
            await tx.execute(delete(hanging.table).where(among(tx, hanging.table.c.id, ids)))
        done.entries.extend(moved(hanging.table.name, hanging.columns, row, hanging.same) for row in going)
        done.entries.extend(dropped(hanging.table, row, beside=other) for row, other in double)
        done.counts[hanging.word] += len(rows)
        changes += logged(hanging, rows, merged, kept)
    await log_changes(tx, changes, actor=actor, cause=cause, at=at)
    done.counts.pop("candidates")
    return done


async def point(tx: AsyncConnection, hanging: Hanging, ids: Collection[int], to: int | None, *, at: datetime) -> None:
    """Let rows name this device."""
    if not ids:
        return
    table = hanging.table
    stamp = {"updated_at": at} if "updated_at" in table.c else {}
    values = dict.fromkeys(hanging.columns, to)
    await tx.execute(update(table).where(among(tx, table.c.id, ids)).values(**values, **stamp))


def logged(hanging: Hanging, rows: Sequence[Mapping[str, Any]], before: int, after: int) -> list[NewChange]:
    """The lines of the log for rows that name another device than before."""
    [column, *_] = hanging.columns
    if hanging.table is identity_candidate:
        pair = {"candidates": (before, after)}
        return [NewChange(EntityKind.IDENTITY_REVIEW, row["review_id"], "updated", pair) for row in rows]
    if hanging.table is asset_relation and column == "other_id":
        named = [
            (row["asset_id"], row["kind"], row["external_id"]) for row in rows if row["asset_id"] not in (before, after)
        ]
        return [NewChange(EntityKind.ASSET, of, "updated", {kind.value: ([name], [name])}) for of, kind, name in named]
    if hanging.kind is None:
        return []
    return [NewChange(hanging.kind, row["id"], "updated", {column: (before, after)}) for row in rows]


async def _rows(tx: AsyncConnection, hanging: Hanging, devices: Collection[int]) -> list[dict[str, Any]]:
    """The rows that name these devices, whole, locked in key order."""
    table = hanging.table
    statement = select(table).where(table.c[hanging.columns[0]].in_(devices))
    if hanging.columns[0] == "entity_id":
        statement = statement.where(table.c.kind == EntityKind.ASSET)
    statement = statement.order_by(table.c.id).with_for_update(key_share=True)
    return [dict(row) for row in (await tx.execute(statement)).mappings()]


async def _beside(tx: AsyncConnection, hanging: Hanging, kept: int) -> dict[tuple[Any, ...], int]:
    return {_once(hanging, row): row["id"] for row in await _rows(tx, hanging, [kept])}


def _once(hanging: Hanging, row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(json_value(row[name]) for name in hanging.once_by)
