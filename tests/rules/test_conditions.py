"""Conditions remember what they answered, and never answer for other facts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.rules.policy.conditions import (
    MOST_REMEMBERED,
    SAMPLE,
    Answers,
    Condition,
    ConditionFailed,
    Facts,
    compile_condition,
    fields_read,
    operand,
)
from connector.rules.policy.expressions import engine as cel
from connector.rules.policy.tokens import operands


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
        (r"r'\' == ticket.title || r'\' == ticket.number", None),
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
    condition = compile_condition("(ticket.priority + ticket.title).matches('P1.*dead') == asset.known")

    class Program:
        def execute(self, context: Any) -> bool:
            given.append(context.variables)
            return bool(condition.program.execute(context))

    spied = replace(condition, program=Program(), _known=Answers())

    assert spied.holds(facts(priority="P1", title="Switch is dead"))
    assert given == [{"ticket": {"priority": "P1", "title": "Switch is dead"}, "asset": {"known": True}}]


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("asset.known", None),
        (
            "asset.known || ticket.title == '||' || (true && false)",
            ("||", ("asset.known", "ticket.title == '||'", "(true && false)")),
        ),
        ("a && b || c", ("||", ("a && b", "c"))),
        ("( (a && !b) )", ("&&", ("a", "!b"))),
        ("!(a || b)", None),
        ("a || b ? c : d", None),
        ("[1, 2].exists(n, n > 1 || n < 0) && a", ("&&", ("[1, 2].exists(n, n > 1 || n < 0)", "a"))),
        (r"r'\' == a || r'\' == b", None),
    ],
)
def test_what_is_joined_is_found_where_it_stands_in_no_parentheses(
    text: str, joined: tuple[str, tuple[str, ...]] | None
):
    assert operands(text) == joined


CLAIMS = st.sampled_from(
    [
        "ticket.priority == 'P1'", "ticket.title.matches('(?i)dead')", "asset.known", "true",
        "12 / ticket.quantity > 1", "ticket.title", "ticket.quantity < 'x'",
    ]
)  # fmt: skip
FORMULAS = st.recursive(
    CLAIMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["||", "&&"]), inner).map(" ".join),
        inner.map("({})".format),
        inner.map("!({})".format),
        st.tuples(inner, inner, inner).map(lambda of: "({}) ? ({}) : ({})".format(*of)),
    ),
    max_leaves=8,
)


@given(FORMULAS, st.sampled_from(["P1", ""]), st.sampled_from(["Dead", ""]), st.integers(0, 12), st.booleans())
def test_what_is_asked_part_by_part_is_what_cel_says_of_the_whole(
    text: str, priority: str, title: str, quantity: int, is_known: bool
):
    scope = {"ticket": {"priority": priority, "title": title, "quantity": quantity}, "asset": {"known": is_known}}
    program = cel.compile(text)
    try:
        said = program.execute(cel.Context(scope))
    except (ArithmeticError, TypeError, ValueError, RuntimeError):
        said = None

    try:
        answer = Condition(text, program, fields_read(text)).holds(Facts(scope))
    except ConditionFailed:
        answer = None

    assert answer is (said if isinstance(said, bool) else None)


def test_titles_that_nobody_has_seen_before_ask_nothing_new_about_the_product():
    about_product = "product.asset_class.matches('asked once')"
    condition = compile_condition(f"{about_product} || ticket.title.matches('dead')")

    answers = [condition.holds(facts(title=f"Switch {number} is dead")) for number in range(3)]

    assert answers == [True, True, True]
    assert operand(about_product)._known == {("switch",): False}
