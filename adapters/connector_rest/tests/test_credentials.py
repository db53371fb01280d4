"""How a source shows who it is: each kind of `auth`, and tokens that end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from connector.sdk import AuthError, UnexpectedResponse
from connector.sdk.testing import ids

from .conftest import DOCUMENT, SECRET, Source, listed, row

OAUTH = {"kind": "oauth2", "token_url": "https://login.test/token", "scope": "read"}


def with_auth(**auth: Any) -> dict[str, Any]:
    return {**DOCUMENT, "auth": auth}


@pytest.mark.parametrize(
    ("auth", "settings", "header", "value"),
    [
        ({"kind": "bearer"}, {}, "authorization", f"Bearer {SECRET}"),
        ({"kind": "basic"}, {"identity": "hub"}, "authorization", "Basic aHViOmNhbmFyeS1zZWNyZXQtNzdhYQ=="),
        ({"kind": "header", "name": "X-Key", "prefix": "key "}, {}, "x-key", f"key {SECRET}"),
    ],
)
async def test_the_credential_goes_into_its_header(auth, settings, header, value):
    source = Source(lambda _: listed(row(1)), with_auth(**auth), **settings)

    await source.pull()

    assert source.sent[0].headers[header] == value


class Issuer:
    """Gives out tokens t1, t2, ... and knows which is good."""

    def __init__(self, *, lasts: object = 3600) -> None:
        self.given = 0
        self.good: str | None = None
        self.lasts = lasts
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "login.test":
            self.asked.append(request)
            self.given += 1
            self.good = f"token-number-{self.given}"
            return httpx.Response(200, json={"access_token": self.good, "expires_in": self.lasts})
        is_good = request.headers.get("authorization") == f"Bearer {self.good}"
        return listed(row(1)) if is_good else httpx.Response(401, text=f"no: {request.headers['authorization']}")


async def test_a_token_is_asked_for_once_and_used_until_shortly_before_its_end():
    issuer = Issuer()
    source = Source(issuer, with_auth(**OAUTH), identity="hub")

    assert ids(await source.pull()) == ["1"]
    source.clock.advance(timedelta(minutes=59))
    await source.pull()
    assert issuer.given == 1
    source.clock.advance(timedelta(seconds=31))
    await source.pull()

    assert issuer.given == 2
    assert parse_qs(issuer.asked[0].content.decode()) == {"grant_type": ["client_credentials"], "scope": ["read"]}
    assert issuer.asked[0].headers["authorization"] == "Basic aHViOmNhbmFyeS1zZWNyZXQtNzdhYQ=="


async def test_client_and_secret_may_go_into_the_form():
    issuer = Issuer()
    source = Source(issuer, with_auth(**OAUTH, client="form"), identity="hub")

    await source.pull()

    form = parse_qs(issuer.asked[0].content.decode())
    assert (form["client_id"], form["client_secret"]) == (["hub"], [SECRET])
    assert "authorization" not in issuer.asked[0].headers


async def test_a_token_that_was_revoked_is_renewed_once():
    issuer = Issuer()
    source = Source(issuer, with_auth(**OAUTH), identity="hub")
    await source.pull()

    issuer.good = "another"
    assert ids(await source.pull()) == ["1"]

    assert issuer.given == 2


async def test_a_client_that_may_not_read_is_told_so_after_one_new_token():
    given = 0

    def refuse(request: httpx.Request) -> httpx.Response:
        nonlocal given
        if request.url.host == "login.test":
            given += 1
            return httpx.Response(200, json={"access_token": f"token-number-{given}"})
        return httpx.Response(403, text=f"not with {request.headers['authorization']}")

    source = Source(refuse, with_auth(**OAUTH), identity="hub")
    with pytest.raises(AuthError) as raised:
        await source.pull()

    assert given == 2
    assert "token-number" not in f"{raised.value} {raised.value.detail}"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(400, json={"error": "invalid_client", "echo": SECRET}), AuthError),
        (httpx.Response(401), AuthError),
        (httpx.Response(404), AuthError),
        (httpx.Response(200, text="<html>"), UnexpectedResponse),
        (httpx.Response(200, json={"token": "x"}), UnexpectedResponse),
        (httpx.Response(200, json={"access_token": "a\nb"}), UnexpectedResponse),
    ],
)
async def test_where_no_token_is_given_out_nothing_is_asked(answer, error):
    source = Source(lambda _: answer, with_auth(**OAUTH), identity="hub")

    with pytest.raises(error) as raised:
        await source.pull()

    assert [request.url.host for request in source.sent] == ["login.test"]
    assert SECRET not in f"{raised.value} {raised.value.detail}"
