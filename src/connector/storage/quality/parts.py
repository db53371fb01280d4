"""Data quality broken down: what every measure comes to for each source, site, product or manufacturer."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import InvalidInput
from connector.model.quality import FLAWLESS_PERCENT, QualityDimension, QualityMeasure
from connector.storage.quality.measuring import HUB_WIDE, Count, Within, breaks_down, groups_of, is_about, scores_of
from connector.storage.quality.populations import Probes

SCORED: Final = frozenset({QualityDimension.SITE, QualityDimension.PRODUCT})
"""What has scores."""

_Place: TypeAlias = tuple[int, int, str, int]
"""Percent, defects below zero, name, id."""


@dataclass(slots=True)
class Part:
    """A part of a breakdown: what each measure comes to there, and its score, where such things have one.

    id: of the source, site or product; None for manufacturers, and for what belongs to none. name: None for the latter.
    """

    id: int | None
    name: str | None
    score: Count | None = None
    counts: dict[QualityMeasure, Count] = field(default_factory=dict)

    @property
    def defects(self) -> int:
        """All defects together; a record with two counts twice."""
        return sum(count.defects for count in self.counts.values())

    @property
    def cursor(self) -> str:
        """Names its place among all."""
        return base64.urlsafe_b64encode(orjson.dumps(["quality-part", *self.place])).decode().rstrip("=")

    @property
    def place(self) -> _Place:
        """What parts are sorted by: those without a score come behind all that have one."""
        percent = self.score.percent if self.score is not None else None
        return FLAWLESS_PERCENT + 1 if percent is None else percent, -self.defects, self.name or "", self.id or 0


async def parts_of(tx: AsyncConnection, probes: Probes, by: QualityDimension, within: Within = HUB_WIDE) -> list[Part]:
    """Every part with what the measures come to there: the lowest score first, then the most defects.

    The score is that of the site or product as a whole, whatever the question is narrowed to.
    """
    parts: dict[tuple[int | None, str | None], Part] = {}
    for measure in (each for each in probes.seen if breaks_down(each, by.scope) and is_about(each, within)):
        for group in await groups_of(tx, probes, measure, by.scope, within=within):
            part = parts.setdefault((group.id, group.name), Part(group.id, group.name))
            part.counts[measure] = group.count
    if by in SCORED:
        scores = await scores_of(tx, probes, by.scope, {part.id for part in parts.values() if part.id is not None})
        for part in parts.values():
            part.score = None if part.id is None else scores.get(part.id)
    return sorted(parts.values(), key=lambda part: part.place)


def behind(parts: Sequence[Part], cursor: str | None) -> Sequence[Part]:
    """Those that come behind a cursor, all without one. Raises InvalidInput for one that is not one of ours."""
    if cursor is None:
        return parts
    place = _place_of(cursor)
    return [part for part in parts if part.place > place]


def _place_of(cursor: str) -> _Place:
    try:
        content = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        content = None
    match content:
        case ["quality-part", int(percent), int(defects), str(name), int(number)]:
            return percent, defects, name, number
        case _:
            raise InvalidInput(
                f"cursor {cursor!r} is not one of ours", hint="Use a cursor as it was received, or leave it out."
            )
