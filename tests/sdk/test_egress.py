"""What the hub connects to, with resolvers that lie: nothing is sent to an address that was not looked at."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path

import httpx
import pytest

from connector.sdk import SourceClient, Transient, UnexpectedResponse
from connector.sdk.egress import AddressRefused, Egress, Gate, GuardedTransport, why_refused
from tests.loopback import Loopback, answer, listening, signed_by_own_authority

METADATA = "is link-local, multicast, unspecified, or that of a cloud's metadata"
PRIVATE = "is not public, and no setting names its host"


class Resolver:
    """Says what it is told, one answer after the other, and what is on this machine on which port."""

    def __init__(self, *answers: Sequence[str] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(given, Exception):
            raise given
        return given


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254", "169.254.0.1", "0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.250", "255.255.255.255",
        "240.0.0.1", "::", "fe80::1", "fec0::1", "ff02::1", "fd00:ec2::254", "100.100.100.200", "192.0.0.192",
        "168.63.129.16", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "64:ff9b::a9fe:a9fe", "::169.254.169.254",
        "2002:a9fe:a9fe::1",
    ],
)  # fmt: skip
def test_there_are_addresses_that_no_setting_opens(address: str):
    assert why_refused(ip_address(address), is_named=True) == METADATA
    assert why_refused(ip_address(address), is_named=False) == METADATA


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "::1", "10.0.0.5", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1",
        "fc00::1", "fd12:3456::1", "::ffff:10.0.0.5", "::ffff:127.0.0.1", "64:ff9b::a00:5", "::10.0.0.5",
        "2002:a00:5::1", "198.18.0.1", "192.0.2.1", "2001:db8::1",
    ],
)  # fmt: skip
def test_private_ones_are_for_hosts_that_the_settings_name(address: str):
    assert why_refused(ip_address(address), is_named=True) is None
    assert why_refused(ip_address(address), is_named=False) == PRIVATE


@pytest.mark.parametrize("address", ["1.1.1.1", "172.15.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::101:101"])
def test_public_ones_are_open_but_for_what_is_denied(address: str):
    assert why_refused(ip_address(address), is_named=False) is None
    denied = Egress(deny=(ip_network("1.1.1.0/24"), ip_network("172.0.0.0/8"), ip_network("2606::/16")))
    assert why_refused(ip_address(address), is_named=True, egress=denied) == "is in egress.deny"


def client(system: Loopback, gate: Gate, base: str, tls: ssl.SSLContext | None = None) -> SourceClient:
    transport = GuardedTransport(gate, verify=tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    return SourceClient(base.format(port=system.port), attempts=1, transport=transport)


async def respond(_request: httpx.Request) -> object:
    return answer(200, "{}")


async def test_a_name_is_resolved_once_and_the_address_that_was_checked_is_connected_to():
    """A second look would find another address: that of the metadata."""
    lies = Resolver(["127.0.0.1"], ["169.254.169.254"])
    gate = Gate(Egress(), ["cmdb.test"], lies)
    async with (
        listening(respond) as system,  # type: ignore[arg-type]
        client(system, gate, "http://cmdb.test:{port}") as http,
    ):
        first = await http.request("GET", "/a", operation="read")
        second = await http.request("GET", "/b", operation="read")

    assert (first.status_code, second.status_code) == (200, 200)
    assert lies.asked == ["cmdb.test"]
    assert [request.headers["host"] for request in system.requests] == [f"cmdb.test:{system.port}"] * 2


@pytest.mark.parametrize(
    ("addresses", "why"),
    [(["169.254.169.254"], METADATA), (["::ffff:169.254.169.254"], METADATA), (["fe80::1%lo"], METADATA)],
)
async def test_a_name_of_the_settings_that_leads_to_the_metadata_is_not_followed(addresses: list[str], why: str):
    async with listening(respond) as system:  # type: ignore[arg-type]
        gate = Gate(Egress(), ["cmdb.test"], Resolver(addresses))
        async with client(system, gate, "http://cmdb.test:{port}") as http:
            with pytest.raises(Transient) as refused:
                await http.request("POST", "/tickets", operation="write note", json={})

    assert system.requests == []
    assert f"leads to {addresses[0]}, which {why}" in (refused.value.detail or "")


async def test_of_several_addresses_the_good_ones_are_tried_in_turn():
    async with listening(respond) as system:  # type: ignore[arg-type]
        gate = Gate(Egress(), ["cmdb.test"], Resolver(["169.254.169.254", "127.0.0.2", "127.0.0.1"]))
        async with client(system, gate, "http://cmdb.test:{port}") as http:
            assert (await http.request("GET", "/", operation="read")).status_code == 200

    assert len(system.requests) == 1


@pytest.mark.parametrize("odd", ["2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]", "localhost", "LOCALHOST"])
async def test_a_label_does_not_lie_on_this_machine_however_its_address_is_written(odd: str):
    """By the resolver of the system, which reads more spellings than anybody would think of."""
    async with listening(respond) as system:  # type: ignore[arg-type]
        host = f"{odd}:{system.port}"
        there = str(httpx.URL(f"http://{host}/label.pdf").netloc, "ascii")
        async with client(system, Gate(Egress(), ["couriers.test"]), "http://couriers.test:{port}") as http:
            with pytest.raises(UnexpectedResponse, match="leads nowhere"):
                await http.download(f"http://{host}/label.pdf", operation="download label", hosts=[there])

    assert system.requests == []


async def test_a_label_may_lie_with_the_system_itself_or_where_the_settings_say():
    async with listening(respond) as system:  # type: ignore[arg-type]
        here = Resolver(["127.0.0.1"])
        for gate, host in (
            (Gate(Egress(), ["couriers.test"], here), "couriers.test"),
            (Gate(Egress(private_hosts=frozenset({"Minio.test"})), ["couriers.test"], here), "minio.test"),
        ):
            async with client(system, gate, "http://couriers.test:{port}") as http:
                there = f"{host}:{system.port}"
                assert await http.download(f"http://{there}/a", operation="label", hosts=[there]) == b"{}"


async def test_a_redirect_leads_nowhere():
    async def redirect(_request: httpx.Request) -> object:
        return answer(302, "", location="http://169.254.169.254/latest/meta-data/")

    async with listening(redirect) as system:  # type: ignore[arg-type]
        resolver = Resolver(["127.0.0.1"])
        async with client(system, Gate(Egress(), ["cmdb.test"], resolver), "http://cmdb.test:{port}") as http:
            with pytest.raises(UnexpectedResponse, match="answered 302"):
                await http.request("GET", "/", operation="read")

    assert (len(system.requests), resolver.asked) == (1, ["cmdb.test"])


async def test_a_certificate_is_that_of_the_name_and_not_of_the_address(tmp_path: Path):
    """The server's is of 127.0.0.1: who asks for another name is not content with where it leads."""
    tls, authority = signed_by_own_authority(tmp_path)
    trusted = ssl.create_default_context(cafile=str(authority))
    async with listening(respond, tls=tls) as system:  # type: ignore[arg-type]
        gate = Gate(Egress(), ["127.0.0.1", "cmdb.test"], Resolver(["127.0.0.1"]))
        async with client(system, gate, "https://127.0.0.1:{port}", trusted) as http:
            assert (await http.request("GET", "/", operation="read")).status_code == 200
        async with client(system, gate, "https://cmdb.test:{port}", trusted) as http:
            with pytest.raises(Transient, match="certificate is not trusted"):
                await http.request("GET", "/", operation="read")


