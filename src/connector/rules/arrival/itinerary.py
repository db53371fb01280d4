"""The way of a unit step by step, as an explanation shows it: picked, checked, packed, on its way, handed over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from connector.model.frozen import frozen
from connector.rules.arrival.legs import Carriage, Road
from connector.rules.arrival.schedules import TimedStep
from connector.rules.arrival.timetable import instant_of
from connector.rules.arrival.ways import COURIER, TECHNICIAN, Ways
from connector.rules.facts.fleet import HubFacts
from connector.rules.sourcing.ranking import ARRIVES, DEPARTS, DISTANCE, HUB, MODE, READY, Route


@frozen
class ArrivalStep:
    """A step between the decision and the arrival. name: stable; at: when it is over; text: what says so, for people.

    minutes: what it takes by itself, without waiting; None where it is a moment.
    """

    name: str
    at: datetime
    minutes: int | None = None
    text: str = ""


def steps_of(route: Route, ways: Ways, hub: HubFacts) -> tuple[ArrivalStep, ...]:
    """The steps of a route, in the order in which they happen."""
    return tuple(
        ArrivalStep(name, instant_of(at), minutes, text) for name, at, minutes, text in timed(route, ways, hub)
    )


def timed(route: Route, ways: Ways, hub: HubFacts) -> list[TimedStep]:
    """The same as name, minute since 1970 UTC, minutes and text."""
    schedule, km = ways.ready(hub)[0], route[DISTANCE]
    steps: list[TimedStep] = [*ways.handled(hub)]
    if route[MODE] == COURIER:
        leaves = route[DEPARTS]
        carriage = ways.carriages.of(hub, km, leaves)
        steps.append(("cut_off", leaves, None, schedule.cut_off))
        steps.append(("transit", leaves + carriage.minutes, carriage.minutes, _carried(carriage, ways, route)))
        steps.append(("site_window", route[ARRIVES], None, "handed over"))
        return steps
    road = ways.road(route[HUB], km)
    if road is None:
        return steps
    if route[MODE] == TECHNICIAN:
        steps += _collecting(route, ways, hub, road)
    steps.append(("drive", route[DEPARTS] + road.minutes, road.minutes, _driven(road, ways, route)))
    steps.append(("site_window", route[ARRIVES], None, "the site lets in"))
    return steps


def _collecting(route: Route, ways: Ways, hub: HubFacts, back: Road) -> Iterator[TimedStep]:
    found = ways.collection(hub, ways.schedules.of(hub), back, route[READY])
    if found is not None:
        origin = "the site" if ways.base is None else ways.base.name
        yield "set_out", found.sets_out, None, f"a technician sets out from {origin}"
        yield "reach_hub", found.reaches, found.there.minutes, f"{found.there.km:.0f} km of road"
        yield "collect", found.collects, None, "while the hub is open and the unit is ready"


def _carried(carriage: Carriage, ways: Ways, route: Route) -> str:
    """What the transit was taken from."""
    history, offer = carriage.history, carriage.offer
    if history is None and offer is None:
        return f"the policy's band for {_distance(ways, route)}"
    texts = []
    if history is not None:
        estimate = ways.sourcing.courier.estimate
        where = {"site": "on this lane", "region": "from this hub to this region", "everywhere": "on all lanes"}
        service = f" by {history.service}" if history.service else ""
        texts.append(f"{estimate} of {history.deliveries} deliveries{service} {where[history.scope.value]}")
    if offer is not None:
        what = "price" if history is not None else "transit and price"
        texts.append(f"{what} as {offer.service or 'the courier'} offered on {offer.quoted_at:%Y-%m-%d}")
    return "; ".join(texts)


def _driven(road: Road, ways: Ways, route: Route) -> str:
    if road.travel is not None:
        return f"{road.km:.0f} km of road, measured by {road.travel.provider} on {road.travel.measured_at:%Y-%m-%d}"
    drive = ways.sourcing.drive
    text = f"{road.km:.0f} km of road at {drive.speed_kmh:g} km/h, from {_distance(ways, route)}"
    return f"{text}, ± {drive.spread_percent} %" if drive.spread_percent else text


def _distance(ways: Ways, route: Route) -> str:
    km = f"{route[DISTANCE]:.0f} km of great circle"
    if ways.destination.assumed:
        return f"{km} ({ways.destination.assumed}: the site has no coordinates)"
    if not ways.is_located(route[HUB]):
        return f"{km} (assumed: the hub has no coordinates)"
    return km
