"""Whose certificates are believed: the known authorities, and those that a source names in addition."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path

import httpx


@cache
def known_authorities() -> ssl.SSLContext:
    """The certificate authorities that everybody knows, read once for all clients: it takes longer than a request."""
    return httpx.create_ssl_context(trust_env=False)


def authorities_with(bundle: Path) -> ssl.SSLContext:
    """The known authorities and those of a file of PEM certificates. Names and dates are checked as ever.

    Raises ValueError when the file cannot be read, or holds no certificate.
    """
    context = httpx.create_ssl_context(trust_env=False)
    _load(context, bundle)
    return context


def check_bundle(bundle: Path) -> Path:
    """The same path. Raises ValueError when the file cannot be read, or holds no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _load(context, bundle)
    if not context.cert_store_stats()["x509"]:
        raise ValueError(f"{str(bundle)!r} holds no certificate")
    return bundle


def _load(context: ssl.SSLContext, bundle: Path) -> None:
    try:
        context.load_verify_locations(cafile=bundle)
    except ssl.SSLError:
        raise ValueError(
            f"{str(bundle)!r} holds no certificate that can be read: PEM is expected, -----BEGIN CERTIFICATE-----"
        ) from None
    except OSError as error:
        raise ValueError(f"{str(bundle)!r} cannot be read: {error.strerror}") from None
