"""TLS of the hub itself, by real clients: who is shown what, and who comes in."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
from pathlib import Path

import httpx
import pytest
import websockets

from connector import tls
from connector.api.guard import HSTS
from connector.model.errors import InvalidInput
from connector.settings.tls import TlsSettings
from connector.tls import Certificate, shown
from tests.api.conftest import OpenHub, served
from tests.loopback import signed_by_own_authority

QUERY = {"query": "{ tickets(first: 1) { totalCount } }"}


class Company:
    """An authority, and what it has signed for 127.0.0.1: key and certificate in one file."""

    def __init__(self, folder: Path, name: str) -> None:
        _, self.authority = signed_by_own_authority(folder, name)
        self.pem = folder / f"{name}-server.pem"

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority))


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return Company(tmp_path, "company")


async def test_queries_and_sockets_go_over_tls(open_hub: OpenHub, company: Company):
    async with (
        open_hub() as hub,
        shown(TlsSettings(certificate=company.pem)) as context,
        served(hub.app, tls=context) as address,
        httpx.AsyncClient(verify=company.trusting(), trust_env=False) as client,
    ):
        answers = [await client.post(f"https://{address}/graphql", json=QUERY) for _ in range(2)]
        alive = await client.get(f"https://{address}/healthz")
        async with websockets.connect(
            f"wss://{address}/graphql", ssl=company.trusting(),
            subprotocols=[websockets.Subprotocol("graphql-transport-ws")],
        ) as socket:  # fmt: skip
            await socket.send('{"type":"connection_init"}')
            assert "connection_ack" in str(await socket.recv())
        with pytest.raises(httpx.HTTPError):
            await client.get(f"http://{address}/healthz")

    assert [answer.json() for answer in answers] == [{"data": {"tickets": {"totalCount": 0}}}] * 2
    name, value = (part.decode() for part in HSTS)
    assert [answer.headers.get(name) for answer in (*answers, alive)] == [value] * 3


def test_old_versions_of_tls_are_not_spoken(company: Company):
    context = Certificate(TlsSettings(certificate=company.pem)).context

    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_NONE


async def test_only_clients_of_the_authority_come_in(open_hub: OpenHub, company: Company, tmp_path: Path):
    """The test's authority signs for servers and clients alike: its certificate has no purpose of its own."""
    strangers = Company(tmp_path, "strangers")
    settings = TlsSettings(certificate=company.pem, client_ca=company.authority)
    async with open_hub() as hub, shown(settings) as context, served(hub.app, tls=context) as address:

        async def ask(own: Path | None) -> int:
            trusting = company.trusting()
            if own is not None:
                trusting.load_cert_chain(own)
            async with httpx.AsyncClient(verify=trusting, trust_env=False) as client:
                return (await client.get(f"https://{address}/healthz")).status_code

        assert await ask(company.pem) == 200
        for own in (None, strangers.pem):
            with pytest.raises(httpx.HTTPError):
                await ask(own)


async def test_a_certificate_that_is_renewed_is_shown_to_whoever_comes_next(
    open_hub: OpenHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Without a signal: whatever renews it, the hub looks at the file."""
    monkeypatch.setattr(tls, "LOOKED_AT_S", 0.02)
    first, second = Company(tmp_path, "first"), Company(tmp_path, "second")
    current = tmp_path / "current.pem"
    shutil.copy(first.pem, current)

    async def is_shown(company: Company, address: str) -> bool:
        async with httpx.AsyncClient(verify=company.trusting(), trust_env=False) as client:
            try:
                return (await client.get(f"https://{address}/healthz")).status_code == 200
            except httpx.ConnectError:
                return False

    async with (
        open_hub() as hub,
        shown(TlsSettings(certificate=current)) as context,
        served(hub.app, tls=context) as address,
    ):
        assert (await is_shown(first, address), await is_shown(second, address)) == (True, False)
        replacement = tmp_path / "new.pem"
        shutil.copy(second.pem, replacement)
        os.replace(replacement, current)
        async with asyncio.timeout(10):
            while not await is_shown(second, address):
                pass
        assert not await is_shown(first, address)


def test_files_that_do_not_go_together_change_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    first, second = Company(tmp_path, "first"), Company(tmp_path, "second")
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    shutil.copy(first.pem, certificate)
    shutil.copy(first.pem, key)
    one = Certificate(TlsSettings(certificate=certificate, key=key))
    assert not one.look()

    shutil.copy(second.pem, certificate)
    assert not one.look()
    assert "the certificate stays as it is" in caplog.text
    shutil.copy(second.pem, key)
    assert one.look()
    certificate.unlink()
    assert not one.look()


def test_what_cannot_be_used_is_told_before_anything_starts(tmp_path: Path, company: Company):
    (tmp_path / "none.pem").write_text("nothing")
    for settings, what in (
        (TlsSettings(certificate=tmp_path / "nowhere.pem"), "nowhere.pem cannot be used: No such file"),
        (TlsSettings(certificate=tmp_path / "none.pem"), "none.pem cannot be used"),
        (TlsSettings(certificate=company.authority), "company-ca.pem cannot be used"),
        (TlsSettings(certificate=company.pem, client_ca=tmp_path / "none.pem"), "client_ca"),
    ):
        with pytest.raises(InvalidInput) as told:
            Certificate(settings)
        assert what in told.value.message


@pytest.mark.parametrize(
    ("public_url", "there"), [("https://hub.example.com", True), ("http://hub.example.com", False), (None, False)]
)
async def test_browsers_are_told_to_come_by_tls_where_a_proxy_ends_it(
    open_hub: OpenHub, public_url: str | None, there: bool
):
    async with open_hub(public_url=public_url) as hub:
        answers = [await hub.client.post("/graphql", json=QUERY) for _ in range(2)]
        answers.append(await hub.client.get("/nowhere"))

    assert [HSTS[0].decode() in answer.headers for answer in answers] == [there] * 3


async def test_a_connection_without_requests_is_closed_over_tls_as_well(open_hub: OpenHub, company: Company):
    async with (
        open_hub() as hub,
        shown(TlsSettings(certificate=company.pem)) as context,
        served(hub.app, tls=context, keep_alive_seconds=0.2) as address,
    ):
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port), ssl=company.trusting())
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()
