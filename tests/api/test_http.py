"""What the endpoint takes over HTTP and what it says to the rest."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import TOKEN, Hub, OpenHub

GRAPHQL_RESPONSE = "application/graphql-response+json"
JSON = "application/json"
COUNT = "{ tickets { totalCount } }"
NONE = {"data": {"tickets": {"totalCount": 0}}}
SHAPE = 'Send {"query": "{ ... }", "variables": {...}, "operationName": "..."}; only "query" has to be there.'
A_BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""Nothing here asks the database for more than it answers alike on both."""


def first_error(response: httpx.Response) -> dict[str, Any]:
    (error,) = response.json()["errors"]
    found: dict[str, Any] = error
    return found


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("form", [GRAPHQL_RESPONSE, JSON])
async def test_a_query_is_answered_in_the_form_that_was_asked_for(hub: Hub, method: str, form: str):
    asked = {"query": "query A($first: Int!) { tickets(first: $first) { totalCount } } query B { feedCursor }"}
    rest = {"operationName": "A", "variables": {"first": 1}, "extensions": {"trace": True}}
    headers = {"accept": form}

    if method == "GET":
        parameters = asked | {"operationName": "A", "variables": json.dumps(rest["variables"]), "extensions": "{}"}
        response = await hub.client.get("/graphql", params=parameters, headers=headers)
    else:
        response = await hub.client.post("/graphql", json=asked | rest, headers=headers)

    assert (response.status_code, response.json()) == (200, NONE)
    assert response.headers["content-type"] == f"{form}; charset=utf-8"
    assert response.headers["cache-control"] == ("no-store" if method == "POST" else "private, no-cache")


async def test_a_browser_gets_the_page_and_with_a_query_its_answer(hub: Hub):
    browser = {"accept": A_BROWSER, "sec-fetch-site": "none"}

    page = await hub.client.get("/graphql", headers=browser)
    answer = await hub.client.get("/graphql", params={"query": COUNT}, headers=browser)
    nothing = await hub.client.get("/graphql")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert (answer.status_code, answer.json()) == (200, NONE)
    assert (nothing.status_code, first_error(nothing)["message"]) == (400, "the request has no 'query'")


async def test_only_queries_go_by_get(hub: Hub):
    for form in (JSON, GRAPHQL_RESPONSE):
        for method in ("GET", "HEAD"):
            text = (
                'mutation { discardQuarantine(input: {recordIds: [], reason: "", idempotencyKey: "k"}) { __typename } }'
            )
            response = await hub.client.request(method, "/graphql", params={"query": text}, headers={"accept": form})
            assert (response.status_code, response.headers["allow"]) == (405, "POST")
        changed = await hub.client.get(
            "/graphql", params={"query": "mutation { __typename }"}, headers={"accept": form}
        )
        assert first_error(changed) == {
            "message": "mutations do not go by GET",
            "extensions": {"code": "METHOD_NOT_ALLOWED", "hint": "Send it by POST."},
        }


