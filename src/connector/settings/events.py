"""What the operator configures of other systems that are told what happens."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator

from connector.sdk.signing import signing_key
from connector.settings.auth import PrivateUrl, RoleText, Text


def _is_key(value: SecretStr) -> SecretStr:
    signing_key(value.get_secret_value())
    return value


SigningSecret = Annotated[SecretStr, AfterValidator(_is_key)]
TOLD = (
    "approval", "incident_group", "recovery", "replenishment", "reservation", "rollout", "shipment", "task", "ticket",
)  # fmt: skip
"""What can be told of: what can be subscribed to."""


class EventSettings(BaseModel):
    """A system that is told what happens, by webhooks."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    url: PrivateUrl = Field(
        description="Where events are posted, over https, or http on this machine.",
        examples=["https://portal.example.com/events"],
    )
    secret: SigningSecret = Field(
        description="Secret of Standard Webhooks that posts are signed with.", examples=[{"env": "PORTAL_SECRET"}]
    )
    previous_secret: SigningSecret | None = Field(
        default=None,
        description="The secret before, with which posts are signed as well while it is replaced.",
        examples=[{"env": "PORTAL_SECRET_BEFORE"}],
    )
    kinds: tuple[str, ...] = Field(
        default=TOLD, min_length=1, description="What it is told of.", examples=[["ticket", "shipment"]]
    )
    roles: tuple[RoleText, ...] = Field(
        min_length=1, description="Whose fields it is told, see `auth.fields`.", examples=[["viewer"]]
    )
    regions: tuple[Text, ...] | None = Field(
        default=None, min_length=1, description="Regions that it is told of; all when empty.", examples=[["EU"]]
    )

    @field_validator("url")
    @classmethod
    def _holds_no_secret(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("holds a user, a query or a fragment: posts are signed, so that it needs no secret")
        return value

    @field_validator("kinds")
    @classmethod
    def _are_told(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for kind in value:
            if kind not in TOLD:
                raise ValueError(f"{kind!r} cannot be told of, only {', '.join(TOLD)} can")
        return value

    @property
    def secrets(self) -> tuple[str, ...]:
        """What posts are signed with, newest first."""
        both = (self.secret, self.previous_secret)
        return tuple(one.get_secret_value() for one in both if one is not None)
