"""What is answered about patterns without CEL is what CEL answers."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connector.rules.policy.conditions import SAMPLE, Condition, Facts, compile_condition
from connector.rules.policy.expressions import engine as cel
from connector.rules.policy.patterns import match_of

SIGNS = "aAbB 0_-.,:'\"/@%=<>!^$|()?[]\\dswk+*{}"
"""Signs of patterns, those that are left to CEL among them."""
TEXTS = st.text("aAbB 0_-.,:'\"/@%=<>!^$|()?[]\\dswk+*{}\u212a\u017f\xe9\n\t\x0b\x1c", max_size=12)

pieces = st.sampled_from(
    [
        "a",
        "B",
        "ab",
        " ",
        "0",
        "-",
        ".",
        "_",
        r"\.",
        r"\d",
        r"\s",
        r"\w",
        r"\b",
        r"\(",
        r"\$",
        "[ab]",
        "[0 _]",
        "^",
        "$",
    ]
)
patterns = st.recursive(
    pieces,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=3).map("|".join),
        inner.map("({})".format),
        inner.map("(?:{})".format),
        inner.map("({})?".format),
    ),
    max_leaves=8,
)


def quoted(pattern: str) -> str:
    return "'" + pattern.replace("\\", "\\\\").replace("'", "\\'") + "'"


def by_cel(condition: str, title: str) -> bool | None:
    """What CEL answers; None where it has no answer."""
    try:
        answer = cel.compile(condition).execute(cel.Context({"ticket": {**SAMPLE["ticket"], "title": title}}))
    except ValueError:
        return None
    assert isinstance(answer, bool)
    return answer


@settings(max_examples=400)
@given(st.booleans(), st.one_of(patterns, patterns.map("(?i){}".format), st.text(SIGNS, max_size=10)), TEXTS)
@example(False, "(?i)k", "\u212a")  # the sign for kelvin, which is a k to CEL alone
@example(False, "a$", "a\n")
@example(False, r"\s", "\x1c")
@example(True, r"\bab?\b", "a b")
def test_a_pattern_is_answered_as_cel_answers_it(is_negated: bool, pattern: str, title: str):
    condition = f"{'!' if is_negated else ''}ticket.title.matches({quoted(pattern)})"
    asked = match_of(condition)
    answer = None if asked is None else asked.holds({("ticket", "title"): title})

    if answer is not None:
        assert answer is by_cel(condition, title)


@pytest.mark.parametrize(
    ("condition", "title", "answer"),
    [
        ("ticket.title.matches('(?i)SWITCH|disk')", "My switch is dead", True),
        ("!ticket.title.matches('(?i)SWITCH|disk')", "My switch is dead", False),
        ("( ticket.title.matches('switch') )", "My Switch is dead", False),
        ("(ticket.category + ' ' + ticket.title).matches('hardware My')", "My switch", True),
        (r"ticket.title.matches(r'\bfan( tray)?\b')", "fan tray", True),
        (r"ticket.title.matches('\\bfan( tray)?\\b')", "fantasy", False),
        ('ticket.title.matches("it\'s")', "it's dead", True),
    ],
)
def test_what_asks_for_a_plain_pattern_is_answered_without_cel(condition: str, title: str, answer: bool):
    asked = match_of(condition)

    assert asked is not None
    assert asked.holds({("ticket", "title"): title, ("ticket", "category"): "hardware"}) is answer
    assert by_cel(condition, title) is answer


@pytest.mark.parametrize(
    "condition",
    [
        "ticket.title.matches('a*')",  # what repeats may take long
        "ticket.title.matches('a{2}')",
        "ticket.title.matches('(a|b)' + 'c')",
        "ticket.title.matches(ticket.category)",
        r"ticket.title.matches('\x61')",
        r"ticket.title.matches('\\x61')",
        r"ticket.title.matches('\\pL')",
        "ticket.title.matches('(?x)a')",
        "ticket.title.matches('\u00e9')",
        "ticket.title.matches('" + "(a|b|c|d)" * 7 + "')",  # so many ways that it may take long as well
        "ticket.title.matches('" + "a?" * 13 + "')",
        "ticket.title.matches('(a')",
        "ticket.title.contains('a')",
        "ticket.title == 'a'",
        "ticket.title.matches('a') == true",
        "(ticket.title + string(ticket.quantity)).matches('a')",
        "matches(ticket.title, 'a')",
        "'''a'''.matches('a')",
        "",
    ],
)
def test_everything_else_is_left_to_cel(condition: str):
    assert match_of(condition) is None


@pytest.mark.parametrize("title", ["Bildschirm ist schw\u00e4rz", "two\nlines", "a\ttab"])
def test_so_is_every_text_that_is_not_plain(title: str):
    asked = match_of("ticket.title.matches('(?i)SCHW|LINES|TAB')")

    assert asked is not None
    assert asked.holds({("ticket", "title"): title}) is None
    condition = compile_condition("ticket.title.matches('(?i)SCHW|LINES|TAB')")
    assert condition.holds(Facts({**SAMPLE, "ticket": {**SAMPLE["ticket"], "title": title}})) is True


def test_a_condition_asks_cel_about_no_plain_pattern():
    class Program:
        def execute(self, _: object) -> bool:
            raise AssertionError("CEL was asked")

    text = "ticket.title.matches('(?i)never seen before')"
    condition = Condition(text, Program(), (("ticket", "title"),))

    assert condition.holds(Facts({**SAMPLE, "ticket": {**SAMPLE["ticket"], "title": "Never seen BEFORE: 1"}})) is True