@pytest.mark.parametrize("failure", [OSError("no such name"), UnicodeError("label too long")])
async def test_a_name_that_is_not_known_is_told_as_a_system_that_is_away(failure: Exception):
    async with listening(respond) as system:  # type: ignore[arg-type]
        gate = Gate(Egress(), ["cmdb.test"], Resolver(failure))
        async with client(system, gate, "http://cmdb.test:{port}") as http:
            with pytest.raises(Transient, match="did not answer"):
                await http.request("POST", "/", operation="write", json={})


async def test_every_client_of_a_source_has_the_gate():
    """As the hub builds it, without a transport of a test."""
    async with SourceClient(
        "http://metadata.test", egress=Egress(deny=(ip_network("127.0.0.0/8"),)), attempts=1
    ) as http:
        transport = http._http._transport
        assert isinstance(transport, GuardedTransport)
    async with listening(respond) as system:  # type: ignore[arg-type]
        denied = Egress(deny=(ip_network("127.0.0.0/8"),))
        async with SourceClient(system.url, egress=denied, attempts=1) as http:
            with pytest.raises(Transient) as refused:
                await http.request("GET", "/", operation="read")
        async with SourceClient(system.url, attempts=1) as http:
            assert (await http.request("GET", "/", operation="read")).status_code == 200

    assert "egress.deny" in (refused.value.detail or "")
    assert issubclass(AddressRefused, httpx.ConnectError)
