"""How the hub proves who it is: one way of three, and tokens that end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import parse_qs

import httpx
import pytest

from connector.sdk import AddNote, AuthError, ConfigError
from connector_zendesk.adapter import TICKETS
from connector_zendesk.mapping import ticket_ref
from connector_zendesk.sandbox.system import CLIENT

from .conftest import MINUTE, NOON, Hub

EXPORT, TOKENS = "/api/v2/incremental/tickets/cursor", "/oauth/tokens"
BY_CLIENT: dict[str, object] = {
    "client_id": CLIENT[0], "client_secret": CLIENT[1], "email": None, "api_token": None,
}  # fmt: skip


async def test_a_token_is_asked_for_once_and_sent_with_reads_and_writes(hub: Hub) -> None:
    hub.account.open(NOON)
    adapter = hub.adapter(**BY_CLIENT)

    await adapter.check()
    await adapter.push(AddNote("k", ticket_ref(1), "On its way."))

    asked, *others = hub.asked
    assert (asked.method, str(asked.url)) == ("POST", "http://zendesk.test/oauth/tokens")
    assert parse_qs(asked.content.decode()) == {
        "grant_type": ["client_credentials"], "client_id": ["connector"], "client_secret": [CLIENT[1]],
        "scope": ["read write"], "expires_in": ["1800"],
    }  # fmt: skip
    assert "authorization" not in asked.headers
    assert {request.method for request in others} == {"GET", "PUT"}
    assert {request.headers["authorization"] for request in others} == {"Bearer sandbox-access-token-000000"}


async def test_a_token_that_is_revoked_in_the_middle_of_a_pull_is_renewed_once_and_nothing_is_lost(hub: Hub) -> None:
    for _ in range(12):
        hub.account.open(NOON)
    pulling = hub.adapter(**BY_CLIENT).pull(TICKETS, None)
    first = await anext(pulling)
    hub.sandbox.server.tokens.clear()
    later = [batch async for batch in pulling]

    read = [int(record.ref.external_id) for batch in (first, *later) for record in batch.records]
    assert read == list(range(1, 13))
    paths = [request.url.path for request in hub.asked if request.url.path in (EXPORT, TOKENS)]
    assert paths == [TOKENS, EXPORT, EXPORT, TOKENS, EXPORT, EXPORT]


async def test_a_token_is_renewed_before_its_end_so_that_no_request_is_refused(hub: Hub) -> None:
    adapter = hub.adapter(**BY_CLIENT)
    answers: list[int] = []
    hub.wire.change = lambda request: answers.append(len(hub.asked)) if request.url.path == TOKENS else None

    await adapter.check()
    hub.clock.advance(29 * MINUTE)
    await adapter.check()
    assert len(answers) == 1
    hub.clock.advance(timedelta(seconds=31))  # the token ends in 29 seconds
    await adapter.check()
    assert len(answers) == 2

    proofs = [request.headers["authorization"] for request in hub.asked if request.url.path != TOKENS]
    assert [proof[-1] for proof in dict.fromkeys(proofs)] == ["0", "1"]


async def test_a_token_whose_end_is_not_told_is_kept_for_less_than_five_minutes(hub: Hub) -> None:
    told = {"access_token": "t0ken-without-end", "token_type": "bearer", "scope": "read write"}
    hub.wire.change = lambda request: httpx.Response(200, json=told) if request.url.path == TOKENS else None
    hub.sandbox.server.authorization = "Bearer t0ken-without-end"
    adapter = hub.adapter(**BY_CLIENT)

    for wait in (timedelta(0), 4 * MINUTE, MINUTE):
        hub.clock.advance(wait)
        await adapter.check()

    assert hub.wire.count(TOKENS) == 2


async def test_a_new_token_that_is_refused_as_well_is_not_asked_for_for_ever(hub: Hub) -> None:
    refused = {"error": "invalid_token", "error_description": "The access token provided is expired, revoked."}
    hub.wire.change = lambda request: httpx.Response(401, json=refused) if request.url.path != TOKENS else None

    with pytest.raises(AuthError, match="check: the system answered 401"):
        await hub.adapter(**BY_CLIENT).check()

    assert [request.url.path for request in hub.asked] == [TOKENS, "/api/v2/users/me"] * 2


async def test_a_client_that_gets_no_token_is_told_what_to_check(hub: Hub) -> None:
    with pytest.raises(AuthError, match="no token was given out") as raised:
        await hub.adapter(**(BY_CLIENT | {"client_secret": "replaced-secret-00000000"})).check()

    assert "invalid_client" in raised.value.detail
    assert "client's identifier and not its number" in raised.value.hint
    assert "replaced-secret" not in f"{raised.value}{raised.value.detail}"


async def test_the_least_scope_reads_everything_and_writes_on_tickets_alone(hub: Hub) -> None:
    hub.account.open(NOON)
    await hub.adapter(**BY_CLIENT, scope="read tickets:write").push(AddNote("k", ticket_ref(1), "On its way."))

    with pytest.raises(AuthError, match="answered 403"):
        await hub.adapter(**BY_CLIENT, scope="read").push(AddNote("k2", ticket_ref(1), "Here."))


async def test_an_oauth_token_is_sent_as_it_is(hub: Hub) -> None:
    hub.sandbox.server.authorization = "Bearer b3arer-1234"

    await hub.adapter(email=None, api_token=None, oauth_token="b3arer-1234").check()

    assert hub.wire.count(TOKENS) == 0


CLIENT_HALVES = "client_id and client_secret go together"
ONE_OF = "give one of: client_id with client_secret, oauth_token, or email with api_token; there "


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"api_token": None}, "email and api_token go together"),
        ({"email": None}, "email and api_token go together"),
        ({"client_id": "connector"}, CLIENT_HALVES),
        ({"client_secret": "s3cret-1234"}, CLIENT_HALVES),
        ({"email": None, "api_token": None}, f"{ONE_OF}is none"),
        ({"oauth_token": "b3arer-1234"}, f"{ONE_OF}are oauth_token and api_token"),
        ({"client_id": "connector", "client_secret": "s3cret-1234"}, f"{ONE_OF}are client_secret and api_token"),
        (BY_CLIENT | {"oauth_token": "b3arer-1234"}, f"{ONE_OF}are client_secret and oauth_token"),
    ],
)
def test_exactly_one_way_is_needed(hub: Hub, settings: Mapping[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        hub.adapter(**settings)
