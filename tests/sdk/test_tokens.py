"""Tokens are asked for where the settings say, without the client's credentials, and are cut out of texts."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from connector.sdk import AuthError, ClientCredentials, ConfigError, SourceClient
from connector.sdk.testing import MovableClock


def client(answer: httpx.Response) -> tuple[SourceClient, list[httpx.Request]]:
    seen: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answer

    headers = {"authorization": "Basic Y2FuYXJ5", "x-api-key": "canary"}
    return SourceClient("https://desk.test/", headers=headers, transport=httpx.MockTransport(respond)), seen


async def test_a_form_goes_to_another_host_without_the_clients_headers():
    http, seen = client(httpx.Response(200, json={}))

    await http.post_form("https://login.test/token", {"a": "b c"}, operation="ask", headers={"X-Own": "1"})

    assert (seen[0].method, str(seen[0].url), seen[0].content) == ("POST", "https://login.test/token", b"a=b+c")
    assert seen[0].headers["x-own"] == "1"
    assert not {"authorization", "x-api-key"} & set(seen[0].headers)


async def test_a_second_server_of_a_vendor_is_asked_with_credentials_of_its_own():
    http, seen = client(httpx.Response(200, json={}))

    await http.request_elsewhere(
        "GET", "https://track.test/v1", operation="ask", headers={"X-Own": "1"}, params={"number": "7 8"}
    )

    assert str(seen[0].url) == "https://track.test/v1?number=7+8"
    assert seen[0].headers["x-own"] == "1"
    assert not {"authorization", "x-api-key"} & set(seen[0].headers)


async def test_nothing_is_sent_in_the_clear():
    http, seen = client(httpx.Response(200, json={}))

    with pytest.raises(ConfigError, match="is not encrypted"):
        await http.post_form("http://login.test/token", {}, operation="ask")
    with pytest.raises(ConfigError, match="is not encrypted"):
        await http.request_elsewhere("GET", "http://track.test/v1", operation="ask", headers={"X-Own": "1"})

    assert seen == []


async def test_a_token_that_was_given_out_is_cut_out_of_errors():
    http, _ = client(httpx.Response(401, text="not with token-0001 nor token-0005"))
    for number in (1, 2, 3, 4, 5, 5):
        http.conceal(f"token-000{number}")

    with pytest.raises(AuthError) as raised:
        await http.request("GET", "/", operation="read")

    assert raised.value.detail == "not with token-0001 nor [redacted]"


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_client_that_is_given_no_token_is_told_which_settings_to_check(status: int):
    http, seen = client(httpx.Response(status, json={"error": "invalid_client"}))
    tokens = ClientCredentials(
        http, MovableClock(datetime(2026, 1, 1, tzinfo=UTC)), url="https://desk.test/token", form={"client_id": "a"},
        hint="Check client_id.",
    )  # fmt: skip

    with pytest.raises(AuthError, match=f"no token was given out: ask for a token: .*{status}") as raised:
        await tokens.sent(lambda proof: http.request("GET", "/", operation="read", headers=proof))

    assert (raised.value.hint, raised.value.detail) == ("Check client_id.", '{"error":"invalid_client"}')
    assert [request.url.path for request in seen] == ["/token"]
