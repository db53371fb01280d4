"""Pure ranking at the size of a large fleet (`bench.large_fleet`): the rules alone, on facts that were read before.

What is timed is `decide` with the shipped policy: which rule, until when, the search along its ladder, the choice with
its line of text; no reading, and no record of why, which is timed beside it. Headline: tickets that were decided about
before, so that their conditions and due times are remembered. `first time`: each has a title and an opening of its own
that nobody has seen before.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from bench.large_fleet import BATCH, POLICY, START, Fleet, large_fleets
from bench.measure import Measure, quantile
from connector.memory import calm_garbage_collection
from connector.rules.facts.facts import SourcingFacts
from connector.rules.sourcing.decide import decide
from connector.storage.database.engine import reading
from connector.storage.facts.facts import sourcing_facts

PASSES = 45


async def measures() -> list[Measure]:
    """Rankings per second."""
    async with large_fleets(1) as (fleet,):
        calm_garbage_collection()  # as `connector serve` does
        return [await _ranking(fleet)]


async def _ranking(fleet: Fleet) -> Measure:
    figures: dict[str, float | int | str] = {}
    rates = {}
    numbers = itertools.count(1)

    def of_its_own(case: SourcingFacts) -> SourcingFacts:
        number = next(numbers)
        opened = START - timedelta(seconds=number)
        return replace(case, ticket=replace(case.ticket, title=f"Switch {number} is dead", opened_at=opened))

    for name, tickets in (("usual", fleet.usual), ("common", fleet.common)):
        async with reading(fleet.engine) as tx:
            cases = [await sourcing_facts(tx, ticket) for ticket in tickets[-BATCH:]]
        again = _seconds(cases, lambda case: case)
        first = _seconds(cases, of_its_own)
        decisions = [decide(case, POLICY, START) for case in cases]
        assert all(decision.chosen for decision in decisions)
        cpu = time.process_time()
        explained = [decision.recorded() for decision in decisions]
        explaining = (time.process_time() - cpu) / len(explained)
        shelves = [sum(len(holding.free) for holding in case.holdings) for case in cases]
        rates[name] = 1 / again
        figures |= {
            f"{name}: rankings per second and core": 1 / again,
            f"{name}: µs": 1e6 * again,
            f"{name}: µs, first time": 1e6 * first,
            f"{name}: µs more for the record of why": 1e6 * explaining,
            f"{name}: shelves": quantile(shelves, 0.5),
        }
    return Measure("decision-ranking", rates["usual"], 5_000, figures)


def _seconds(cases: Sequence[SourcingFacts], asked: Callable[[SourcingFacts], SourcingFacts]) -> float:
    """Seconds of processor time per decision, of the quickest of several passes: others use the machine as well.

    asked: what is decided about.
    """
    passes = []
    for _ in range(PASSES):
        given = [asked(case) for case in cases]
        cpu = time.process_time()
        for case in given:
            decide(case, POLICY, START)
        passes.append((time.process_time() - cpu) / len(given))
    return min(passes)
