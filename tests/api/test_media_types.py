from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.api.media_types import MediaType, NotAcceptable, accepts_page, negotiate

A_BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", MediaType.JSON),
        ("*/*", MediaType.JSON),
        ("application/*", MediaType.JSON),
        (A_BROWSER, MediaType.JSON),
        ("application/json", MediaType.JSON),
        ("Application/JSON; charset=utf-8", MediaType.JSON),
        ("application/json, */*", MediaType.JSON),
        ("application/graphql-response+json", MediaType.GRAPHQL_RESPONSE),
        ("application/graphql-response+json,application/json;q=0.9", MediaType.GRAPHQL_RESPONSE),
        ("application/json;q=0.9, application/graphql-response+json;q=0.8", MediaType.JSON),
        ("application/json, application/graphql-response+json", MediaType.GRAPHQL_RESPONSE),
        ("application/json;q=0, */*;q=0.1", MediaType.GRAPHQL_RESPONSE),
        ("application/json;q=high, application/graphql-response+json;q=0.9", MediaType.JSON),
        (", ,application/json", MediaType.JSON),
    ],
)
def test_the_form_that_is_accepted_best_is_answered_in(accept: str, form: MediaType):
    assert negotiate(accept) is form


@pytest.mark.parametrize("accept", ["text/plain", "application/json;q=0", "image/png, text/html"])
def test_who_accepts_neither_form_is_told_so(accept: str):
    with pytest.raises(NotAcceptable) as refused:
        negotiate(accept)

    assert refused.value.message == f"nothing that 'Accept: {accept}' names is answered in"
    assert refused.value.hint == (
        "Accept application/graphql-response+json or application/json; for subscriptions text/event-stream."
    )


@given(st.text(alphabet="aplictonjsgrhq-+/*;=,.019 ", max_size=80))
def test_any_accept_header_is_answered_or_refused(accept: str):
    try:
        assert negotiate(accept) in MediaType
    except NotAcceptable:
        assert "*/*" not in accept.replace(" ", "").split(",")
    assert accepts_page(f"{accept},text/html")
