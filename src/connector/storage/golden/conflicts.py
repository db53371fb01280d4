"""Where sources that have a thing contradict each other: noted when it begins, kept up to date, gone when it ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import GoldenReason
from connector.model.refs import EntityKind
from connector.rules.golden.choosing import Precedence, choose
from connector.storage.database.bulk import among, insert_rows, new_ids, update_rows
from connector.storage.golden.evidence import Told
from connector.storage.tables import field_conflict

ABOUT: Final = {kind: f"{kind.value}_id" for kind in map(EntityKind, ("asset", "site", "hub", "product"))}
"""Kind -> the column that holds the id of a thing of that kind."""


async def note_conflicts(
    tx: AsyncConnection, kind: EntityKind, things: Iterable[tuple[int, Told]], precedence: Precedence, *, at: datetime
) -> None:
    """Note where what is said of these things differs, by id; nothing is written where that is known."""
    new: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    ended: list[int] = []
    for row_id, told in things:
        found = _conflicts(kind, told, precedence)
        ended += [noted.id for name, noted in told.noted.items() if name not in found]
        for name, values in found.items():
            noted = told.noted.get(name)
            if noted is None:
                about = dict.fromkeys(ABOUT.values()) | {ABOUT[kind]: row_id}
                made = {"kind": kind, "entity_id": row_id, **about, "field": name, "created_at": at, "updated_at": at}
                new.append({**made, **values})
            elif (noted.source, noted.reason, noted.statements) != tuple(values.values()):
                changed.append({"id": noted.id, **values, "updated_at": at})
    if ended:
        await tx.execute(delete(field_conflict).where(among(tx, field_conflict.c.id, ended)))
    ids = await new_ids(tx, field_conflict, len(new))
    await insert_rows(tx, field_conflict, [{"id": row_id, **row} for row_id, row in zip(ids, new, strict=True)])
    await update_rows(tx, field_conflict, sorted(changed, key=lambda row: int(row["id"])))


def _conflicts(kind: EntityKind, told: Told, precedence: Precedence) -> Mapping[str, dict[str, Any]]:
    """Field -> whose value holds, why, and what is said, where two values are said."""
    found: dict[str, dict[str, Any]] = {}
    for name in sorted(told.contested()):
        said = told.of(name)
        choice = choose(kind, name, said, precedence)
        if choice is None:
            continue
        is_overridden = name in told.overrides
        found[name] = {
            "source": None if is_overridden else choice.teller[0],
            "reason": GoldenReason.OVERRIDE if is_overridden else choice.reason,
            "statements": [
                [source, external_id, list(one.values), one.said, one.version]
                for (source, external_id), one in sorted(said.items())
            ],
        }
    return found
