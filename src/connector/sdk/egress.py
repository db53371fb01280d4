"""Where the hub may connect to: the address behind a name is looked at before anything is sent to it.

A name says nothing of where it leads. Whoever may choose one, or answer for one, could have the hub ask the metadata
service of its cloud, or a system of the network that it stands in. So a name is resolved once, each address is checked,
and a connection goes to the very address that was checked, whatever the name resolves to a moment later.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from time import monotonic
from typing import Final, TypeAlias

import httpcore
import httpx

from connector.model.refs import SourceRef
from connector.sdk.errors import AdapterError, Transient, UnexpectedResponse

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
SocketOptions: TypeAlias = Iterable[
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
]
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses behind a name, as texts. Raises OSError when there are none."""

NEVER: Final[tuple[Network, ...]] = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8", "::/128",  # unspecified: often this very machine
            "169.254.0.0/16", "fe80::/10", "fec0::/10",  # link-local, where clouds keep their metadata
            "224.0.0.0/4", "ff00::/8",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
            "fd00:ec2::254/128", "100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32",  # metadata elsewhere
        ),
    )
)  # fmt: skip
"""Nobody's settings lead there on purpose."""
_TRANSLATED: Final = (ip_network("64:ff9b::/96"), ip_network("::/96"))
"""IPv6 addresses whose last four bytes are an IPv4 address (RFC 6052; RFC 4291, 2.5.5.1)."""


@dataclass(frozen=True, slots=True)
class Egress:
    """What the operator says of it. deny: networks that are never connected to, whatever leads there.

    private_hosts: names, beside those of the sources themselves, that may lead into a private network.
    """

    deny: tuple[Network, ...] = ()
    private_hosts: frozenset[str] = frozenset()


ANYWHERE_PUBLIC: Final = Egress()
"""What holds where nothing is configured."""


class AddressRefused(httpx.ConnectError):
    """A name leads nowhere that the hub connects to. is_named: whether the settings name it."""

    def __init__(self, message: str, *, is_named: bool) -> None:
        super().__init__(message)
        self.is_named = is_named


def nowhere(error: AddressRefused, operation: str, ref: SourceRef | None) -> AdapterError:
    """What that is to a source. A name of the settings may lead elsewhere in a moment; one that
    came in an answer is not asked for again.
    """
    kind = Transient if error.is_named else UnexpectedResponse
    return kind(
        f"{operation}: the address leads nowhere that the hub connects to", operation=operation, ref=ref,
        detail=str(error), hint="See [egress] in docs/configuration.md.",
    )  # fmt: skip


def why_refused(address: Address, *, is_named: bool, egress: Egress = ANYWHERE_PUBLIC) -> str | None:
    """Why nothing is sent to an address; None when it may be. is_named: the settings name the host behind it."""
    led_to = _within(address) or (address,)
    every = {address, *led_to}
    if any(_lies_in(one, NEVER) for one in every):
        return "is link-local, multicast, unspecified, or that of a cloud's metadata"
    if any(_lies_in(one, egress.deny) for one in every):
        return "is in egress.deny"
    if not is_named and not all(one.is_global for one in led_to):
        return "is not public, and no setting names its host"
    return None


async def resolved(host: str, port: int) -> Sequence[str]:
    """What the system's resolver says."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Gate(httpcore.AsyncNetworkBackend):
    """Opens connections, to checked addresses alone. named: hosts that the settings name. resolve: for tests."""

    def __init__(self, egress: Egress, named: Iterable[str], resolve: Resolve = resolved) -> None:
        self._egress = egress
        self._named = {_plain(host) for host in (*named, *egress.private_hosts)}
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    def name(self, host: str) -> None:
        """The settings name this host, too."""
        self._named.add(_plain(host))

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """As httpcore has it. Raises AddressRefused."""
        begun = monotonic()
        addresses = await self._checked(host, port, timeout)
        failure: Exception | None = None
        for tried, address in enumerate(addresses):
            left = None if timeout is None else max(timeout - (monotonic() - begun), 0.001)
            share = None if left is None else left / (len(addresses) - tried)
            try:
                return await self._network.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host!r} has no address")

    async def sleep(self, seconds: float) -> None:
        """As httpcore has it."""
        await self._network.sleep(seconds)

    async def _checked(self, host: str, port: int, timeout: float | None) -> Sequence[str]:  # noqa: ASYNC109
        try:
            async with asyncio.timeout(timeout):
                found = await self._resolve(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"the name {host!r} was not resolved in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        is_named = _plain(host) in self._named
        good, bad = [], ""
        for text in found:
            why = why_refused(ip_address(text.partition("%")[0]), is_named=is_named, egress=self._egress)
            if why is None:
                good.append(text)
            else:
                bad = f"{host!r} leads to {text}, which {why}"
        if bad and not good:
            raise AddressRefused(bad, is_named=is_named)
        return good


class GuardedTransport(httpx.AsyncHTTPTransport):
    """HTTP through a gate. verify: whose certificates are believed, for the name that was asked for."""

    def __init__(self, gate: Gate, *, verify: ssl.SSLContext, max_connections: int | None = None) -> None:
        super().__init__(verify=verify, trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=verify, max_connections=max_connections, keepalive_expiry=KEPT_S, network_backend=gate
        )


KEPT_S: Final = 5.0
"""Seconds that a connection without requests is kept, as httpx keeps it."""


def _lies_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _within(address: Address) -> Sequence[Address]:
    """The IPv4 addresses that an IPv6 address leads to by translation or in a tunnel."""
    if isinstance(address, IPv4Address):
        return ()
    found: list[Address | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if not address.is_loopback and any(address in network for network in _TRANSLATED):
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [one for one in found if one is not None]


def _plain(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()
