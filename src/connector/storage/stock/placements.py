"""Where spares stand and where they belong, by product and region, page by page."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import InvalidInput
from connector.rules.placement.next_day import NextDays
from connector.rules.placement.verdict import Demand, Judged, judged
from connector.rules.policy.document import Policy
from connector.storage.facts.fleet import present_fleet
from connector.storage.facts.placement import Pair, Placed, read_placed, read_region_sites

LARGEST_LOOK: Final = 5_000
"""Products and regions that one page looks at to find misplaced ones; where that is not enough, more are said to
follow."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A product in a region, and what the policy makes of it. days: how much of the policy's window use is recorded."""

    placed: Placed
    days: float
    judged: Judged

    @property
    def cursor(self) -> str:
        """Names its place among all."""
        return cursor_of(self.placed.pair)


@dataclass(frozen=True, slots=True)
class PlacementPage:
    """Some of them. end_cursor: where the next page begins; None on an empty last one."""

    placements: tuple[Placement, ...]
    has_more: bool
    end_cursor: str | None


async def list_placements(
    tx: AsyncConnection,
    policy: Policy,
    at: datetime,
    *,
    first: int,
    after: str | None = None,
    region: str | None = None,
    product_id: int | None = None,
    misplaced: bool | None = None,
) -> PlacementPage:
    """A page of products that regions use or keep near, ordered by region and product.

    misplaced: only what stands in the wrong place; only what does not; all when None. A page may then have fewer than
    `first` although more follow. Raises InvalidInput for a cursor that is not one of ours.
    """
    terms = policy.placement
    look = (first if misplaced is None else LARGEST_LOOK) + 1
    since = at - timedelta(days=terms.window_days)
    begin = None if after is None else _pair_of(after)
    rows = await read_placed(tx, since=since, limit=look, region=region, product_id=product_id, after=begin)
    if not rows:
        return PlacementPage((), has_more=False, end_cursor=None)
    sites = await read_region_sites(tx, {row.region for row in rows})
    next_days = NextDays(policy, await present_fleet(tx), sites.groups)
    found: list[Placement] = []
    last = rows[0].pair
    for row in rows[: look - 1]:
        if len(found) == first:
            break
        names = [sites.names[number] for number in row.classes if number in sites.names]
        placement = _judged(row, since, at, next_days, names, policy)
        last = row.pair
        if misplaced is None or placement.judged.verdict.is_misplaced == misplaced:
            found.append(placement)
    return PlacementPage(tuple(found), has_more=last != rows[-1].pair, end_cursor=cursor_of(last))


def _judged(
    row: Placed, since: datetime, at: datetime, next_days: NextDays, names: Sequence[str | None], policy: Policy
) -> Placement:
    begin = at if row.recorded_since is None else max(since, row.recorded_since)
    days = (at - begin) / timedelta(days=1)
    next_day = next_days.of(row.region, names, row.asset_class)
    demand = Demand(used=row.used, days=days, in_use=row.in_use)
    made = judged(row.asset_class, demand, row.units, next_day, policy.asset_classes, policy.placement)
    return Placement(row, days, made)


def cursor_of(pair: Pair) -> str:
    """An opaque text that names the place of a pair."""
    return base64.urlsafe_b64encode(orjson.dumps(["placement", *pair])).decode().rstrip("=")


def _pair_of(cursor: str) -> Pair:
    try:
        content = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        content = None
    match content:
        case ["placement", str(region), int(product_id)] if abs(product_id) < 2**63:
            return region, product_id
        case _:
            raise InvalidInput(
                f"cursor {cursor!r} is not one of ours", hint="Use a cursor as it was received, or leave it out."
            )
