"""What a rule and a policy say of every way, in the numbers that a search calculates with."""

from __future__ import annotations

from math import ceil
from typing import Final

from connector.model.frozen import frozen
from connector.rules.policy.document import Mode, Rule, Sourcing

_MOST_REMEMBERED: Final = 256


@frozen
class Terms:
    """max_km: by road, negative where nobody brings anything; max_direct_km: the same of great circle.

    spread: per cent by which a drive may take longer or shorter. band_ends: where each band of transit but the last
    one ends; transits: minutes and cents of each band.
    """

    rule: Rule
    sourcing: Sourcing
    may_send: bool
    may_collect: bool
    max_km: float
    max_direct_km: float
    minutes_per_km: float
    cents_per_km: float
    spread: int
    band_ends: list[float]
    transits: list[tuple[int, int]]


_known: dict[tuple[int, int], Terms] = {}


def terms_of(rule: Rule, sourcing: Sourcing) -> Terms:
    """Worked out once for each rule of the policies that are in use."""
    key = (id(rule), id(sourcing))
    known = _known.get(key)
    if known is not None and known.rule is rule and known.sourcing is sourcing:
        return known
    while len(_known) >= _MOST_REMEMBERED:
        _known.pop(next(iter(_known)))
    drive, bands = sourcing.drive, sourcing.courier.transit
    limit = drive.max_drive_km if rule.max_drive_km is None else rule.max_drive_km
    max_km = limit if Mode.DRIVE in rule.transport else -1.0
    _known[key] = Terms(
        rule=rule,
        sourcing=sourcing,
        may_send=Mode.COURIER in rule.transport,
        may_collect=Mode.TECHNICIAN in rule.transport,
        max_km=max_km,
        max_direct_km=max_km / drive.detour_factor,
        minutes_per_km=drive.detour_factor * 60 / drive.speed_kmh,
        cents_per_km=2 * drive.detour_factor * drive.cost_cents_per_km,
        spread=drive.spread_percent,
        band_ends=[band.within_km for band in bands if band.within_km is not None],
        transits=[(ceil(band.hours * 60), band.cost_cents) for band in bands],
    )
    return _known[key]
