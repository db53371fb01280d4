"""Why a candidate lost: the first criterion in which it differs from the chosen one, in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from connector.model.kinds import Lane
from connector.rules.candidates import (
    ARRIVES,
    COST,
    DEPARTS,
    DISTANCE,
    HUB,
    LANES,
    LATE,
    MODE,
    MODES,
    NOT_EXACT,
    OTHER_LANE,
    PREFERENCE,
    PRODUCT,
    READY,
    Found,
    Route,
)
from connector.rules.decision import Candidate, Losers
from connector.rules.facts import SourcingFacts
from connector.rules.schedules import Schedule, Schedules
from connector.rules.timetable import instant_of, minute_at_or_after

_CODES = {
    NOT_EXACT: ("substitute", "substitute, where the exact product was chosen"),
    LATE: ("misses_sla", "arrives after the due time, which the chosen one meets"),
    PREFERENCE: ("less_preferred", "less preferred substitute"),
    ARRIVES: ("arrives_later", "arrives later"),
    COST: ("costs_more", "costs more"),
    DISTANCE: ("farther", "farther away"),
    OTHER_LANE: ("lane", "draws on the break-glass lane, the chosen one does not"),
    HUB: ("equal", "equal in everything that is compared"),
    PRODUCT: ("equal", "equal in everything that is compared"),
    MODE: ("equal", "equal in everything that is compared"),
}


def candidate_of(
    route: Route, chosen: Route, facts: SourcingFacts, order: Sequence[int], hours: Schedules, now: datetime
) -> Candidate:
    """A route with all detail and the reason why it lost against the chosen one."""
    hub, lane = facts.fleet.hubs[route[HUB]], LANES[route[OTHER_LANE]]
    schedule, currency = hours.of(hub), hours.sourcing.currency
    why = ""
    if route is not chosen:
        why = _why(route, chosen, facts.fleet.hubs[chosen[HUB]].label, order, currency) + _closed(schedule, now)
    return Candidate(
        hub_id=hub.id,
        hub=hub.label,
        tier=hub.tier,
        product_id=route[PRODUCT],
        preference=route[PREFERENCE],
        lane=lane,
        free=_free(facts, route[PRODUCT], lane, hub.id),
        mode=MODES[route[MODE]],
        distance_km=route[DISTANCE],
        cost_cents=route[COST],
        ready_at=instant_of(route[READY]),
        departs_at=instant_of(route[DEPARTS]),
        arrives_at=instant_of(route[ARRIVES]),
        is_within_sla=not route[LATE],
        hours=schedule.text,
        why=why,
    )


def losers_of(found: Found, order: Sequence[int]) -> tuple[Losers, ...]:
    """Everything that is not among the best, grouped by reason: what lost, then what could not serve."""
    groups: dict[int, list[Route]] = {}
    for route in found.worse:
        groups.setdefault(_first_difference(route, found.best[0], order), []).append(route)
    lost = [
        Losers(
            *_CODES[index],
            hubs=tuple(route[HUB] for route in routes),
            minutes=tuple(route[ARRIVES] - found.best[0][ARRIVES] for route in routes) if index == ARRIVES else (),
        )
        for index, routes in sorted(groups.items())
    ]
    beyond = [_out_of_reach(bound, hubs, found.best[0], order) for bound, hubs in found.beyond]
    refused = [Losers(refusal.code, refusal.text, hubs) for refusal, hubs in found.refused.items()]
    return tuple(lost + beyond + refused)


def _out_of_reach(bound: Route, hubs: tuple[int, ...], chosen: Route, order: Sequence[int]) -> Losers:
    """Hubs that were not timed, since what their distance allows at best is worse already."""
    index = _first_difference(bound, chosen, order)
    code, text = _CODES[index]
    if index == ARRIVES:
        text += f", by {duration_text(bound[ARRIVES] - chosen[ARRIVES])} at the least"
    return Losers(code, f"{bound[DISTANCE]:.0f} km or more away: {text}", hubs)


def _free(facts: SourcingFacts, product_id: int, lane: Lane, hub_id: int) -> int:
    return sum(h.free.get(hub_id, 0) for h in facts.holdings if h.product_id == product_id and h.lane is lane)


def duration_text(minutes: int) -> str:
    """For example `2 h 10 min`, `3 d 4 h`, `5 min`."""
    days, rest = divmod(minutes, 24 * 60)
    hours, left = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (0 if days else left, "min")]
    return " ".join(f"{value} {unit}" for value, unit in parts if value) or "0 min"


def _first_difference(route: Route, chosen: Route, order: Sequence[int]) -> int:
    for index in order:
        if route[index] != chosen[index]:
            return index
    return HUB


def _why(route: Route, chosen: Route, label: str, order: Sequence[int], currency: str) -> str:
    index = _first_difference(route, chosen, order)
    if index == NOT_EXACT:
        return f"substitute, and {label} has the exact product"
    if index == LATE:
        later = duration_text(route[ARRIVES] - chosen[ARRIVES])
        return f"arrives after the due time, {later} later than {label}, which meets it"
    if index == PREFERENCE:
        return f"substitute of preference {route[PREFERENCE]}, {label} has one of preference {chosen[PREFERENCE]}"
    if index == ARRIVES:
        return f"arrives {duration_text(route[ARRIVES] - chosen[ARRIVES])} later than {label}"
    if index == COST:
        return f"costs {(route[COST] - chosen[COST]) / 100:.2f} {currency} more than {label}"
    if index == DISTANCE:
        return f"{route[DISTANCE] - chosen[DISTANCE]:.1f} km farther away than {label}"
    if index == OTHER_LANE:
        return f"draws on the break-glass lane, {label} does not"
    return f"equal to {label} in everything that is compared, and comes after it by number"


def _closed(schedule: Schedule, now: datetime) -> str:
    start = minute_at_or_after(now)
    opens = schedule.opening.next_open(start)
    return f" (closed until {instant_of(opens):%Y-%m-%d %H:%M}Z)" if opens is not None and opens > start else ""
