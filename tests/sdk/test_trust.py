"""Systems whose certificate the company signs itself are trusted where their source names the authority."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import repeat
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from connector.sdk import ConfigError, SourceClient, Transient
from connector.sdk.connection import connect, read_config
from connector.sdk.registry import load_adapter
from connector.sdk.testing import MovableClock
from connector.sdk.travel import connect_travel_times
from tests.loopback import Raw, answer, chunked, listening, self_signed, signed_by_own_authority

NOT_TRUSTED = "pull devices: the system's certificate is not trusted"


async def respond(_: httpx.Request) -> Raw:
    return answer(200, "[1]")


async def get(url: str, ca_bundle: Path | None) -> object:
    async with SourceClient(url, ca_bundle=ca_bundle, attempts=1) as http:
        return http.json(await http.request("GET", "/api", operation="pull devices"), operation="pull devices")


async def test_a_system_signed_by_the_company_is_trusted_with_its_bundle_and_not_without(tmp_path: Path):
    tls, bundle = signed_by_own_authority(tmp_path)
    async with listening(respond, tls=tls) as system:
        with pytest.raises(Transient) as raised:
            await get(system.url, None)
        found = await get(system.url, bundle)

    assert raised.value.message == NOT_TRUSTED
    assert raised.value.hint.endswith("one of your own goes into `ca_bundle`.")
    assert (found, len(system.requests)) == ([1], 1)


async def test_a_bundle_is_no_switch_that_turns_checks_off(tmp_path: Path):
    tls, bundle = signed_by_own_authority(tmp_path)
    _, other = signed_by_own_authority(tmp_path, "another")
    async with listening(respond, tls=tls) as system:
        for url, ca_bundle in ((system.url, other), (system.url.replace("127.0.0.1", "localhost"), bundle)):
            with pytest.raises(Transient) as raised:
                await get(url, ca_bundle)
            assert raised.value.message == NOT_TRUSTED
    async with listening(respond, tls=self_signed(tmp_path)) as system:
        with pytest.raises(Transient):
            await get(system.url, bundle)

    assert system.requests == []


async def test_the_settings_of_a_source_and_of_a_provider_of_travel_times_reach_their_clients(tmp_path: Path):
    tls, bundle = signed_by_own_authority(tmp_path)
    clock = MovableClock(datetime(2026, 12, 1, tzinfo=UTC))
    async with listening(respond, tls=tls) as system:
        own = {"base_url": system.url, "ca_bundle": str(bundle)}
        token = {"token": "canary-0123456789", "webhook_secret": "canary-9876543210"}
        source = connect("desk", "acme", {**own, **token}, clock=clock, attempts=1)
        provider = connect_travel_times("osrm", own, clock=clock)
        for http in (source.http, provider.http):
            async with http:
                await http.request("GET", "/api", operation="look")

    assert len(system.requests) == 2


async def test_the_deadline_of_a_source_reaches_its_client():
    async def drip(_: httpx.Request) -> Raw:
        return chunked(repeat(b" "))

    token = {"token": "canary-0123456789", "webhook_secret": "canary-9876543210"}
    clock = MovableClock(datetime(2026, 12, 1, tzinfo=UTC))
    async with listening(drip) as system:
        settings = {"base_url": system.url, "timeout": "PT0.1S", "deadline": "PT0.2S", **token}
        async with connect("desk", "acme", settings, clock=clock, attempts=1).http as http:
            with pytest.raises(Transient, match=r"the answer was not whole after 0\.2 s"):
                await http.request("GET", "/api", operation="look")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        ("", "holds no certificate that can be read: PEM is expected, -----BEGIN CERTIFICATE-----"),
        ("token = 1", "holds no certificate that can be read: PEM is expected, -----BEGIN CERTIFICATE-----"),
        (
            "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n",
            "holds no certificate that can be read: PEM is expected, -----BEGIN CERTIFICATE-----",
        ),
    ],
    ids=["missing", "empty", "no PEM", "no certificate in the PEM"],
)
def test_a_bundle_that_cannot_be_used_is_said_before_anything_is_asked(tmp_path: Path, content: str | None, said: str):
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_text(content)

    with pytest.raises(ConfigError) as raised:
        read_config("desk", load_adapter("acme"), {"base_url": "https://desk.test", "ca_bundle": str(bundle)})

    assert f"  sources.desk.ca_bundle: Value error, {str(bundle)!r} {said}" in str(raised.value)
    assert "Example: '/etc/ssl/company-ca.pem'." in str(raised.value)


def test_a_list_of_what_was_called_back_is_no_certificate(tmp_path: Path):
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "company root")])
    called_back = (
        x509.CertificateRevocationListBuilder().issuer_name(name).last_update(now).next_update(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    bundle = tmp_path / "crl.pem"
    bundle.write_bytes(called_back.public_bytes(serialization.Encoding.PEM))

    with pytest.raises(ConfigError, match=r"crl\.pem' holds no certificate"):
        read_config("desk", load_adapter("acme"), {"base_url": "https://desk.test", "ca_bundle": str(bundle)})


def test_a_folder_in_place_of_a_bundle_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_config("desk", load_adapter("acme"), {"base_url": "https://desk.test", "ca_bundle": str(tmp_path)})
