"""People who come in with a token of an identity provider."""

from __future__ import annotations

from asyncio import gather
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
import websockets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from connector.api.access import Admitted, ProviderUnreachable, Unauthenticated
from connector.api.identity import IdentityProvider, ProviderOptions
from connector.api.schema.nodes import global_id
from connector.model.errors import Forbidden
from connector.serve import identity_provider
from connector.settings.loading import load_settings
from connector.storage.database.engine import reading
from tests.api.conftest import OpenHub, connected, served, until
from tests.api.provider import AUDIENCE, Provider, provider_on_loopback
from tests.api.test_keys import EVE, KEYS, RELEASE, bearer
from tests.api.test_subscriptions import TASKS, begin, give_task
from tests.conftest import MovableClock

GROUPS = {"dispatchers": ("dispatcher",), "auditors": ("viewer", "approver"), "planners": ("planner",)}
CHANNEL = """mutation { openRedChannel(input: {name: "recall", reason: "advisory 7", endsAt: "2026-11-25T12:00:00Z",
  regions: ["EU"], idempotencyKey: "k"}) { channel { openedBy } errors { __typename } } }"""


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with provider_on_loopback() as provider:
        yield provider


@pytest.fixture
async def people(provider: Provider, clock: MovableClock) -> AsyncIterator[IdentityProvider]:
    people = IdentityProvider(options_of(provider), clock=clock)
    yield people
    await people.aclose()


def options_of(provider: Provider) -> ProviderOptions:
    return ProviderOptions(
        issuer=provider.issuer,
        audience=AUDIENCE,
        roles=GROUPS,
        leeway=timedelta(seconds=10),
        required_claims={},
        taken=frozenset({"eve", "rules"}),
    )


async def refusal(people: IdentityProvider, token: str) -> str:
    with pytest.raises(Unauthenticated) as refused:
        await people.admit(token)
    assert token not in str(refused.value)
    return refused.value.message.removeprefix("the bearer token is not taken: ")


async def outcome_of(people: IdentityProvider, token: str) -> Admitted | str:
    try:
        return await people.admit(token)
    except (Unauthenticated, Forbidden) as refused:
        return str(refused)


async def test_a_token_says_who_comes_in_with_which_roles_and_until_when(
    people: IdentityProvider, provider: Provider, clock: MovableClock
):
    admitted = await people.admit(provider.token(clock.now(), roles="dispatchers auditors choir"))

    assert admitted.principal.name == "grace@example.com"
    assert admitted.principal.roles == {"dispatcher", "viewer", "approver"}
    assert admitted.until == clock.now() + timedelta(minutes=5, seconds=10)


async def test_an_edwards_curve_key_is_one_too(people: IdentityProvider, provider: Provider, clock: MovableClock):
    claims = jwt.decode(provider.token(clock.now()), options={"verify_signature": False})
    token = jwt.encode(claims, provider.edwards, "EdDSA", headers={"kid": "edwards"})

    assert (await people.admit(token)).principal.name == "grace@example.com"


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"aud": "payroll"}, "it is for another audience than 'connector'"),
        ({"aud": None}, "it has no claim 'aud'"),
        ({"exp": None}, "it has no claim 'exp'"),
        ({"exp": "tomorrow"}, "its claim 'exp' is no time"),
        ({"exp": float("inf")}, "its claim 'exp' is no time"),
        ({"iss": "https://elsewhere.example"}, "its issuer is not '{issuer}'"),
        ({"lasts": timedelta(seconds=-10)}, "it expired at 2026-11-25T08:59:50+00:00"),
        ({"nbf": 1795597211}, "it is valid from 2026-11-25T09:00:11+00:00 on only"),
        ({"kid": None}, "it does not name the key ('kid') that it is signed with"),
        ({"kid": "edwards"}, "the token says 'ES256', for which its key is of the wrong kind"),
        ({"kid": "stranger"}, "the token is signed with a key that {issuer} does not publish"),
        ({"kid": "shared"}, "the token is signed with a key that {issuer} does not publish"),
        ({"email": None, "sub": None}, "it names nobody: neither claim 'email' nor 'sub' can be used"),
        ({"email": "eve"}, "claim 'email' is 'eve', which is somebody else's name in this hub"),
        ({"email": "cli:root"}, "claim 'email' is 'cli:root', which is somebody else's name in this hub"),
        ({"email": "gr\nace"}, "claim 'email' is no name: printable and 200 characters at most"),
    ],
)
async def test_a_token_that_is_not_right_is_refused_saying_why(
    people: IdentityProvider, provider: Provider, clock: MovableClock, claims: dict[str, Any], message: str
):
    assert await refusal(people, provider.token(clock.now(), **claims)) == message.format(issuer=provider.issuer)


