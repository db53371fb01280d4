"""TLS of the hub itself: what it shows to whoever connects, read again when somebody renews it."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from connector.model.errors import InvalidInput
from connector.settings.tls import TlsSettings

log = logging.getLogger("connector")

LOOKED_AT_S: Final = 30.0
"""Between two looks at the files."""


class Certificate:
    """What the hub shows, and to whom. context: for the server; connections that are open keep what they have seen."""

    def __init__(self, settings: TlsSettings) -> None:
        """Raises InvalidInput naming the file that cannot be used."""
        self._settings = settings
        self._seen = self._stamps()
        self.context = self._read()

    async def watch(self) -> None:
        """Look at the files again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOKED_AT_S)
            self.look()

    def look(self) -> bool:
        """Read the files again when they have changed: whether something else is shown now.

        Files that do not go together, as while they are being replaced, leave everything as it is; the next look reads
        them again.
        """
        stamps = self._stamps()
        if stamps == self._seen:
            return False
        try:
            self._read()
            self.context.load_cert_chain(self._settings.certificate, self._settings.key)
        except (InvalidInput, OSError) as error:
            log.error("the certificate stays as it is: %s", error)
            return False
        self._seen = stamps
        log.info("the certificate of %s is shown from now on", self._settings.certificate)
        return True

    def _read(self) -> ssl.SSLContext:
        given = self._settings
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(given.certificate, given.key, password=_no_password)
        except (OSError, ValueError) as error:  # an SSLError is one
            raise _unusable(
                f"certificate {given.certificate}" + (f" with key {given.key}" if given.key else ""), error
            ) from error
        if given.client_ca is not None:
            try:
                context.load_verify_locations(given.client_ca)
            except OSError as error:
                raise _unusable(f"client_ca {given.client_ca}", error) from error
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _stamps(self) -> tuple[object, ...]:
        """What tells that a file was replaced, by whichever way."""
        return tuple(_stamp(path) for path in (self._settings.certificate, self._settings.key) if path is not None)


@asynccontextmanager
async def shown(settings: TlsSettings | None) -> AsyncIterator[ssl.SSLContext | None]:
    """What the server shows, kept up to date; None for plain HTTP. Raises InvalidInput naming what cannot be used."""
    if settings is None:
        yield None
        return
    certificate = Certificate(settings)
    watching = asyncio.create_task(certificate.watch(), name="certificate")
    try:
        yield certificate.context
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError as error:
        return error.errno
    return found.st_mtime_ns, found.st_ino, found.st_size


def _no_password() -> str:
    raise ValueError("the key is encrypted, and nobody is there to type its password")


def _unusable(what: str, error: Exception) -> InvalidInput:
    why = error.strerror or str(error) if isinstance(error, OSError) else str(error)
    return InvalidInput(
        f"server.tls: {what} cannot be used: {why}",
        hint="PEM files are expected: the certificate with those between it and the authority, and its key.",
    )
