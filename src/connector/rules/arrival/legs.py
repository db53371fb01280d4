"""Parts of a way: why one is closed, what carrying costs, a road, a collection."""

from __future__ import annotations

from typing import Final

from connector.model.frozen import frozen
from connector.rules.arrival.lanes import LaneHistory, Offer, Travel

NEVER: Final = 2**40
"""A minute that never comes."""


@frozen
class Refusal:
    """Why hubs cannot serve. code: stable; text: for people."""

    code: str
    text: str


@frozen
class Carriage:
    """How a courier would carry it. minutes: transit from the departure. Offer and history: what says so, if any."""

    minutes: int
    cost_cents: int
    offer: Offer | None = None
    history: LaneHistory | None = None


@frozen
class Road:
    """A way by road. travel: the measurement; None where it is the great circle with the policy's detour and speed."""

    minutes: int
    km: float
    travel: Travel | None = None


@frozen
class Collection:
    """A technician's way to the hub. Minutes at which one sets out, is there, and leaves with the unit."""

    there: Road
    sets_out: int
    reaches: int
    collects: int
