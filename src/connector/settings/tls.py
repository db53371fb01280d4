"""What the operator configures of TLS of the hub itself."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class TlsSettings(BaseModel):
    """Files, in PEM. They are read when the hub starts, and the certificate again when it is renewed."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    certificate: Path = Field(
        description="Certificate of the server, with those between it and its authority.",
        examples=["/etc/connector/tls.crt"],
    )
    key: Path | None = Field(
        default=None, description="Its private key; empty where the certificate's file holds it.",
        examples=["/etc/connector/tls.key"],
    )  # fmt: skip
    client_ca: Path | None = Field(
        default=None, description="Authorities of clients: only those with a certificate of one of them connect.",
        examples=["/etc/connector/clients.crt"],
    )  # fmt: skip
