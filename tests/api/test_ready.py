from __future__ import annotations

from connector.api.compiled import CompiledQuery
from connector.api.ready import LONGEST_READY, MOST_READY, ReadyQueries
from connector.storage.query import EVERYTHING, Sight


def test_a_query_is_found_by_its_document_operation_and_variables():
    ready, query = ReadyQueries(), CompiledQuery({}, EVERYTHING)
    ready.keep("{ a }", "A", {"n": 1, "of": "x"}, query)

    assert ready.find("{ a }", "A", {"of": "x", "n": 1}, EVERYTHING) is query
    assert ready.find("{ a }", "B", {"n": 1, "of": "x"}, EVERYTHING) is None
    assert ready.find("{ b }", "A", {"n": 1, "of": "x"}, EVERYTHING) is None


def test_variables_that_python_takes_for_equal_are_different_queries():
    ready = ReadyQueries()
    ready.keep("{ a }", None, {"n": 1}, CompiledQuery({}, EVERYTHING))

    assert ready.find("{ a }", None, {"n": True}, EVERYTHING) is None
    assert ready.find("{ a }", None, {"n": 1.0}, EVERYTHING) is None


def test_no_variables_and_empty_ones_are_the_same_query():
    ready, query = ReadyQueries(), CompiledQuery({}, EVERYTHING)
    ready.keep("{ a }", None, None, query)

    assert ready.find("{ a }", None, {}, EVERYTHING) is query


def test_the_query_that_was_not_asked_for_longest_goes():
    ready = ReadyQueries()
    for number in range(MOST_READY):
        ready.keep(f"{{ a{number} }}", None, None, CompiledQuery({}, EVERYTHING))
    ready.find("{ a0 }", None, None, EVERYTHING)

    ready.keep("{ more }", None, None, CompiledQuery({}, EVERYTHING))

    assert ready.find("{ a0 }", None, None, EVERYTHING) is not None
    assert ready.find("{ a1 }", None, None, EVERYTHING) is None


def test_long_documents_and_variables_are_not_kept():
    ready = ReadyQueries()
    ready.keep(" " * (LONGEST_READY + 1), None, None, CompiledQuery({}, EVERYTHING))
    ready.keep("{ a }", None, {"text": "x" * LONGEST_READY}, CompiledQuery({}, EVERYTHING))

    assert ready.find(" " * (LONGEST_READY + 1), None, None, EVERYTHING) is None
    assert ready.find("{ a }", None, {"text": "x" * LONGEST_READY}, EVERYTHING) is None


def test_a_query_of_somebody_with_another_sight_is_another_query():
    ready, all_of_it, eu = ReadyQueries(), CompiledQuery({}, EVERYTHING), CompiledQuery({}, Sight(frozenset({"EU"})))
    ready.keep("{ a }", None, None, all_of_it)

    assert ready.find("{ a }", None, None, eu.sight) is None
    ready.keep("{ a }", None, None, eu)
    assert ready.find("{ a }", None, None, Sight(frozenset({"EU"}))) is eu
    assert ready.find("{ a }", None, None, Sight(frozenset({"US"}))) is None
    assert ready.find("{ a }", None, None, Sight(frozenset())) is None
    assert ready.find("{ a }", None, None, EVERYTHING) is all_of_it
