"""Settings of a source that posts events."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, HttpUrl, SecretStr, field_validator, model_validator

from connector.sdk import AdapterConfig
from connector_webhook.definition import DOCUMENTS, Definition
from connector_webhook.signatures import secret_bytes

Delivered = Literal["notes", "states", "fields"]


class WebhookConfig(AdapterConfig):
    """Settings below `[sources.NAME]` with `adapter = "webhook"`."""

    definition: Definition = Field(
        description="The document that describes what is posted: a YAML file, relative to the configuration file, "
        "or the same inline.",
        examples=["acme_events.yaml"],
    )
    secret: SecretStr = Field(
        min_length=1,
        description="Secret of what is posted to the hub: `whsec_...`, or the key of the HMAC.",
        examples=[{"env": "ACME_WEBHOOK_SECRET"}],
    )
    previous_secret: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="The secret before, which is taken as well while it is being replaced.",
        examples=[{"env": "ACME_WEBHOOK_SECRET_BEFORE"}],
    )
    deliver_to: HttpUrl | None = Field(
        default=None,
        description="Where notes, states and fields of tickets are posted to; nothing is without it.",
        examples=["https://desk.example.com/hooks/connector"],
    )
    deliver: tuple[Delivered, ...] = Field(
        default=("notes", "states", "fields"), description="What is posted there.", examples=[["notes"]]
    )
    deliver_secret: SecretStr | None = Field(
        default=None,
        description="Secret, `whsec_...`, by which the hub signs what it posts.",
        examples=[{"env": "CONNECTOR_SIGNING_SECRET"}],
    )
    previous_deliver_secret: SecretStr | None = Field(
        default=None,
        description="The secret before, by which the hub signs as well while it is being replaced.",
        examples=[{"env": "CONNECTOR_SIGNING_SECRET_BEFORE"}],
    )
    event_source: str = Field(
        default="connector",
        min_length=1,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="`source` of the CloudEvents that the hub posts.",
        examples=["https://connector.example.com"],
    )

    @field_validator("definition", mode="before")
    @classmethod
    def _read(cls, given: Any) -> Definition:
        return DOCUMENTS.read(given)

    @field_validator("deliver_secret", "previous_deliver_secret")
    @classmethod
    def _is_standard(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            secret_bytes(secret.get_secret_value())
        return secret

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.definition.signature.kind == "standard":
            for name, secret in ("secret", self.secret), ("previous_secret", self.previous_secret):
                if secret is not None:
                    try:
                        secret_bytes(secret.get_secret_value())
                    except ValueError as error:
                        raise ValueError(f"{name} {error}") from None
        if self.deliver_to is not None and self.deliver_secret is None:
            raise ValueError("deliver_to needs `deliver_secret`: nobody could tell a post from a forgery")
        return self

    def server(self) -> str | None:
        """Where is posted to."""
        return str(self.deliver_to) if self.deliver_to else None

    def secrets(self) -> tuple[str, ...]:
        """Secrets that vouch for what is posted to the hub."""
        return _texts(self.secret, self.previous_secret)

    def deliver_secrets(self) -> tuple[str, ...]:
        """Secrets by which the hub signs."""
        return _texts(self.deliver_secret, self.previous_deliver_secret)


def _texts(*secrets: SecretStr | None) -> tuple[str, ...]:
    return tuple(secret.get_secret_value() for secret in secrets if secret is not None)
