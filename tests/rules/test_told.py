"""What is read of a recorded decision is what it said when it was made, although much less was recorded."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
from hypothesis import given
from tests.rules.cases import BERLIN, HAMBURG, NOW, POTSDAM, facts, holding, hub, policy
from tests.rules.test_decision_properties import QUICK, Case, cases

from connector.rules.arrival.ways import MODES
from connector.rules.facts.shelves import SubstituteFacts
from connector.rules.sourcing.candidate import Candidate, recorded_of
from connector.rules.sourcing.candidates import LANES
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Decision
from connector.rules.sourcing.told import told, told_chosen


def kept(decision: Decision) -> dict[str, Any]:
    """What comes back from a database."""
    found: dict[str, Any] = orjson.loads(orjson.dumps(decision.recorded()))
    return found


def instant(moment: Any) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def shown(candidate: Candidate) -> dict[str, Any]:
    """A candidate in full, each with its own words: how explanations were recorded at first."""
    steps = [
        {"step": step.name, "at": instant(step.at)}
        | ({} if step.minutes is None else {"minutes": step.minutes})
        | ({"text": step.text} if step.text else {})
        for step in candidate.steps
    ]
    return {
        "hub_id": candidate.hub_id, "hub": candidate.hub, "tier": candidate.tier, "product_id": candidate.product_id,
        "is_exact": candidate.is_exact, "lane": candidate.lane, "free": candidate.free, "mode": candidate.mode,
        "distance_km": round(candidate.distance_km, 1), "cost_cents": candidate.cost_cents,
        "ready_at": instant(candidate.ready_at), "departs_at": instant(candidate.departs_at),
        "arrives_at": instant(candidate.arrives_at), "is_within_sla": candidate.is_within_sla,
        "probability": round(candidate.probability, 4), "is_mobile": candidate.is_mobile, "steps": steps,
        "hours": candidate.hours, "why": candidate.why,
    }  # fmt: skip


@QUICK
@given(case=cases())
def test_each_candidate_is_told_with_the_words_that_the_comparison_had_for_it(case: Case):
    decision = case.decision()

    found = told(kept(decision))

    assert found["candidates"] == [shown(candidate) for candidate in decision.candidates]
    assert found["chosen"] == (shown(decision.chosen) if decision.chosen else None) == told_chosen(kept(decision))
    assert found["considered"] == len(decision.candidates) + sum(len(group.hubs) for group in decision.losers)
    assert found == orjson.loads(orjson.dumps(decision.explanation()))


def test_candidates_that_were_put_in_another_order_keep_their_own_reasons():
    case = facts([hub(1, BERLIN), hub(2, POTSDAM)], [holding(1, 2)])
    first, second = decide(case, policy(), NOW).candidates

    recorded = {**kept(decide(case, policy(), NOW)), "candidates": recorded_of([second, first])}

    assert told(orjson.loads(orjson.dumps(recorded)))["candidates"] == [shown(second), shown(first)]


def test_two_candidates_are_told_as_they_always_were():
    case = facts(
        [hub(1, BERLIN), hub(2, HAMBURG, opening_hours="Mon-Fri 13:00-18:00")],
        [holding(1, product_id=2), holding(2)],
        substitutes=(SubstituteFacts(2, "Acme X2", 1, None),),
    )

    found = told(kept(decide(case, policy("transport: [courier, drive]"), NOW)))

    closed = "with public holidays (the hub has no country and the policy no default_country)"
    assert found["candidates"] == [
        {
            "hub_id": 2, "hub": "HUB-2", "tier": "regional", "product_id": 1, "is_exact": True, "lane": "normal",
            "free": 1, "mode": "courier", "distance_km": 255.2, "cost_cents": 3500,
            "ready_at": "2026-11-25T12:30:00Z", "departs_at": "2026-11-25T16:00:00Z",
            "arrives_at": "2026-11-26T07:00:00Z", "is_within_sla": True, "probability": 1.0, "is_mobile": False,
            "steps": [
                {"step": "handling", "at": "2026-11-25T12:30:00Z", "minutes": 30},
                {"step": "cut_off", "at": "2026-11-25T16:00:00Z", "text": "the courier's van leaves"},
                {
                    "step": "transit", "at": "2026-11-26T06:00:00Z", "minutes": 840,
                    "text": "the policy's band for 255 km of great circle",
                },
                {"step": "site_window", "at": "2026-11-26T07:00:00Z", "text": "handed over"},
            ],
            "hours": f"Mon-Fri 13:00-18:00 in Europe/Berlin {closed}", "why": "",
        },
        {
            "hub_id": 1, "hub": "HUB-1", "tier": "regional", "product_id": 2, "is_exact": False, "lane": "normal",
            "free": 1, "mode": "drive", "distance_km": 0.0, "cost_cents": 0,
            "ready_at": "2026-11-25T09:30:00Z", "departs_at": "2026-11-25T09:30:00Z",
            "arrives_at": "2026-11-25T09:30:00Z", "is_within_sla": True, "probability": 1.0, "is_mobile": False,
            "steps": [
                {"step": "handling", "at": "2026-11-25T09:30:00Z", "minutes": 30},
                {
                    "step": "drive", "at": "2026-11-25T09:30:00Z", "minutes": 0,
                    "text": "0 km of road at 60 km/h, from 0 km of great circle",
                },
                {"step": "site_window", "at": "2026-11-25T09:30:00Z", "text": "the site lets in"},
            ],
            "hours": f"24x7 in Europe/Berlin; couriers collect {closed}",
            "why": "substitute, and HUB-2 has the exact product",
        },
    ]  # fmt: skip
    assert (found["chosen"], found["considered"]) == (found["candidates"][0], 2)
    assert found["sla"]["computed_basis"] == "no service class is known, so any arrival counts as in time"


def test_what_is_recorded_of_many_shelves_is_less_than_half_of_what_is_told():
    case = facts([hub(number, POTSDAM) for number in range(1, 21)], [holding(*range(1, 21))])
    decision = decide(case, policy(), NOW + timedelta(hours=1))

    recorded, explained = orjson.dumps(decision.recorded()), orjson.dumps(decision.explanation())

    assert len(told(orjson.loads(recorded))["candidates"]) == 20
    assert 2 * len(recorded) < len(explained)


def test_recorded_numbers_keep_their_meaning():
    assert [lane.value for lane in LANES] == ["normal", "break_glass", "loaner"], "append: decisions record the place"
    assert [mode.value for mode in MODES] == ["drive", "courier", "technician"], "append: decisions record the place"
