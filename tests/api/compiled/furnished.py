"""A database full of rows that nobody would make on purpose: every column takes awkward values at random."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Date, Float, LargeBinary, Table, insert, text
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import AutoString, SQLModel

from connector.model.refs import EntityKind
from connector.storage.database.engine import transaction
from connector.storage.query import ENTITIES
from connector.storage.tables.columns import EnumText, UtcDateTime
from tests.api.seed import EXPLANATION

TEXTS = ("", "a", "A", "ab", "Ba", "100%", "x_y", "it's", '"', "\\", "\n", "日本", "ß", "😀 go", "EU", "\u2028\x7f")
TIMES = tuple(
    datetime(2026, 11, 25, 9, tzinfo=UTC) + timedelta(**step)
    for step in ({}, {"hours": 1}, {"microseconds": 1}, {"milliseconds": 120}, {"days": -400}, {"days": 90})
)
NUMBERS = (0, 1, 1, 2, 3, 5, 100, 2**31 - 1)
REALS = (0.0, 52.52, -0.1, 13.405, 1 / 3, -89.99999999999997, 1e-7)
DAYS = (date(2026, 11, 25), date(2027, 3, 1), date(1999, 12, 31))
LARGE_KEYS = (2**53 + 1, 2**62 + 3)
"""Keys that a number of JavaScript cannot hold."""

_LINE = {"product": "Acme", "part_number": None, "quantity": 1, "serial": "日", "asset_tag": None, "is_device": True}
_HUB = {"hub_id": 1, "hub": "Berlin", "free": 2, "protected": 0, "kept": 1, "promised": 1}
_WAVE = {"wave": 1, "states": {"planned": 1}}
_GIVES = {
    "kind": "transfer",
    "name": "Ütrecht",
    "tier": "central",
    "distance_km": 40,
    "free": 5,
    "keeps": 2,
    "takes": 3,
}
_ATTEMPT = {
    "rule": "asset_tag",
    "compared": {"asset_tag": ["T1"]},
    "found": [1],
    "left_out": [{"asset_id": 2, "reason": "serial differs"}],
    "note": None,
}
_FACT = {"fact": "site", "stated": 1, "known": None, "agreement": "missing"}
_SELLS = {"kind": "purchase", "name": "acme", "expected_at": "2026-11-25T10:00:00+00:00", "takes": 0}
_REPORT = {"tickets": ["1"], "units": {"normal": 2}, "cost_cents": 3, "skipped_approvals": 0}
_COUNTED = {
    "stream": "tickets", "records": 10, "new": 1, "changed": 3, "retired": 0, "unchanged": 6, "unusable": 2,
}  # fmt: skip
_SEVERAL_KNOW = (EntityKind.ASSET, EntityKind.SITE, EntityKind.HUB, EntityKind.PRODUCT)
DOCUMENTS: dict[str, tuple[Any, ...]] = {
    "site.address": (None, {}, {"line1": "Kai 1", "city": "日本", "note": "not shown"}),
    "hub.address": (None, {"line1": "1 Depot Road", "country": "DE"}),
    "hub.courier_cut_offs": ([], ["12:00", "17:00"]),
    "service_class.closed_dates": ([], ["2026-12-24"]),
    "decision.explanation": (EXPLANATION,),
    "approval.roles": (["approver"], []),
    "approval.widenings": ([], [{"at": "2026-11-25T10:00:00+00:00", "roles": ["boss"]}]),
    "delegation.roles": (["approver"],),
    "task.packing_list": ([], [_LINE]),
    "rollout.plan": ({}, {"hubs": [_HUB]}),
    "rollout.progress": ({"states": {"planned": 1}, "waves": [_WAVE]},),
    "replenishment.explanation": (
        {"candidates": []},
        {"candidates": [{**_GIVES, "why": None}, {**_SELLS, "why": "nothing is left to buy"}]},
    ),
    "incident_group.statistics": ({}, {"seen": 9_007_199_254_740_993, "rate": 0.1}),
    "red_channel.scope": ({}, {"products": [1], "regions": ["EU"]}),
    "red_channel.report": (None, _REPORT),
    "sync_plan.streams": (None, ["tickets", "devices"]),
    "sync_plan.counts": ([], [_COUNTED]),
    "sync_plan.alarms": ([], ["39 of 40 records (site) are missing"]),
    "identity_review.stated": ({}, {"serial": "日", "mac": ["00:1B:54:00:00:01"]}),
    "identity_review.attempts": ([], [_ATTEMPT]),
    "identity_candidate.rules": (["mac"], []),
    "identity_candidate.facts": ([], [_FACT]),
    **{f"{table}.kind": _SEVERAL_KNOW for table in ("field_conflict", "field_override")},
    **{f"{table}.field": ("place", "position", "holder", "tier") for table in ("field_conflict", "field_override")},
    "field_conflict.statements": (
        [],
        [["cmdb", "a1", ["日"], 1_764_061_200_000_000, None], ["mdm", "7", [None, 5], 1_764_061_200_000_001, 1]],
    ),
    "field_override.value": ([None], ["ß"], [52.5, 13.4], [{"line1": "Kai 1", "postal_code": "20457"}, "DE"]),
    "field_override.replaced": ([None], [1]),
    "asset_merge.moved": ({}, {"tickets": 2, "records": 1}),
    "asset_merge.stayed": (None, [], [{"what": "tickets", "id": 3, "why": "it is gone"}]),
    "quarantine.record": (None, {"id": 9, "text": "ß", "deep": [1, None, 2.5]}),
}
"""Values of columns that hold documents, or words that mean something."""

EMPTY = frozenset({"asset.merged_into_id"})
"""Columns without values: lists leave out rows that have one, which is tested with merges themselves."""

ROWS = 10
"""Rows of each entity, where its rules allow them."""


_made: dict[tuple[str, int], tuple[dict[Table, list[dict[str, Any]]], Sequence[Any]]] = {}
"""Database and seed -> the rows that its rules allow, and where its sequences stand: finding them takes seconds."""


async def furnish(engine: AsyncEngine, seed: int = 20_261_125) -> None:
    """Fill the empty tables of all entities; with one seed, with the same rows each time."""
    which = (engine.dialect.name, seed)
    if which not in _made:
        found = await _find_rows(engine, seed)
        async with transaction(engine) as tx:
            _made[which] = found, (await tx.execute(text(_STANDING))).all() if which[0] == "postgresql" else ()
        return
    found, sequences = _made[which]
    async with transaction(engine) as tx:
        for table, rows in found.items():
            await tx.execute(insert(table), rows)
        for name, value in sequences:
            await tx.execute(text("SELECT setval(CAST(:name AS regclass), :value)"), {"name": name, "value": value})


_STANDING = """
    SELECT format('%I.%I', schemaname, sequencename), last_value FROM pg_sequences
    WHERE schemaname = 'public' AND last_value IS NOT NULL
