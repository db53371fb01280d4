"""What taking over a batch came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from connector.model.refs import EntityKind

Left: TypeAlias = tuple[EntityKind, int, str]


@dataclass(frozen=True, slots=True)
class Applied:
    """What a batch came to.

    seen: records, rejected ones included. created, updated: rows. deleted: references that the source let go.
    changed: of the updates, those by records of things that the source had before. unchanged: records that said nothing
    new. quarantined: records that could not be used; refused: their fingerprints. left: of what the source let go,
    kind, id of the thing, and what the source called it. alarm: why a complete snapshot retired nothing, or None.
    """

    seen: int = 0
    created: int = 0
    updated: int = 0
    deleted: int = 0
    changed: int = 0
    unchanged: int = 0
    quarantined: int = 0
    refused: frozenset[str] = frozenset()
    left: tuple[Left, ...] = ()
    alarm: str | None = None
