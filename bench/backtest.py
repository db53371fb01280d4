"""A backtest of two policies over 25,000 tickets, against a limit of a minute.

A year of incidents at 200 sites, each near one of 60 hubs in 12 time zones, with 400 products, half of which have a
substitute; every unit used is ordered anew. Only the simulation is timed, not the reading of files.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from bench.measure import Measure
from connector.memory import calm_garbage_collection
from connector.model.kinds import HubTier, Lane, Priority, TicketType
from connector.model.lifecycle import TicketState
from connector.planning.backtest import backtest
from connector.planning.history import LeadTimes, PastTicket
from connector.rules.facts.fleet import Fleet, hub_facts
from connector.rules.facts.scene import Scene, Shelf
from connector.rules.facts.shelves import SubstituteFacts
from connector.rules.facts.ticket import ProductFacts, ServiceClassFacts, SiteFacts, TicketFacts
from connector.rules.policy.reading import default_policy, default_policy_text, read_policy

LIMIT_SECONDS = 60.0
TICKETS, HUBS, SITES, PRODUCTS = 25_000, 60, 200, 400
START = datetime(2026, 1, 1, tzinfo=UTC)
ZONES = (
    "Europe/Berlin", "Europe/London", "Europe/Madrid", "America/New_York", "America/Chicago", "America/Los_Angeles",
    "America/Sao_Paulo", "Asia/Tokyo", "Asia/Kolkata", "Asia/Singapore", "Asia/Dubai", "Australia/Sydney",
)  # fmt: skip
HOURS = ("24x7", "Mon-Fri 08:00-18:00", "Mon-Sat 07:00-20:00")
CLASSES = ("critical", "standard", "next-business-day")


def measures() -> Iterator[Measure]:
    """The shipped policy against one without substitutes and cars."""
    calm_garbage_collection()
    scene, tickets = world(random.Random(7), TICKETS)
    text = default_policy_text().replace("allow_substitutes: true", "allow_substitutes: false")
    other = read_policy(text.replace("transport: [drive, courier]", "transport: [courier]"))
    began, began_cpu = time.perf_counter(), time.process_time()
    found = backtest(tickets, scene, new=other, against=default_policy(), lead_times=LeadTimes(), seed=1)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - began_cpu
    yield Measure(
        "backtest",
        ratio=LIMIT_SECONDS / seconds,
        required=1.0,
        figures={
            "seconds": round(seconds, 1),
            "processor_seconds": round(cpu_seconds, 1),
            "tickets": TICKETS,
            "policies": 2,
            "tickets_per_second_and_policy": round(2 * TICKETS / seconds),
            "hubs": HUBS,
            "shelves": len(scene.stock),
            "needing": found.against.total.needing,
            "stock_outs": found.against.total.stock_outs,
            "sla_attainment": round(found.against.total.sla_attainment or 0, 3),
            "sla_attainment_new": round(found.new.total.sla_attainment or 0, 3),
        },
    )


def world(rng: random.Random, count: int) -> tuple[Scene, list[PastTicket]]:
    """A fleet with its stock, and a year of tickets."""
    places = [(rng.uniform(-40, 60), rng.uniform(-120, 140)) for _ in range(HUBS)]
    hubs = [
        hub_facts(
            id=n, label=f"H{n}", tier=rng.choice(list(HubTier)), latitude=places[n - 1][0],
            longitude=places[n - 1][1], time_zone=rng.choice(ZONES), opening_hours=rng.choice(HOURS),
            cut_offs=rng.choice([("17:00",), ("12:00", "16:30")]), handling_minutes=rng.choice([15, 30, 60]),
        )
        for n in range(1, HUBS + 1)
    ]  # fmt: skip
    products = {
        n: ProductFacts(n, "Acme", f"M{n}", asset_class="switch", unit_cost_cents=rng.randrange(20_000, 500_000))
        for n in range(1, PRODUCTS + 1)
    }
    stock = {
        Shelf(hub.id, product, Lane.NORMAL): rng.randrange(1, 4)
        for hub in hubs
        for product in products
        if rng.random() < 0.05
    }
    substitutes = {n: (SubstituteFacts(n + 1, f"Acme M{n + 1}", 1),) for n in range(1, PRODUCTS, 2)}
    scene = Scene(
        Fleet(hubs), stock, products, regions={hub.id: f"R{hub.id % 5}" for hub in hubs}, substitutes=substitutes
    )
    sites = []
    for n in range(1, SITES + 1):
        near = rng.choice(places)
        place = near[0] + rng.uniform(-0.4, 0.4), near[1] + rng.uniform(-0.4, 0.4)
        sites.append(SiteFacts(n, f"Site {n}", f"S{n}", *place, time_zone=rng.choice(ZONES), region=f"R{n % 5}"))
    classes = [ServiceClassFacts(name, 240, "24x7") for name in CLASSES]
    return scene, [_ticket(rng, n, products, sites, classes, count) for n in range(1, count + 1)]


def _ticket(
    rng: random.Random,
    number: int,
    products: dict[int, ProductFacts],
    sites: list[SiteFacts],
    classes: list[ServiceClassFacts],
    count: int,
) -> PastTicket:
    opened = START + timedelta(minutes=number * 365 * 24 * 60 // count)
    ticket = TicketFacts(
        number, f"INC-{number}", TicketType.INCIDENT, TicketState.NEW, rng.choice(list(Priority)),
        f"Device dev-{number} is dead" if number % 2 else "Device is dead",
        category="hardware", source="itsm", opened_at=opened,
    )  # fmt: skip
    return PastTicket(
        ticket, product=products[rng.randrange(1, PRODUCTS + 1)], site=rng.choice(sites),
        service_class=rng.choice(classes),
    )  # fmt: skip
