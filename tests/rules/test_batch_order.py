"""A batch gives its units to whom they would go one by one in order of rank: no claim made in it is taken in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.rules.cases import BERLIN, HAMBURG, NOW, POLICY, facts, hub, ticket_of

from connector.model.kinds import Lane, Priority
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.shelves import Contested, Holding
from connector.rules.facts.standing import ChannelFacts, ChannelScope
from connector.rules.policy.reading import read_policy
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Decision
from connector.rules.sourcing.together import Case, InTurn, turn

STATED = read_policy(
    POLICY.replace("RULE", "preempt: {over: [P2, P3, P4, P5, rollout]}")
    + """
red_channels:
  recall: {roles: [duty-manager], max_hours: 24, scope: [regions], when: ticket.title == 'recalled'}
fairness: {ageing_hours: {P3: 24, P4: 48, P5: 72}, preempted_at_most: 2}
"""
)
HUBS = (hub(1, BERLIN), hub(2, HAMBURG))
ENDS = NOW + timedelta(hours=4)
CHANNEL = ChannelFacts(1, "recall", "advisory", ChannelScope(), NOW, ENDS)


@dataclass(frozen=True)
class Wants:
    """A ticket that comes in with others. age: hours since it was opened. due: hours from now, None for never."""

    priority: Priority | None
    age: int
    has_lost: bool
    is_red: bool
    due: int | None


WANTS = st.builds(
    Wants, st.sampled_from([*Priority, None]), st.sampled_from([0, 1, 30, 60, 200]), st.booleans(), st.booleans(),
    st.sampled_from([3, 30, None]),
)  # fmt: skip
HELD = st.tuples(
    st.sampled_from([1, 2]), st.sampled_from([*Priority]), st.sampled_from([0, 50, 200]), st.integers(0, 2),
    st.sampled_from([None, NOW, ENDS]), st.booleans(),
)  # fmt: skip
"""What other tickets hold: hub, priority, age, units that went to others before, its red channel, for a rollout."""


def case_of(number: int, wants: Wants, free: dict[int, int], claims: Sequence[Contested]) -> SourcingFacts:
    shelf = Holding(1, Lane.NORMAL, {hub_id: units for hub_id, units in free.items() if units})
    found = facts(HUBS, [shelf] if shelf.free else [], channels=(CHANNEL,), asset=None, contested=tuple(claims))
    ticket = ticket_of(
        found, id=number, number=f"INC-{number}", priority=wants.priority, has_lost=wants.has_lost,
        opened_at=NOW - timedelta(hours=wants.age), title="recalled" if wants.is_red else "dead",
        sla_due_at=None if wants.due is None else NOW + timedelta(hours=wants.due),
    )  # fmt: skip
    return replace(found, ticket=ticket)


def one_by_one(order: Sequence[tuple[int, Wants]], free: dict[int, int], claims: Sequence[Contested]) -> dict[int, int]:
    """Who has a unit of which hub in the end, each decided with what those before it hold."""
    left, held = dict(free), list(claims)
    for number, wants in order:
        decision = decide(case_of(number, wants, left, held), STATED, NOW)
        for pick in decision.picks:
            held = [item for item in held if item.reservation_id not in pick.takes]
            left[pick.hub_id] -= 0 if pick.takes else 1
            held.append(
                Contested(
                    1000 + number, number, f"INC-{number}", pick.hub_id, 1, Lane.NORMAL, 1, wants.priority,
                    NOW - timedelta(hours=wants.age), NOW, int(wants.has_lost),
                    red_until=ENDS if wants.is_red else None,
                )
            )  # fmt: skip
    return {item.ticket_id: item.hub_id for item in held}


def together(order: Sequence[tuple[int, Wants]], free: dict[int, int], claims: Sequence[Contested]) -> dict[int, int]:
    in_turn, decisions = InTurn(STATED, NOW), list[Decision]()
    for number, wants in order:
        case = Case(case_of(number, wants, free, claims))
        decisions.append(in_turn.decide(case))
        in_turn.give(case, decisions[-1])
    taken = {number for decision in decisions for pick in decision.picks for number in pick.takes}
    owners = {item.ticket_id: item.hub_id for item in claims if item.reservation_id not in taken}
    return owners | {
        number: pick.hub_id for (number, _), decision in zip(order, decisions, strict=True) for pick in decision.picks
    }


@settings(max_examples=80, deadline=None)
@given(
    wants=st.lists(WANTS, min_size=2, max_size=6), near=st.integers(0, 2), far=st.integers(0, 1),
    others=st.lists(HELD, max_size=4),
)  # fmt: skip
@example(
    wants=[Wants(Priority.P1, 0, False, False, 3), Wants(Priority.P5, 0, False, True, 3)], near=1, far=0, others=[],
)  # fmt: skip
def test_a_batch_has_the_winners_that_one_by_one_has_in_order_of_rank(
    wants: list[Wants], near: int, far: int, others: list[tuple[int, Priority, int, int, object, bool]]
):
    free = {1: near, 2: far}
    claims = [
        Contested(
            n, 100 + n, f"OLD-{n}", hub_id, 1, Lane.NORMAL, 1, priority, NOW - timedelta(hours=age), NOW, losses,
            is_rollout, red_until,
        )
        for n, (hub_id, priority, age, losses, red_until, is_rollout) in enumerate(others, 1)
    ]  # fmt: skip
    numbered = list(enumerate(wants, 1))
    order = sorted(numbered, key=lambda item: turn(case_of(*item, free, ()), STATED, NOW))

    assert together(order, free, claims) == one_by_one(order, free, claims)
