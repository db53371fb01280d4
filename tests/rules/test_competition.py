"""Who goes first: by rank, raised by waiting, and never so that somebody waits for ever."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from connector.model.kinds import Priority
from connector.rules.policy.competition import Fairness, Waiting, in_line, rank_of

P1, P2, P3, P4, P5 = Priority
NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def waits(number: int, priority: Priority | None = P3, hours: float = 0, **values: object) -> Waiting:
    return Waiting(number, priority, NOW - hours * HOUR, **values)


def order(*waiting: Waiting, fairness: Fairness | None = None) -> list[int]:
    return [item.ticket_id for item in in_line(waiting, fairness or Fairness(), NOW)]


def test_red_channels_go_first_then_priorities_then_those_that_have_waited_longest():
    assert order(
        waits(1, P4), waits(2, None), waits(3, P1), waits(4, P4, 5), waits(5, P5, 4, is_red=True), waits(6, P2),
    ) == [5, 3, 6, 4, 1, 2]  # fmt: skip


def test_of_one_rank_a_ticket_that_lost_its_unit_stands_in_front():
    assert order(waits(1, P4, 5), waits(2, P4, 1, losses=1), waits(3, P3)) == [3, 2, 1]


@pytest.mark.parametrize(
    ("priority", "hours", "rank"),
    [(P5, 71.9, 5), (P5, 72, 4), (P5, 120, 3), (P5, 144, 2), (P5, 9_000, 2), (P3, 24, 2), (None, 72, 4), (P1, 99, 1)],
)
def test_each_period_of_waiting_raises_a_ticket_one_step_and_none_raises_it_to_p1(
    priority: Priority | None, hours: float, rank: int
):
    assert Fairness().aged(priority, NOW - hours * HOUR, NOW) == rank


def test_a_ticket_that_has_waited_for_months_does_not_pass_a_p1_that_has_just_come():
    assert order(waits(1, P3, 5_000, losses=1), waits(2, P1)) == [2, 1]


def test_a_priority_without_hours_is_where_going_up_ends():
    fairness = Fairness(ageing_hours={P5: 10})

    assert fairness.aged(P5, NOW - 999 * HOUR, NOW) == rank_of(P4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"promotes_to": "P1"}, "promotes_to is P1: a ticket that has waited never passes a real P1; give P2 to P5"),
        ({"promotes_to": "P3", "ageing_hours": {"P3": 5}}, "ageing_hours has P3, but going up ends at P3"),
    ],
)
def test_ageing_that_could_never_be_is_refused(values: dict[str, object], message: str):
    with pytest.raises(ValidationError, match=message):
        Fairness.model_validate(values)


WAITING = st.lists(
    st.builds(
        Waiting, st.integers(1, 999), st.sampled_from([*Priority, None]),
        st.integers(0, 300).map(lambda hours: NOW - hours * HOUR), st.integers(0, 2), st.booleans(),
    ),
    unique_by=lambda item: item.ticket_id, max_size=12,
)  # fmt: skip


@given(WAITING, st.randoms(use_true_random=False))
def test_the_same_tickets_stand_in_the_same_order_however_they_are_given(waiting: list[Waiting], rng: random.Random):
    shuffled = list(waiting)
    rng.shuffle(shuffled)

    assert in_line(shuffled, Fairness(), NOW) == in_line(waiting, Fairness(), NOW)


@settings(max_examples=60)
@given(
    priority=st.sampled_from([P3, P4, P5, None]), supply=st.integers(1, 4), rng=st.randoms(use_true_random=False),
    burst=st.integers(0, 6), crowd=st.integers(0, 8),
)  # fmt: skip
def test_nobody_waits_longer_than_the_bound_whatever_else_arrives(
    priority: Priority | None, supply: int, rng: random.Random, burst: int, crowd: int
):
    """The bound of docs/competition.md: ageing, then those in front or older by what urgency leaves of supply."""
    fairness = Fairness(ageing_hours={P3: 2, P4: 3, P5: 4})
    ageing = {P3: 2, P4: 5, P5: 9, None: 9}[priority]
    urgent = rng.randint(0, supply - 1)
    numbers = iter(range(10**6))
    waiting = [Waiting(next(numbers), rng.choice(list(Priority)), NOW - rng.randint(0, 9) * HOUR) for _ in range(crowd)]
    me = Waiting(next(numbers), priority, NOW)
    waiting.append(me)
    at, left, bound = NOW, burst, None
    for hour in range(10**4):
        at = NOW + hour * HOUR
        if hour == ageing:
            line = in_line(waiting, fairness, at)
            older = [item for item in line if (item.since, item.ticket_id) < (me.since, me.ticket_id)]
            in_front = len({*line[: line.index(me)], *older})
            bound = ageing + ceil((in_front + left + 1) / (supply - urgent)) + 1
        extra = rng.randint(0, left) if rng.random() < 0.3 else 0
        left -= extra
        for _ in range(urgent + extra):
            arrives = rng.choice([(P1, 0), (P4, 0), (P2, 1)])
            waiting.append(Waiting(next(numbers), arrives[0], at, losses=arrives[1], is_red=arrives[0] is P4))
        waiting += [Waiting(next(numbers), rng.choice([P2, P3]), at) for _ in range(rng.randint(0, 5))]
        line = in_line(waiting, fairness, at)
        if me in line[:supply]:
            break
        waiting = line[supply:]
    assert bound is None or hour <= bound