async def test_subscriptions_are_sent_to_where_they_are_answered(hub: Hub):
    followed = {"query": "subscription { tasks { cursor } }"}

    for response in (
        await hub.client.post("/graphql", json=followed),
        await hub.client.get("/graphql", params=followed, headers={"accept": GRAPHQL_RESPONSE}),
    ):
        assert response.status_code == 400
        assert first_error(response) == {
            "message": "subscriptions are not answered with JSON",
            "extensions": {
                "code": "BAD_REQUEST",
                "hint": "Accept 'text/event-stream', or open a WebSocket here with the subprotocol "
                "'graphql-transport-ws'.",
            },
        }


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_other_methods_are_refused(hub: Hub, method: str):
    response = await hub.client.request(method, "/graphql")

    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, POST")
    assert first_error(response)["message"] == f"method {method!r} is not taken"
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"query": "{"}, ("Syntax Error: Expected Name, found <EOF>.", "GRAPHQL_PARSE_FAILED")),
        (
            {"query": "{ nothing }"},
            ("Cannot query field 'nothing' on type 'Query'.", "GRAPHQL_VALIDATION_FAILED"),
        ),
        (
            {"query": "query ($id: ID!) { node(id: $id) { id } }"},
            (
                "Variable '$id' has invalid value: Expected a value of non-null type 'ID!' to be provided.",
                "GRAPHQL_VALIDATION_FAILED",
            ),
        ),
        (
            {"query": "query A { feedCursor } query B { feedCursor }"},
            ("the document has 2 operations, and 'operationName' does not say which: 'A', 'B'", "BAD_REQUEST"),
        ),
        (
            {"query": "query ($n: String!) { ticket(number: $n) { id } }", "variables": {"n": "a\0b"}},
            ("variable '$n': 'a\\x00b' holds a zero character, which no text in the hub does", "INVALID_INPUT"),
        ),
        (
            {"query": r'{ ticket(number: "a\u0000b") { id } }'},
            ("'a\\x00b' holds a zero character, which no text in the hub does", "INVALID_INPUT"),
        ),
        (
            {"query": "query A { feedCursor } query B { feedCursor }", "operationName": "C"},
            ("the document has no operation 'C': it has 'A', 'B'", "BAD_REQUEST"),
        ),
        (
            {"query": "{ feedCursor }", "operationName": "C"},
            ("the document has no operation 'C': none of its operations has a name", "BAD_REQUEST"),
        ),
        (
            {"query": "fragment A on Query { feedCursor }"},
            ("the document has no operation", "BAD_REQUEST"),
        ),
    ],
)
async def test_an_operation_that_cannot_be_run_has_no_data_and_the_status_of_its_form(
    hub: Hub, body: dict[str, Any], problem: tuple[str, str]
):
    for form, status in ((JSON, 200), (GRAPHQL_RESPONSE, 400)):
        response = await hub.client.post("/graphql", json=body, headers={"accept": form})

        assert response.status_code == status
        assert response.headers["content-type"].partition(";")[0] == form
        assert "data" not in response.json()
        error = first_error(response)
        assert (error["message"], error["extensions"]["code"]) == problem


async def test_an_operation_that_was_run_has_data_and_200_even_where_nothing_came_of_it(hub: Hub):
    for query, data in (
        ("{ tickets(first: 501) { totalCount } }", None),
        ('{ feedCursor node(id: "x") { id } }', {"feedCursor": "0", "node": None}),
    ):
        response = await hub.client.post("/graphql", json={"query": query}, headers={"accept": GRAPHQL_RESPONSE})

        assert response.status_code == 200
        assert response.json()["data"] == data
        assert first_error(response)["extensions"]["code"] == "INVALID_INPUT"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the body is empty"),
        (b"{", "the body is no JSON: unexpected end of data: line 1 column 2 (char 1)"),
        (b'{"query": "\xff"}', "the body is no JSON: "),
        (b'{"query": "\\ud800"}', "the body is no JSON: "),
        (b'{"query": NaN}', "the body is no JSON: "),
        (b"[" * 2000 + b"]" * 2000, "the body is no JSON: "),
        (b'"{ feedCursor }"', "the body is a string, not an object"),
        (b"null", "the body is null, not an object"),
        (b"7", "the body is a number, not an object"),
        (b"{}", "the request has no 'query'"),
        (b'{"qeury": "{ feedCursor }"}', "the request has no 'query', it has 'qeury'"),
        (b'{"query": null}', "the request has no 'query', it has 'query'"),
        (b'{"query": ""}', "'query' is empty"),
        (b'{"query": 7}', "'query' is a number, not a string"),
        (b'{"query": ["{ feedCursor }"]}', "'query' is a list, not a string"),
        (b'{"query": "{ feedCursor }", "operationName": true}', "'operationName' is a boolean, not a string"),
        (b'{"query": "{ feedCursor }", "variables": "{}"}', "'variables' is a string, not an object"),
        (b'{"query": "{ feedCursor }", "variables": []}', "'variables' is a list, not an object"),
        (b'{"query": "{ feedCursor }", "extensions": 0}', "'extensions' is a number, not an object"),
    ],
)
async def test_a_body_that_is_no_request_is_refused_with_what_was_expected(hub: Hub, content: bytes, message: str):
    for accept in (JSON, GRAPHQL_RESPONSE):
        headers = {"content-type": JSON, "accept": accept}
        response = await hub.client.post("/graphql", content=content, headers=headers)

        error = first_error(response)
        assert (response.status_code, error["extensions"]) == (400, {"code": "BAD_REQUEST", "hint": SHAPE})
        assert error["message"] == message or (message.endswith(" ") and error["message"].startswith(message))


