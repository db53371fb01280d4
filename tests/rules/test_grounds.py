"""Decisions that say the same for the same reasons, and those that do not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.rules.cases import HAMBURG, NOW, facts, holding, hub, policy, ticket_of

from connector.model.kinds import Priority
from connector.model.lifecycle import AssetState
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.ticket import AssetFacts
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.grounds import grounds_of

HUBS = (hub(1), hub(2, HAMBURG))
NO_TIER = policy("sources: [local]")


def grounds(case: SourcingFacts, after: timedelta = timedelta(0), by: Any = NO_TIER) -> str:
    return grounds_of(decide(case, by, NOW + after))


def test_time_that_passes_and_the_order_of_shelves_change_nothing():
    case = facts(HUBS, [holding(1, 2)])

    assert grounds(case, timedelta(days=3)) == grounds(case)
    assert grounds(facts(HUBS, [holding(2, 1)])) == grounds(case)
    assert grounds(facts(HUBS, [holding(1, 2, free=7)])) == grounds(case)


@pytest.mark.parametrize(
    "other",
    [
        facts(HUBS),
        facts(HUBS, [holding(1)]),
        facts(HUBS, [holding(1, 2)], quantity=2),
        facts(HUBS, [holding(1, 2)], ticket=ticket_of(facts(), priority=Priority.P2)),
        facts(HUBS, [holding(1, 2)], ticket=ticket_of(facts(), sla_due_at=NOW)),
        facts(HUBS, [holding(1, 2)], site=None),
    ],
    ids=["no stock at all", "another shelf", "another quantity", "another priority", "another due time", "no site"],
)
def test_what_it_was_decided_by_counts(other: SourcingFacts):
    assert grounds(other) != grounds(facts(HUBS, [holding(1, 2)]))


def test_a_warranty_that_runs_down_changes_nothing_until_it_ends():
    asset = AssetFacts(id=9, state=AssetState.DEPLOYED, warranty_ends_on=(NOW + timedelta(days=9)).date())
    case = facts(HUBS, [holding(1, 2)], asset=asset)

    assert grounds(case, timedelta(days=8)) == grounds(case)
    assert grounds(case, timedelta(days=10)) != grounds(case)


def test_another_policy_counts():
    case = facts(HUBS, [holding(1, 2)])

    assert grounds(case, by=policy("sources: [local], hold_minutes: 61")) != grounds(case)


def test_what_only_tells_people_does_not_count():
    decision = decide(facts(HUBS, [holding(1, 2)]), NO_TIER, NOW)
    later = replace(decision, decided_at=NOW + timedelta(days=1), access="Mon-Fri")

    assert grounds_of(later) == grounds_of(decision)
