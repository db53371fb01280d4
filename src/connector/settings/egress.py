"""What the operator configures of where the hub may connect to."""

from __future__ import annotations

from ipaddress import ip_network

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connector.sdk.egress import Egress


class EgressSettings(BaseModel):
    """Addresses that are connected to, beside what always holds."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    deny: list[str] = Field(
        default_factory=list,
        description="Networks that are never connected to, whatever leads there.",
        examples=[["10.20.0.0/16"]],
    )
    private_hosts: list[str] = Field(
        default_factory=list,
        description="Hosts that may lead into a private network, beside those of the sources' own addresses.",
        examples=[["minio.example.com"]],
    )

    @field_validator("deny")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        for given in value:
            try:
                ip_network(given)
            except ValueError as error:
                raise ValueError(f"{given!r} is no address, and no network such as '10.0.0.0/8': {error}") from error
        return value

    @property
    def rules(self) -> Egress:
        """As the sdk takes them."""
        return Egress(tuple(ip_network(given) for given in self.deny), frozenset(self.private_hosts))