async def test_a_list_of_operations_is_refused_with_what_to_do_instead(hub: Hub):
    response = await hub.client.post("/graphql", json=[{"query": COUNT}, {"query": COUNT}])

    assert response.status_code == 400
    assert first_error(response) == {
        "message": "the body is a list of operations, one at a time is taken",
        "extensions": {
            "code": "BAD_REQUEST",
            "hint": "Ask for several fields in one operation, or send several requests over one connection.",
        },
    }


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ([("query", COUNT), ("variables", "{")], "variables is no JSON: "),
        ([("query", COUNT), ("variables", "[1]")], "'variables' is a list, not an object"),
        ([("query", COUNT), ("extensions", '"x"')], "'extensions' is a string, not an object"),
        ([("query", COUNT), ("query", COUNT)], "'query' is in the address 2 times, once is allowed"),
        ([("query", "")], "the request has no 'query'"),
        ([("operationName", "A")], "the request has no 'query', it has 'operationName'"),
    ],
)
async def test_an_address_that_is_no_request_is_refused(hub: Hub, parameters: list[tuple[str, Any]], message: str):
    response = await hub.client.get("/graphql", params=parameters)

    assert response.status_code == 400
    error = first_error(response)
    assert error["extensions"]["code"] == "BAD_REQUEST"
    assert error["message"] == message or (message.endswith(" ") and error["message"].startswith(message))


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"content-type": "text/plain"}, "content type 'text/plain' is not read"),
        ({"content-type": "text/plain; application/json"}, "content type 'text/plain' is not read"),
        ({"content-type": "application/graphql"}, "content type 'application/graphql' is not read"),
        (
            {"content-type": "application/x-www-form-urlencoded", "apollo-require-preflight": "1"},
            "content type 'application/x-www-form-urlencoded' is not read",
        ),
        ({"content-type": "multipart/form-data; boundary=x"}, "content type 'multipart/form-data' is not read"),
        ({}, "the request does not say what its body is"),
        ({"content-type": "application/json; charset=latin-1"}, "charset 'latin-1' is not read"),
        ({"content-type": JSON, "content-encoding": "gzip"}, "content encoding 'gzip' is not read"),
    ],
)
async def test_a_body_in_another_form_is_refused(hub: Hub, headers: dict[str, str], message: str):
    content = b'{"query": "{ tickets { totalCount } }"}'

    response = await hub.client.post("/graphql", content=content, headers=headers)

    assert (response.status_code, response.headers["accept-post"]) == (415, JSON)
    error = first_error(response)
    assert (error["message"], error["extensions"]["code"]) == (message, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("content_type", ['application/json; charset="UTF-8"', "Application/JSON;charset=utf8"])
async def test_json_may_say_that_it_is_utf_8(hub: Hub, content_type: str):
    content = '{"query": "query ($text: String) { tickets(filter: {title: {eq: $text}}) { totalCount } }", ' + (
        '"variables": {"text": "Zürich 🏃"}}'
    )

    response = await hub.client.post("/graphql", content=content.encode(), headers={"content-type": content_type})

    assert (response.status_code, response.json()) == (200, NONE)


async def test_what_is_not_acceptable_is_not_run(hub: Hub):
    response = await hub.client.post("/graphql", json={"query": COUNT}, headers={"accept": "text/csv"})

    assert response.status_code == 406
    assert response.headers["content-type"] == JSON
    assert first_error(response)["extensions"]["code"] == "NOT_ACCEPTABLE"


async def test_a_request_that_is_too_large_is_refused_whether_it_says_so_or_not(hub: Hub):
    large = b'{"query": "' + b" " * 300_000 + b'{ __typename }"}'

    async def in_pieces() -> Any:
        for start in range(0, len(large), 10_000):
            yield large[start : start + 10_000]

    announced = await hub.client.post("/graphql", content=large, headers={"content-type": JSON})
    streamed = await hub.client.post("/graphql", content=in_pieces(), headers={"content-type": JSON})
    addressed = await hub.client.get("/graphql", params={"query": "{ __typename }" + "#" * 11_000})

    for response in (announced, streamed):
        assert response.status_code == 413
        assert first_error(response) == {
            "message": "the body is larger than the 262,144 bytes that are allowed",
            "extensions": {"code": "TOO_LARGE"},
        }
    assert addressed.status_code == 414
    assert first_error(addressed)["extensions"] == {"code": "TOO_LARGE", "hint": "Send it by POST."}


@pytest.mark.parametrize(
    ("headers", "is_run"),
    [
        ({}, True),
        ({"accept": "*/*"}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site", "accept": GRAPHQL_RESPONSE}, False),
        ({"sec-fetch-site": "cross-site", "content-type": "text/plain"}, False),
        ({"sec-fetch-site": "cross-site", "authorization": "Basic eA=="}, False),
        ({"sec-fetch-site": "cross-site", "apollo-require-preflight": ""}, False),
        ({"sec-fetch-site": "cross-site", "apollo-require-preflight": "1"}, True),
        ({"sec-fetch-site": "cross-site", "x-apollo-operation-name": "Board"}, True),
        ({"sec-fetch-site": "cross-site", "content-type": JSON}, True),
        ({"origin": "http://localhost"}, True),
        ({"origin": "http://portal.example"}, False),
        ({"origin": "http://localhost:3000"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://portal.example", "sec-fetch-site": "same-origin"}, True),
    ],
)
async def test_a_get_that_a_page_of_another_site_can_send_unasked_is_refused(
    hub: Hub, headers: dict[str, str], is_run: bool
):
    response = await hub.client.get("/graphql", params={"query": COUNT}, headers=headers)

    if is_run:
        assert (response.status_code, response.json()) == (200, NONE)
    else:
        assert response.status_code == 403
        assert first_error(response)["extensions"] == {
            "code": "CROSS_SITE_REQUEST",
            "hint": "POST them as JSON, or send a header that a browser asks about first: apollo-require-preflight.",
        }


async def test_a_get_with_a_token_needs_it_and_is_asked_about_by_browsers(open_hub: OpenHub):
    async with open_hub(token=TOKEN) as hub:
        asked = {"params": {"query": COUNT}}
        cross = {"sec-fetch-site": "cross-site", "authorization": f"Bearer {TOKEN}"}

        refused = await hub.client.get("/graphql", headers={"accept": GRAPHQL_RESPONSE}, **asked)
        answered = await hub.client.get("/graphql", headers=cross, **asked)

    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert refused.headers["content-type"] == GRAPHQL_RESPONSE
    assert first_error(refused)["extensions"]["code"] == "UNAUTHENTICATED"
    assert answered.json() == NONE


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
PIECES = st.lists(
    st.sampled_from(
        ["{", "}", "(", ")", "[", "]", "query", "mutation", "$a", ":", "tickets", "first", "1", '"x"', '"""', "...",
         "on", "Ticket", "nodes", "id", "@skip", "fragment", "F", "!", "=", "-1e999", "#", "\n", "\ufeff", "\0", "é"]
    ),
    max_size=25,
).map(" ".join)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=40),
        JSON_VALUES.map(lambda value: json.dumps(value).encode()),
        st.fixed_dictionaries(
            {"query": PIECES | JSON_VALUES}, optional={"variables": JSON_VALUES, "operationName": JSON_VALUES}
        ).map(lambda value: json.dumps(value).encode()),
    ),
    form=st.sampled_from([JSON, GRAPHQL_RESPONSE]),
)
async def test_whatever_is_sent_is_answered_in_the_form_of_graphql_and_is_no_fault_of_the_hub(
    hub: Hub, content: bytes, form: str
):
    response = await hub.client.post("/graphql", content=content, headers={"content-type": JSON, "accept": form})

    answer = response.json()
    assert response.status_code in ((200, 400) if form == JSON else ((200,) if "data" in answer else (400,)))
    assert answer.keys() & {"data", "errors"}
    for error in answer.get("errors", ()):
        assert error["message"]
        assert error["extensions"]["code"] != "INTERNAL", error
