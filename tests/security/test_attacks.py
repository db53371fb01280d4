"""Attacks on what the hub serves, paths, headers, names of hosts, ids, slow and huge bodies."""

from __future__ import annotations

import asyncio
import hmac
import json
import time

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from connector import connections
from connector.api.access import ProviderUnreachable, Unauthenticated
from connector.api.identity import IdentityProvider
from connector.sdk import ConfigError, SourceClient
from connector.sdk.answers import path_segment
from connector.storage import tables
from connector.storage.database.engine import transaction
from tests.api.conftest import TOKEN, Hub, OpenHub, served
from tests.api.provider import provider_on_loopback
from tests.api.seed import LABEL, seed
from tests.api.test_connections import Connection, connection
from tests.api.test_identity import options_of
from tests.conftest import MovableClock
from tests.ingest.adapters import SECRET, scripted
from tests.loopback import Raw, answer, listening

SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""What is attacked here is in front of any database."""

HOOK = b"POST /webhooks/cmdb HTTP/1.1\r\nhost: 127.0.0.1\r\nx-signature: " + SECRET.encode() + b"\r\n"


@SQLITE
@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/%2e%2e/access.py", "/static/....//app.py",
        "/static/%2fetc%2fpasswd", "/static/graphiql.js%00.py", "/static/..\\app.py", "/labels/../static/../app.py",
        "/labels/1%2f..%2f2", "/labels/%2e%2e/%2e%2e/etc/passwd", "/labels/-1", "/labels/1e3", "/labels/1;x",
        "/labels/99999999999999999999999999", "//etc/passwd", "/webhooks/../../etc/passwd",
    ],
)  # fmt: skip
async def test_no_path_leads_to_a_file_that_is_not_served(hub: Hub, path: str):
    await seed(hub.engine)
    async with served(hub.app) as address, connection(address) as client:
        client.send("GET", path)
        found = await client.answer()
        client.send("GET", "/healthz")
        alive = await client.answer()

    assert found.status in (400, 404, 405), found
    assert b"import" not in found.body
    assert b"root:" not in found.body
    assert alive.status == 200


@SQLITE
@pytest.mark.parametrize(
    "name",
    [
        "a.pdf\r\nset-cookie: x=1",
        'a.pdf"; filename="b.exe',
        "../../etc/passwd",
        "a\x00.pdf",
        "ä\u202efdp.exe",
        "\r\n\r\n<script>",
    ],
)
async def test_a_name_out_of_an_answer_adds_no_header_and_names_no_other_file(hub: Hub, engine: AsyncEngine, name: str):
    """Couriers name their labels."""
    seeded = await seed(engine)
    async with transaction(engine) as tx:
        await tx.execute(update(tables.document).values(name=name))
    async with served(hub.app) as address, connection(address) as client:
        client.send("GET", f"/labels/{seeded.document}")
        found = await client.answer()

    assert (found.status, found.body) == (200, LABEL)
    assert "set-cookie" not in found.headers
    shown = found.headers["content-disposition"].removeprefix('inline; filename="').removesuffix('"')
    assert shown.replace("_", "").replace(".", "").replace("-", "").isalnum()
    assert shown.isascii()


async def test_a_token_with_a_line_break_is_sent_to_nobody():
    """A file that ends in a line break, or whoever wrote a header into a setting."""

    async def respond(_request: httpx.Request) -> Raw:
        return answer()

    for token in ("secret\r\nx-admin: 1", "secret\n"):
        headers = {"authorization": f"Bearer {token}"}
        async with listening(respond) as system, SourceClient(system.url, headers=headers, attempts=1) as http:
            with pytest.raises(ConfigError, match="cannot be sent as it is") as refused:
                await http.request("GET", "/", operation="read")
        assert "secret" not in str(refused.value)
        assert "secret" not in (refused.value.detail or "")
        assert system.requests == []


@pytest.mark.parametrize("id_", ["../admin", "1/../../admin", "1?x=1", "1#x", "1\r\nx: 1", "%2e%2e", "a b", "1;x"])
def test_an_id_out_of_an_answer_stays_one_segment_of_a_path(id_: str):
    segment = path_segment(id_)

    assert not set(segment) & set("/?#\r\n ;")
    assert httpx.URL(f"http://cmdb.test/items/{segment}/notes").path.count("/") >= 3
    assert httpx.URL(f"http://cmdb.test/items/{segment}/notes").raw_path.endswith(b"/notes")


@SQLITE
@pytest.mark.parametrize("path", ["/graphql", "/labels/1", "/worksheets/BER"])
@pytest.mark.parametrize(
    "host", ["evil.test", "127.0.0.1.evil.test", "localhost.evil.test:8000", "[::1].evil.test", ""]
)
async def test_a_hub_without_a_token_answers_to_its_own_names_alone(hub: Hub, path: str, host: str):
    """A page of another site has its own name lead to this machine (DNS rebinding)."""
    async with served(hub.app) as address, connection(address) as client:
        client.send("GET", path + ("?query=%7B__typename%7D" if path == "/graphql" else ""), host=host or " ")
        found = await client.answer()

    assert found.status in (400, 401)


@SQLITE
async def test_addresses_that_are_given_out_are_those_of_the_settings_whatever_host_was_asked_for(open_hub: OpenHub):
    """Else whoever sends a link on would send it by a name that somebody else chose."""
    query = "query ($id: ID!) { shipment(id: $id) { label { url } } }"
    async with open_hub(token=TOKEN, public_url="https://hub.example.com/") as hub:
        seeded = await seed(hub.engine)
        headers = {"authorization": f"Bearer {TOKEN}", "host": "evil.test", "x-forwarded-host": "evil.test"}
        asked = {"query": query, "variables": {"id": seeded.id("Shipment")}}
        given = await hub.client.post("/graphql", json=asked, headers=headers)

    assert given.json()["data"]["shipment"]["label"]["url"] == f"https://hub.example.com/labels/{seeded.document}"
    assert "evil" not in given.text


@SQLITE
async def test_a_webhook_that_is_too_large_is_told_so_before_it_is_read(clock: MovableClock, open_hub: OpenHub):
    """By what it says of itself; or when too much has come, of one that says nothing."""
    _, source = scripted(clock)
    async with open_hub(connections={"cmdb": source}) as hub, served(hub.app) as address:
        async with connection(address) as client:
            client.writer.write(HOOK + b"content-length: 1099511627776\r\n\r\n")
            assert (await client.answer()).status == 413
        async with connection(address) as client:
            piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
            client.writer.write(HOOK + b"transfer-encoding: chunked\r\n\r\n" + piece * 17)
            assert (await client.answer()).status == 413
        async with connection(address) as client:
            client.writer.write(HOOK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")
            assert (await client.answer()).status in (400, 413)


@SQLITE
async def test_a_webhook_that_drips_is_not_waited_for(
    clock: MovableClock, open_hub: OpenHub, monkeypatch: pytest.MonkeyPatch
):
    """However steadily it comes; nothing of it is kept, and others are taken meanwhile."""
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.3)
    _, source = scripted(clock)
    async with (
        open_hub(connections={"cmdb": source}) as hub,
        served(hub.app) as address,
        connection(address) as slow,
        connection(address) as other,
    ):
        begun = time.monotonic()
        slow.writer.write(HOOK + b"content-length: 100\r\n\r\n")
        other.writer.write(HOOK + b"content-length: 2\r\n\r\n{}")
        assert (await other.answer()).status == 202
        assert await _dripping(slow) == b""
        took = time.monotonic() - begun

    assert 0.25 < took < 5


async def _dripping(client: Connection) -> bytes:
    """What comes back to whoever sends a byte now and then."""

    async def drip() -> None:
        while True:
            client.writer.write(b"x")
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    try:
        return await client.piece()
    finally:
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)


@pytest.mark.parametrize("header", ["jwk", "jku", "x5u", "x5c"])
async def test_a_token_does_not_say_by_which_key_it_is_checked(clock: MovableClock, header: str):
    """Whoever signs it with a key of their own, and sends that key, or where it lies, along."""
    own = generate_private_key(SECP256R1())
    async with provider_on_loopback() as provider:
        key = json.loads(ECAlgorithm.to_jwk(own.public_key()))
        given = {"jwk": key, "jku": f"{provider.issuer}/evil", "x5u": f"{provider.issuer}/evil", "x5c": ["AAAA"]}
        headers = {"kid": "first", header: given[header]}
        token = jwt.encode(provider.claims(clock.now()), own, "ES256", headers=headers)
        people = IdentityProvider(options_of(provider), clock=clock)
        with pytest.raises(Unauthenticated, match="its signature is wrong"):
            await people.admit(token)
        asked = provider.asked
        await people.aclose()

    assert asked == 1


async def test_a_public_key_is_no_shared_secret(clock: MovableClock):
    """What everybody can read as the secret of an HMAC: the classic confusion of algorithms."""
    async with provider_on_loopback() as provider:
        public = provider.elliptic.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        body = jwt.utils.base64url_encode(json.dumps(provider.claims(clock.now())).encode())
        head = jwt.utils.base64url_encode(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "first"}).encode())
        proof = jwt.utils.base64url_encode(hmac.digest(public, head + b"." + body, "sha256"))
        people = IdentityProvider(options_of(provider), clock=clock)
        with pytest.raises(Unauthenticated, match="its algorithm is none of"):
            await people.admit(b".".join((head, body, proof)).decode())
        await people.aclose()


@pytest.mark.parametrize(
    "there", ["https://169.254.169.254/latest/meta-data/", "https://127.0.0.2/keys", "https://[::1]/keys"]
)
async def test_a_provider_does_not_say_that_its_keys_lie_within(clock: MovableClock, there: str):
    """Where they are is part of an answer; the provider itself is of the settings, and may be anywhere."""
    async with provider_on_loopback() as provider:
        provider.keys_at = there
        people = IdentityProvider(options_of(provider), clock=clock)
        with pytest.raises(ProviderUnreachable, match="AddressRefused"):
            await people.admit(provider.token(clock.now()))
        await people.aclose()