"""


async def _find_rows(engine: AsyncEngine, seed: int) -> dict[Table, list[dict[str, Any]]]:
    """Fill the tables. Rows that break a rule of the schema are tried again with other values."""
    chance = Random(seed)  # noqa: S311
    keys: dict[str, list[int]] = {}
    found: dict[Table, list[dict[str, Any]]] = {}
    of_entities = {entity.table for entity in ENTITIES.values()}
    async with transaction(engine) as tx:
        for table in SQLModel.metadata.sorted_tables:
            if table not in of_entities:
                continue
            made = keys.setdefault(table.name, [])
            for attempt in range(ROWS * 40):
                if len(made) == ROWS:
                    break
                try:
                    values = {
                        column.name: _value(table, column, keys, chance, attempt)
                        for column in table.columns
                        if column.name != "id"
                    }
                    if len(made) in (3, 4):
                        values["id"] = LARGE_KEYS[len(made) - 3]
                    async with tx.begin_nested():
                        key = (await tx.execute(insert(table).values(**values).returning(table.c.id))).scalar_one()
                except (DataError, IntegrityError, _Impossible):
                    continue
                made.append(key)
                found.setdefault(table, []).append({**values, "id": key})
    return found


class _Impossible(Exception):  # noqa: N818 - named by what is wrong
    """There is no row yet that a column must refer to."""


def _value(table: Table, column: Column[Any], keys: dict[str, list[int]], chance: Random, number: int) -> Any:
    if f"{table.name}.{column.name}" in EMPTY or (column.nullable and chance.random() < 0.35):
        return None
    for key in column.foreign_keys:
        found = keys.get(key.column.table.name, [])
        if not found and not column.nullable:
            raise _Impossible(column.name)
        return chance.choice(found) if found else None
    document = DOCUMENTS.get(f"{table.name}.{column.name}")
    if document is not None:
        return chance.choice(document)
    match column.type:
        case UtcDateTime():
            return chance.choice(TIMES)
        case EnumText(enum=enum):
            return chance.choice(list(enum))
        case Boolean():
            return chance.random() < 0.5
        case Float():
            return chance.choice(REALS)
        case Date():
            return chance.choice(DAYS)
        case LargeBinary():
            return bytes(chance.choices(range(256), k=9))
        case JSON():
            return {}
        case AutoString():
            return chance.choice(TEXTS) + (str(number) if chance.random() < 0.3 else "")
        case _:
            return chance.choice(NUMBERS)
