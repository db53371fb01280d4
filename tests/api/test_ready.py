from __future__ import annotations

from connector.api.compiled import CompiledQuery
from connector.api.ready import LONGEST_READY, MOST_READY, ReadyQueries


def test_a_query_is_found_by_its_document_operation_and_variables():
    ready, query = ReadyQueries(), CompiledQuery({})
    ready.keep("{ a }", "A", {"n": 1, "of": "x"}, query)

    assert ready.find("{ a }", "A", {"of": "x", "n": 1}) is query
    assert ready.find("{ a }", "B", {"n": 1, "of": "x"}) is None
    assert ready.find("{ b }", "A", {"n": 1, "of": "x"}) is None


def test_variables_that_python_takes_for_equal_are_different_queries():
    ready = ReadyQueries()
    ready.keep("{ a }", None, {"n": 1}, CompiledQuery({}))

    assert ready.find("{ a }", None, {"n": True}) is None
    assert ready.find("{ a }", None, {"n": 1.0}) is None


def test_no_variables_and_empty_ones_are_the_same_query():
    ready, query = ReadyQueries(), CompiledQuery({})
    ready.keep("{ a }", None, None, query)

    assert ready.find("{ a }", None, {}) is query


def test_the_query_that_was_not_asked_for_longest_goes():
    ready = ReadyQueries()
    for number in range(MOST_READY):
        ready.keep(f"{{ a{number} }}", None, None, CompiledQuery({}))
    ready.find("{ a0 }", None, None)

    ready.keep("{ more }", None, None, CompiledQuery({}))

    assert ready.find("{ a0 }", None, None) is not None
    assert ready.find("{ a1 }", None, None) is None


def test_long_documents_and_variables_are_not_kept():
    ready = ReadyQueries()
    ready.keep(" " * (LONGEST_READY + 1), None, None, CompiledQuery({}))
    ready.keep("{ a }", None, {"text": "x" * LONGEST_READY}, CompiledQuery({}))

    assert ready.find(" " * (LONGEST_READY + 1), None, None) is None
    assert ready.find("{ a }", None, {"text": "x" * LONGEST_READY}) is None
