"""Why a candidate lost: the first criterion in which it differs from the chosen one, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from connector.model.kinds import Lane
from connector.rules.arrival.itinerary import steps_of, timed
from connector.rules.arrival.schedules import Schedule
from connector.rules.arrival.timetable import instant_of, minute_at_or_after, moment_text
from connector.rules.arrival.ways import MODES, Ways
from connector.rules.facts.facts import SourcingFacts
from connector.rules.sourcing.candidate import Candidate, Compared, Losers, Recorded
from connector.rules.sourcing.candidates import LANES, Found
from connector.rules.sourcing.deferred import Deferred
from connector.rules.sourcing.ranking import (
    ARRIVES,
    CHANCE,
    COST,
    DEPARTS,
    DISTANCE,
    HUB,
    LATE,
    LATENESS,
    MODE,
    NOT_EXACT,
    OTHER_LANE,
    PREFERENCE,
    PRODUCT,
    READY,
    UNLIKELY,
    Ranking,
    Route,
)

STEP_BY_STEP = 3
"""Candidates whose way is shown step by step: of the best ones, so that an explanation stays short."""

_CODES = {
    NOT_EXACT: ("substitute", "substitute, where the exact product was chosen"),
    LATE: ("misses_sla", "arrives after the due time, which the chosen one meets"),
    UNLIKELY: ("less_likely", "less likely to arrive in time"),
    LATENESS: ("later_than_due", "arrives longer after the time when it is needed"),
    PREFERENCE: ("less_preferred", "less preferred substitute"),
    ARRIVES: ("arrives_later", "arrives later"),
    COST: ("costs_more", "costs more"),
    DISTANCE: ("farther", "farther away"),
    OTHER_LANE: ("lane", "draws on a lane that comes after that of the chosen one"),
    HUB: ("equal", "equal in everything that is compared"),
    PRODUCT: ("equal", "equal in everything that is compared"),
    MODE: ("equal", "equal in everything that is compared"),
}


def candidates_of(found: Found, ranking: Ranking, facts: SourcingFacts, now: datetime) -> Sequence[Candidate]:
    """The best routes with all detail, the chosen one first; they are made when somebody looks at them."""
    chosen, ways = found.first, found.searching.ways
    if chosen is None:
        raise AssertionError("asked only where something was found")

    def rest() -> Iterator[Candidate]:
        for place, route in enumerate(found.best[1:], 1):
            yield candidate_of(route, chosen, facts, ranking, ways, now, has_steps=place < STEP_BY_STEP)

    return Compared(
        lambda: candidate_of(chosen, chosen, facts, ranking, ways, now),
        rest,
        lambda: _recorded(found.best, facts, ranking, ways, minute_at_or_after(now)),
    )


def _recorded(routes: Sequence[Route], facts: SourcingFacts, ranking: Ranking, ways: Ways, start: int) -> Recorded:
    """Routes as they are recorded, with what is needed to say later why each lost. start: when it was decided."""
    hubs, told, leave = facts.fleet.hubs, facts.fleet.told, ways.leave
    free = {(holding.product_id, LANES.index(holding.lane)): holding.free for holding in facts.holdings}
    works: dict[Schedule, int] = {}
    shelves = [
        (
            *told[hub],
            works.setdefault(leave[hub][0], len(works)),
            shelf.get(hub, 0) if (shelf := free.get((route[PRODUCT], route[OTHER_LANE]))) is not None else 0,
        )
        for route in routes
        for hub in (route[HUB],)
    ]
    return {
        "routes": routes,
        "shelves": shelves,
        "steps": [timed(route, ways, hubs[route[HUB]]) for route in routes[:STEP_BY_STEP]],
        "schedules": [(schedule.text, closed_until(schedule, start)) for schedule in works],
        "compared": ranking.recorded,
        "currency": ways.sourcing.currency,
    }


def candidate_of(
    route: Route,
    chosen: Route,
    facts: SourcingFacts,
    ranking: Ranking,
    ways: Ways,
    now: datetime,
    *,
    has_steps: bool = True,
) -> Candidate:
    """A route with all detail and the reason why it lost against the chosen one. has_steps: its way step by step."""
    hub, lane = facts.fleet.hubs[route[HUB]], LANES[route[OTHER_LANE]]
    schedule = ways.ready(hub)[0]
    why = ""
    if route is not chosen:
        label, currency = facts.fleet.hubs[chosen[HUB]].label, ways.sourcing.currency
        opens = closed_until(schedule, minute_at_or_after(now))
        why = why_text(route, chosen, label, ranking, currency) + closed_text(opens)
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
        probability=route[CHANCE],
        is_mobile=hub.profile.is_mobile,
        steps=Deferred(lambda: steps_of(route, ways, hub)) if has_steps else (),
        hours=schedule.text,
        why=why,
    )


def losers_of(found: Found, ranking: Ranking) -> tuple[Losers, ...]:
    """Everything that is not among the best, grouped by reason: what lost, then what could not serve."""
    groups: dict[int, list[Route]] = {}
    best = found.best
    for route in found.worse:
        groups.setdefault(ranking.first_difference(route, best[0]), []).append(route)
    lost = [
        Losers(
            *_CODES[index],
            hubs=tuple([route[HUB] for route in routes]),
            minutes=tuple([route[ARRIVES] - best[0][ARRIVES] for route in routes]) if index == ARRIVES else (),
        )
        for index, routes in sorted(groups.items())
    ]
    beyond = [_out_of_reach(bound, hubs, best[0], ranking) for bound, hubs in found.beyond]
    refused = [Losers(refusal.code, refusal.text, hubs) for refusal, hubs in found.refused.items()]
    return tuple(lost + beyond + refused)


def _out_of_reach(bound: Route, hubs: tuple[int, ...], chosen: Route, ranking: Ranking) -> Losers:
    """Hubs that were not timed, since what their distance allows at best is worse already."""
    index = ranking.first_difference(bound, chosen)
    code, text = _CODES[index]
    if index == ARRIVES:
        text += f", by {duration_text(bound[ARRIVES] - chosen[ARRIVES])} at the least"
    return Losers(code, f"{bound[DISTANCE]:.0f} km or more away: {text}", hubs)


def _free(facts: SourcingFacts, product_id: int, lane: Lane, hub_id: int) -> int:
    return sum([h.free.get(hub_id, 0) for h in facts.holdings if h.product_id == product_id and h.lane is lane])


def duration_text(minutes: int) -> str:
    """For example `2 h 10 min`, `3 d 4 h`, `5 min`."""
    days, rest = divmod(minutes, 24 * 60)
    hours, left = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (0 if days else left, "min")]
    return " ".join(f"{value} {unit}" for value, unit in parts if value) or "0 min"


def why_text(route: Route, chosen: Route, label: str, ranking: Ranking, currency: str) -> str:
    """Why a route lost against the chosen one, for people. label: what people call the hub of that one."""
    index = ranking.first_difference(route, chosen)
    if index == NOT_EXACT:
        return f"substitute, and {label} has the exact product"
    if index == LATE:
        later = duration_text(route[ARRIVES] - chosen[ARRIVES])
        return f"arrives after the due time, {later} later than {label}, which meets it"
    if index == UNLIKELY:
        return f"{route[CHANCE]:.0%} likely to arrive in time, against {chosen[CHANCE]:.0%} for {label}"
    if index == LATENESS:
        return f"arrives {duration_text(route[ARRIVES] - chosen[ARRIVES])} later than {label}"
    if index == PREFERENCE:
        return f"substitute of preference {route[PREFERENCE]}, {label} has one of preference {chosen[PREFERENCE]}"
    if index == ARRIVES:
        return f"arrives {duration_text(route[ARRIVES] - chosen[ARRIVES])} later than {label}"
    if index == COST:
        return f"costs {(route[COST] - chosen[COST]) / 100:.2f} {currency} more than {label}"
    if index == DISTANCE:
        return f"{route[DISTANCE] - chosen[DISTANCE]:.1f} km farther away than {label}"
    if index == OTHER_LANE:
        return (
            f"draws on the {LANES[route[OTHER_LANE]].value} lane, {label} on the {LANES[chosen[OTHER_LANE]].value} one"
        )
    return f"equal to {label} in everything that is compared, and comes after it by number"


def closed_until(schedule: Schedule, start: int) -> int | None:
    """When a hub that is closed at a minute opens; None when it is open, or never is."""
    opens = schedule.opening.next_open(start)
    return opens if opens is not None and opens > start else None


def closed_text(opens: int | None) -> str:
    """What is said of a hub that is closed until a minute; "" for one that is open."""
    return "" if opens is None else f" (closed until {moment_text(instant_of(opens))})"
