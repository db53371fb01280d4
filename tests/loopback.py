"""Systems on real sockets of this machine, which answer as a test wants them to: whole, broken off, or never."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from connector.sdk.testing import App

Respond = Callable[[httpx.Request], Awaitable["Raw | None"]]
"""What a system answers; None lets the sandbox behind it answer."""


@dataclass(frozen=True)
class Raw:
    """An answer, byte for byte. body: its pieces, however many. is_cut: the connection ends after it."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: Iterable[bytes] = ()
    is_cut: bool = False


def answer(
    status: int = 200, text: str | bytes = "", *, kind: str = "application/json", length: int | None = None,
    **headers: str,
) -> Raw:  # fmt: skip
    """An answer of this text. length: what it says its length is. headers: with `_` for `-`."""
    body = text.encode() if isinstance(text, str) else text
    said = len(body) if length is None else length
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    fields = (("content-type", kind), ("content-length", str(said)), *named)
    return Raw(status, fields, (body,), is_cut=said > len(body))


def chunked(pieces: Iterable[bytes], *, status: int = 200, **headers: str) -> Raw:
    """An answer that does not say how long it is."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    fields = (("content-type", "application/json"), ("transfer-encoding", "chunked"), *named)
    return Raw(status, fields, (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece))


@dataclass
class Loopback:
    """A server that listens. requests: what came. sent: bytes of bodies that were taken off its hands."""

    port: int
    scheme: str
    requests: list[httpx.Request] = field(default_factory=list)
    sent: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"


@asynccontextmanager
async def listening(
    respond: Respond, *, app: App | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Loopback]:
    """Serve on a free port. app: a sandbox that answers where `respond` says None."""
    behind = httpx.ASGITransport(app=app) if app is not None else None

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await one(reader, writer):
                pass
        writer.close()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        fields = [tuple(line.split(": ", 1)) for line in head[1:] if line]
        length = next((int(value) for name, value in fields if name.lower() == "content-length"), 0)
        content = await reader.readexactly(length)
        request = httpx.Request(method, f"{system.url}{target}", headers=fields, content=content)  # type: ignore[arg-type]
        system.requests.append(request)
        raw = await respond(request)
        if raw is None:
            assert behind is not None, "nothing stands behind this server"
            given = await behind.handle_async_request(request)
            raw = answer(given.status_code, await given.aread(), kind=given.headers.get("content-type", ""))
        lines = [f"HTTP/1.1 {raw.status} X", *(f"{name}: {value}" for name, value in raw.headers)]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        for piece in raw.body:
            writer.write(piece)
            await writer.drain()
            system.sent += len(piece)
        if "chunked" in dict(raw.headers).get("transfer-encoding", ""):
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return not raw.is_cut

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    system = Loopback(server.sockets[0].getsockname()[1], "https" if tls else "http")
    try:
        yield system
    finally:
        server.close()


def signed_by_own_authority(folder: Path, name: str = "company") -> tuple[ssl.SSLContext, Path]:
    """What a server of 127.0.0.1 shows that an authority of the company has signed, and the file of that authority."""
    now = datetime.now(UTC)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer, subject = (
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, each)]) for each in (f"{name} root", "127.0.0.1")
    )
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
         "decipher_only"), False,
    )  # fmt: skip
    authority = (
        x509.CertificateBuilder().subject_name(issuer).issuer_name(issuer).public_key(ca_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )  # fmt: skip
    certificate = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )  # fmt: skip
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}-server.pem").write_bytes(private + certificate.public_bytes(pem))
    bundle = folder / f"{name}-ca.pem"
    bundle.write_bytes(authority.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}-server.pem")
    return context, bundle


def self_signed(folder: Path) -> ssl.SSLContext:
    """What a server of 127.0.0.1 shows that has made its certificate itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "both.pem").write_bytes(private + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context