async def test_clocks_may_be_off_by_the_leeway(people: IdentityProvider, provider: Provider, clock: MovableClock):
    await people.admit(provider.token(clock.now(), lasts=timedelta(seconds=-9)))
    await people.admit(provider.token(clock.now(), nbf=clock.now().timestamp() + 10))


async def test_a_changed_or_unsigned_token_is_refused(
    people: IdentityProvider, provider: Provider, clock: MovableClock
):
    head, body, signature = provider.token(clock.now()).split(".")
    other = provider.token(clock.now(), roles=["auditors"]).split(".")[1]
    unsigned = jwt.encode({"iss": provider.issuer}, None, "none", headers={"kid": "first"})
    shared = jwt.encode({"iss": provider.issuer}, "a secret of thirty-two characters", headers={"kid": "first"})

    assert await refusal(people, f"{head}.{other}.{signature}") == "its signature is wrong"
    assert await refusal(people, unsigned) == "its algorithm is none of RS256, ES256, EdDSA"
    assert await refusal(people, shared) == "its algorithm is none of RS256, ES256, EdDSA"
    assert await refusal(people, f"x.{body}.y") == "it is neither a key of this hub nor a JSON Web Token"


@pytest.mark.parametrize("verified", [False, "false"])
async def test_an_address_that_the_provider_did_not_verify_names_nobody(
    people: IdentityProvider, provider: Provider, clock: MovableClock, verified: object
):
    assert (await people.admit(provider.token(clock.now(), email_verified=verified))).principal.name == "4711"


async def test_groups_are_found_within_tables_and_whoever_has_none_that_counts_stays_outside(
    provider: Provider, clock: MovableClock
):
    options = replace(options_of(provider), roles_claim="realm_access.roles", required_claims={"org": "it"})
    people = IdentityProvider(options, clock=clock)
    deep = {"realm_access": {"roles": ["auditors"]}, "org": ["hr", "it"]}
    try:
        found = await people.admit(provider.token(clock.now(), **deep))
        with pytest.raises(Forbidden, match=r"'grace@example\.com' has no role in this hub"):
            await people.admit(provider.token(clock.now(), org="it"))
        stranger = await refusal(people, provider.token(clock.now(), **{**deep, "org": "hr"}))
    finally:
        await people.aclose()

    assert found.principal.roles == {"viewer", "approver"}
    assert stranger == "claim 'org' is not what auth.oidc.required_claims asks for"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
CLAIMS = st.sampled_from(["iss", "aud", "sub", "email", "email_verified", "exp", "nbf", "iat", "jti", "roles"])


