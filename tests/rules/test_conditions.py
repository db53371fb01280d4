"""Conditions remember what they answered, and never answer for other facts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.rules.policy.conditions import MOST_REMEMBERED, SAMPLE, Facts, compile_condition, fields_read


def facts(**ticket: str) -> Facts:
    return Facts({**SAMPLE, "ticket": {**SAMPLE["ticket"], **ticket}})


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("true", ()),
        ("ticket.priority == 'P1'", (("ticket", "priority"),)),
        ("ticket . title.matches('asset.name') && asset.known", (("asset", "known"), ("ticket", "title"))),
        ("[ticket].exists(t, t.title == 'dead')", None),
        ("ticket['title'] == 'dead'", None),
        ("ticket.title == 'x' // it's not\n || asset.name == 'y'", None),
        ("ticket.title == '''it's''' || asset.name == 'y'", None),
    ],
)
def test_the_fields_that_a_condition_reads_are_known_or_nothing_is_remembered(
    text: str, reads: tuple[tuple[str, str], ...] | None
):
    assert fields_read(text) == reads


@given(st.lists(st.tuples(st.sampled_from(["P1", "P2", "P3"]), st.sampled_from(["dead", "", "it works"])), min_size=1))
def test_what_is_remembered_is_what_would_be_answered(tickets: list[tuple[str, str]]):
    condition = compile_condition("ticket.priority == 'P1' && ticket.title.matches('(?i)DEAD')")

    for priority, title in tickets:
        assert condition.holds(facts(priority=priority, title=title)) is (priority == "P1" and title == "dead")


def test_what_is_remembered_is_bounded():
    condition = compile_condition("ticket.number != 'bounded'")

    for number in range(MOST_REMEMBERED + 10):
        condition.holds(facts(number=str(number)))
    condition.holds(facts(number="x" * 10_000))

    assert 0 < len(condition._known) <= MOST_REMEMBERED
    assert max(len(str(values[0])) for values in condition._known) < 100


def test_a_condition_is_given_the_fields_that_it_reads_and_no_others():
    given = []
    condition = compile_condition("ticket.priority == 'P1' && asset.known && ticket.title.matches('dead')")

    class Program:
        def execute(self, context: Any) -> bool:
            given.append(context.variables)
            return bool(condition.program.execute(context))

    spied = replace(condition, program=Program(), _known={})

    assert spied.holds(facts(priority="P1", title="Switch is dead"))
    assert given == [{"ticket": {"priority": "P1", "title": "Switch is dead"}, "asset": {"known": True}}]
