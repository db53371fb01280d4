"""Queries that were run before are found again by all that their plan and their answer depend on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from graphql import parse

from connector.api.compiled import CompiledQuery, compile_query
from connector.api.ready import LONGEST_READY, MOST_READY, NotCompiled, ReadyQueries
from connector.api.schema import build_schema
from connector.api.schema.nodes import global_id
from connector.model.errors import InvalidInput
from connector.storage.query import EVERYTHING, Sight


def _planned(query: str, variables: Mapping[str, Any]) -> CompiledQuery:
    return compile_query(
        build_schema()._schema, parse(query), operation=None, variables=variables, dialect="postgresql"
    )


def _serves(query: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether the plan for some variables is used for others, which it gives other values."""
    ready, planned = ReadyQueries(), _planned(query, one)
    ready.keep(query, None, one, planned)
    assert ready.find(query, None, one, EVERYTHING) is planned
    return ready.find(query, None, other, EVERYTHING) is planned


ONE = "query($id: ID!) { ticket(id: $id) { number } }"
NODE = "query($id: ID!) { node(id: $id) { id ... on Ticket { number } } }"
FILTERED = "query($where: TicketFilter, $n: Int) { tickets(first: $n, filter: $where) { nodes { number } } }"


@pytest.mark.parametrize(
    ("query", "one", "other"),
    [
        (ONE, {"id": global_id("Ticket", 1)}, {"id": global_id("Ticket", 2)}),
        (NODE, {"id": global_id("Ticket", 1)}, {"id": global_id("Ticket", 2)}),
        (FILTERED, {"where": {"state": {"eq": "NEW"}}}, {"where": {"state": {"eq": "RESOLVED"}}}),
        (FILTERED, {"where": {"title": {"contains": "a%"}}}, {"where": {"title": {"contains": "b_"}}}),
        (
            FILTERED,
            {"n": 5, "where": {"asset": {"id": {"eq": global_id("Asset", 1)}}, "not": {"quantity": {"gt": 1}}}},
            {"n": 5, "where": {"asset": {"id": {"eq": global_id("Asset", 7)}}, "not": {"quantity": {"gt": 2}}}},
        ),
    ],
)
def test_a_plan_serves_other_values_of_the_same_variables(query: str, one: dict[str, Any], other: dict[str, Any]):
    assert _serves(query, one, other)

    planned = _planned(query, one)
    assert planned.values(one) != planned.values(other)
    assert planned.values(other) == _planned(query, other).values(other)


@pytest.mark.parametrize(
    ("query", "one", "other"),
    [
        (FILTERED, {"n": 5}, {"n": 6}),
        (FILTERED, {"n": 5}, {"n": True}),
        (FILTERED, {"n": 5}, {"n": 5.0}),
        (FILTERED, {"n": 5}, {}),
        (FILTERED, {"where": {"state": {"eq": "NEW"}}}, {"where": {"state": {"ne": "NEW"}}}),
        (FILTERED, {"where": {"state": {"eq": "NEW"}}}, {"where": {"state": {"eq": None}}}),
        (FILTERED, {"where": {"state": {"in": ["NEW"]}}}, {"where": {"state": {"in": ["NEW", "RESOLVED"]}}}),
        (FILTERED, {"where": {"title": {"isNull": True}}}, {"where": {"title": {"isNull": False}}}),
        (FILTERED, {"where": {"or": [{"number": {"eq": "1"}}]}}, {"where": {"or": [{"number": {"eq": "2"}}]}}),
        (NODE, {"id": global_id("Ticket", 1)}, {"id": global_id("Asset", 1)}),
        ("query($w: Boolean!) { me @skip(if: $w) { name } }", {"w": True}, {"w": False}),
    ],
)
def test_a_plan_serves_nothing_that_it_would_be_another_for(query: str, one: dict[str, Any], other: dict[str, Any]):
    assert not _serves(query, one, other)


@pytest.mark.parametrize("other", [{"id": global_id("Asset", 1)}, {"id": "nonsense"}, {"id": "\0"}, {"id": 1.5}])
def test_values_that_cannot_be_used_are_left_to_the_ordinary_executor(other: dict[str, Any]):
    planned = _planned(ONE, {"id": global_id("Ticket", 1)})

    with pytest.raises((NotCompiled, InvalidInput)):
        planned.values(other)


def test_variables_are_looked_at_even_where_the_plan_does_without():
    planned = _planned("query($n: Int!) { me @skip(if: true) { name } sites(first: $n) { totalCount } }", {"n": 1})

    with pytest.raises(NotCompiled):
        planned.values({"n": "one"})


def test_a_query_is_found_by_all_that_its_answer_depends_on():
    ready, query = ReadyQueries(), CompiledQuery({}, EVERYTHING)
    ready.keep("{ a }", "A", None, query)

    assert ready.find("{ a }", "A", {}, EVERYTHING) is query
    assert ready.find("{ a }", "B", None, EVERYTHING) is None
    assert ready.find("{ b }", "A", None, EVERYTHING) is None


def test_the_query_that_was_not_asked_for_longest_goes():
    ready = ReadyQueries()
    for number in range(MOST_READY):
        ready.keep(f"{{ a{number} }}", None, None, CompiledQuery({}, EVERYTHING))
    ready.find("{ a0 }", None, None, EVERYTHING)

    ready.keep("{ more }", None, None, CompiledQuery({}, EVERYTHING))

    assert ready.find("{ a0 }", None, None, EVERYTHING) is not None
    assert ready.find("{ a1 }", None, None, EVERYTHING) is None


def test_of_one_document_only_so_many_plans_are_kept():
    ready, least = ReadyQueries(), 7
    planned = _planned(FILTERED, {"n": 1})
    for size in range(MOST_READY + least):
        ready.keep(FILTERED, None, {"n": size}, planned)

    assert ready.find(FILTERED, None, {"n": least - 1}, EVERYTHING) is None
    assert ready.find(FILTERED, None, {"n": least}, EVERYTHING) is not None


def test_what_is_too_long_is_not_kept():
    ready = ReadyQueries()
    ready.keep(" " * (LONGEST_READY + 1), None, None, CompiledQuery({}, EVERYTHING))
    ready.keep("{ a }", None, {"text": "x" * LONGEST_READY}, CompiledQuery({}, EVERYTHING))

    assert ready.find(" " * (LONGEST_READY + 1), None, None, EVERYTHING) is None
    assert ready.find("{ a }", None, {"text": "x" * LONGEST_READY}, EVERYTHING) is None


def test_who_sees_less_has_a_query_of_their_own():
    ready, all_of_it, eu = ReadyQueries(), CompiledQuery({}, EVERYTHING), CompiledQuery({}, Sight(frozenset({"EU"})))
    ready.keep("{ a }", None, None, all_of_it)

    assert ready.find("{ a }", None, None, eu.sight) is None
    ready.keep("{ a }", None, None, eu)
    assert ready.find("{ a }", None, None, Sight(frozenset({"EU"}))) is eu
    assert ready.find("{ a }", None, None, Sight(frozenset({"US"}))) is None
    assert ready.find("{ a }", None, None, Sight(frozenset())) is None
    assert ready.find("{ a }", None, None, EVERYTHING) is all_of_it