@given(claims=st.dictionaries(CLAIMS, JSON, max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
async def test_whatever_a_provider_claims_somebody_comes_in_with_a_name_and_roles_or_is_refused(
    people: IdentityProvider, provider: Provider, clock: MovableClock, claims: dict[str, Any]
):
    token = provider.sign(provider.claims(clock.now()) | claims)

    outcome = await outcome_of(people, token)

    if isinstance(outcome, str):
        assert token not in outcome
    else:
        assert outcome.principal.name.isprintable()
        assert outcome.principal.roles
        assert outcome.until is not None
        assert outcome.until > clock.now()


async def test_many_who_come_at_once_have_the_keys_fetched_once(
    people: IdentityProvider, provider: Provider, clock: MovableClock
):
    await gather(*(people.admit(provider.token(clock.now())) for _ in range(20)))

    assert provider.asked == 1


async def test_the_configuration_names_the_provider_and_who_is_somebody_else(
    provider: Provider, clock: MovableClock, tmp_path: Path
):
    file = tmp_path / "connector.toml"
    file.write_text(
        f"""
        [sources.itsm]
        adapter = "file"
        directory = "."
        [auth.keys.ada]
        token = "the-token-of-ada-1234"
        roles = ["dispatcher"]
        [auth.oidc]
        issuer = "{provider.issuer}"
        audience = "connector"
        [auth.oidc.roles]
        dispatchers = ["dispatcher"]
        """
    )
    people = identity_provider(load_settings(file).settings, clock)
    assert people is not None

    found = await people.admit(provider.token(clock.now()))
    for name in ("ada", "itsm", "fulfilment", "api"):
        assert "somebody else's name" in await refusal(people, provider.token(clock.now(), email=name))
    await people.aclose()

    assert (found.principal.name, found.principal.roles) == ("grace@example.com", {"dispatcher"})


async def test_a_rotated_key_is_fetched_and_unknown_ones_are_looked_for_once_a_minute(
    people: IdentityProvider, provider: Provider, clock: MovableClock
):
    await people.admit(provider.token(clock.now()))
    provider.rotate("second")
    clock.advance(timedelta(seconds=59))
    for _ in range(3):
        assert "does not publish" in await refusal(people, provider.token(clock.now(), kid="second"))
    assert provider.asked == 1

    clock.advance(timedelta(seconds=1))
    await people.admit(provider.token(clock.now(), kid="second"))

    assert provider.asked == 2
    assert "does not publish" in await refusal(people, provider.token(clock.now(), kid="first"))


async def test_while_the_provider_is_away_its_keys_are_kept_and_others_are_told_to_try_again(
    people: IdentityProvider, provider: Provider, clock: MovableClock
):
    provider.is_out = True
    with pytest.raises(ProviderUnreachable, match="the identity provider answers 502"):
        await people.admit(provider.token(clock.now()))
    provider.is_out = False
    clock.advance(timedelta(seconds=5))
    await people.admit(provider.token(clock.now()))

    provider.is_out = True
    clock.advance(timedelta(hours=2))
    await people.admit(provider.token(clock.now()))
    provider.rotate("second")
    with pytest.raises(ProviderUnreachable, match="the identity provider answers 502"):
        await people.admit(provider.token(clock.now(), kid="second"))

    provider.is_out = False
    clock.advance(timedelta(seconds=5))
    await people.admit(provider.token(clock.now(), kid="second"))


async def test_a_provider_that_is_another_one_or_not_there_is_named(provider: Provider, clock: MovableClock):
    provider.claims_to_be = "https://elsewhere.example"
    nowhere = replace(options_of(provider), jwks_url="http://127.0.0.1:1/keys")

    for options, message in (
        (options_of(provider), "the identity provider calls itself 'https://elsewhere.example', auth.oidc.issuer is"),
        (nowhere, r"the identity provider cannot be reached at http://127.0.0.1:1/keys \(ConnectError\)"),
    ):
        people = IdentityProvider(options, clock=clock)
        with pytest.raises(ProviderUnreachable, match=message):
            await people.admit(provider.token(clock.now()))
        await people.aclose()


async def test_over_http_people_and_keys_come_in_side_by_side(
    open_hub: OpenHub, people: IdentityProvider, provider: Provider, clock: MovableClock
):
    async with open_hub(keys=KEYS, others=(people.admit,)) as hub:

        async def ask(token: str, query: str, **variables: Any) -> Any:
            return await hub.client.post(
                "/graphql", json={"query": query, "variables": variables}, headers=bearer(token)
            )

        provider.is_out = True
        away = await ask(provider.token(clock.now()), "{ me { name } }")
        by_key = await ask(EVE, "{ me { name } }")
        provider.is_out = False
        clock.advance(timedelta(seconds=5))
        me = await ask(provider.token(clock.now()), "{ me { name roles } }")
        reserved = await ask(provider.token(clock.now()), RELEASE, id=global_id("Reservation", 1))
        audit = provider.token(clock.now(), roles=["auditors"])
        refused = await ask(audit, RELEASE, id=global_id("Reservation", 1))
        nobody = await ask(provider.token(clock.now(), roles=[]), "{ me { name } }")
        expired = await ask(provider.token(clock.now(), lasts=-timedelta(hours=1)), "{ me { name } }")
        label = await hub.client.get("/labels/1")

    assert (away.status_code, away.headers["retry-after"]) == (503, "5")
    assert away.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    assert by_key.json() == {"data": {"me": {"name": "eve"}}}
    assert me.json() == {"data": {"me": {"name": "grace@example.com", "roles": ["dispatcher"]}}}
    assert reserved.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"  # the command itself was reached
    assert refused.json()["data"]["release"]["errors"][0]["message"] == (
        "'grace@example.com' may not release: that needs the role 'admin' or 'dispatcher' or 'machine', "
        "and its roles are 'approver', 'viewer'"
    )
    assert (nobody.status_code, nobody.json()["errors"][0]["extensions"]["code"]) == (403, "FORBIDDEN")
    assert (expired.status_code, label.status_code) == (401, 401)


async def test_a_group_lets_its_people_act_under_their_own_names(
    open_hub: OpenHub, people: IdentityProvider, provider: Provider, clock: MovableClock
):
    async with open_hub(others=(people.admit,)) as hub:
        answers = []
        for group in ("dispatchers", "planners"):
            headers = bearer(provider.token(clock.now(), roles=[group]))
            answers.append((await hub.client.post("/graphql", json={"query": CHANNEL}, headers=headers)).json()["data"])
        async with reading(hub.engine) as tx:
            actors = (await tx.execute(text("SELECT DISTINCT actor FROM change"))).scalars().all()

    refused, opened = [answer["openRedChannel"] for answer in answers]
    assert refused == {"channel": None, "errors": [{"__typename": "ForbiddenRefusal"}]}
    assert opened == {"channel": {"openedBy": "grace@example.com"}, "errors": []}
    assert actors == ["grace@example.com"]


async def test_a_socket_ends_with_its_token_and_resumes_under_a_new_one(
    open_hub: OpenHub, people: IdentityProvider, provider: Provider, clock: MovableClock
):
    async with open_hub(others=(people.admit,)) as hub, served(hub.app) as address:
        short = provider.token(clock.now(), lasts=timedelta(seconds=-9.9))
        async with connected(address, bearer(short)) as client:
            await begin(hub, client, TASKS)
            await give_task(hub.engine, "a")
            cursor = (await client.event())["cursor"]
            clock.advance(timedelta(seconds=1))
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await client.receive()
        await until(lambda: hub.streams.subscribers == 0)
        await give_task(hub.engine, "b")
        with pytest.raises(websockets.ConnectionClosed) as refused:
            async with connected(address, bearer(short)):
                raise AssertionError("an expired token came in")
        async with connected(address, bearer(provider.token(clock.now()))) as client:
            await client.subscribe(TASKS, after=cursor)
            resumed = await client.event()
        provider.rotate("second")
        provider.is_out = True
        clock.advance(timedelta(minutes=2))
        with pytest.raises(websockets.ConnectionClosed) as away:
            async with connected(address, bearer(provider.token(clock.now(), kid="second"))):
                raise AssertionError("a token came in that nobody could check")

    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (
        4403,
        'The token has expired, come back with a new one: resume with `after: "1"`',
    )
    assert resumed["task"]["title"] == "Task b"
    assert refused.value.rcvd is not None
    assert (refused.value.rcvd.code, refused.value.rcvd.reason) == (
        4403,
        "the bearer token is not taken: it expired at 2026-11-25T08:59:50+00:00",
    )
    assert away.value.rcvd is not None
    assert away.value.rcvd.code == 1013
