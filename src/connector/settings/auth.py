"""What the operator configures about who comes in: the one token, keys, and the identity provider of people."""

from __future__ import annotations

from hashlib import sha256
from ipaddress import ip_address
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)

SHORTEST_TOKEN = 16
RESERVED_NAMES = frozenset({"api", "rules", "fulfilment", "policy", "time-out", "expiry"})
"""Who the change log names for what nobody in particular does."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def is_loopback(host: str) -> bool:
    """Whether an address is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_private_way(url: str) -> bool:
    """Whether nobody between here and that address can read or change what is said: https, or this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def is_speakable(name: str, *, also: str) -> bool:
    """Whether a name has letters and digits of ASCII only. also: signs that may stand between them."""
    bare = name.translate(str.maketrans("", "", also))
    return bare.isascii() and bare.isalnum()


def _long_enough(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < SHORTEST_TOKEN:
        raise ValueError(f"a token has at least {SHORTEST_TOKEN} characters")
    return value


def _digest(token: SecretStr | None) -> str:
    return sha256(token.get_secret_value().encode()).hexdigest() if token else ""


def _private(value: str) -> str:
    if not is_private_way(value):
        raise ValueError(f"{value!r} must begin with https://, or with http:// on this machine: keys come from there")
    return value


Token = Annotated[SecretStr, AfterValidator(_long_enough)]
ALL_REGIONS = "*"
"""In the mapping of a provider's groups: not limited to regions."""
RoleText = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Text = Annotated[str, StringConstraints(min_length=1)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
PrivateUrl = Annotated[str, AfterValidator(_private)]
Algorithm: TypeAlias = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures that are made with a key which only the provider has; `none` and HMAC are not among them."""


class KeySettings(_Section):
    """A key: what one person or program shows, and what it may do."""

    token: Token | None = Field(
        default=None, description="Bearer token of this key.", examples=[{"env": "CONNECTOR_KEY_ADA"}]
    )
    token_sha256: Digest | None = Field(
        default=None,
        description="SHA-256 of the token, hexadecimal, instead of the token itself; for random tokens only.",
        examples=["5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"],
    )
    roles: tuple[RoleText, ...] = Field(
        min_length=1, description="What it may do.", examples=[["dispatcher", "approver"]]
    )
    regions: tuple[Text, ...] | None = Field(
        default=None,
        min_length=1,
        description="Regions, as sites and hubs have them, that it is limited to; everything when empty.",
        examples=[["EU"]],
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> KeySettings:
        if (self.token is None) == (self.token_sha256 is None):
            raise ValueError("a key has either its token or token_sha256")
        if self.token_sha256 == sha256().hexdigest():
            raise ValueError("token_sha256 is that of an empty token")
        return self

    @property
    def digest(self) -> str:
        """SHA-256 of its token, hexadecimal."""
        return self.token_sha256 or _digest(self.token)


class OidcSettings(_Section):
    """The identity provider (OpenID Connect) whose tokens people come in with."""

    issuer: PrivateUrl = Field(
        description="The provider, letter by letter as `iss` of its tokens has it.",
        examples=["https://id.example.com/realms/it"],
    )
    audience: Text = Field(description="What `aud` of a token for this hub holds.", examples=["connector"])
    jwks_url: PrivateUrl | None = Field(
        default=None,
        description="Where the provider's public keys are; found by discovery when empty.",
        examples=["https://id.example.com/realms/it/protocol/openid-connect/certs"],
    )
    algorithms: tuple[Algorithm, ...] = Field(
        default=("RS256", "ES256", "EdDSA"),
        min_length=1,
        description="Algorithms that tokens may be signed with.",
        examples=[["RS256", "ES256"]],
    )
    leeway_seconds: int = Field(
        default=30, ge=0, le=300, description="How far the provider's clock may be off.", examples=[30]
    )
    name_claim: Text = Field(
        default="email", description="Claim that names the person; `sub` where it is missing.", examples=["email"]
    )
    roles_claim: Text = Field(
        default="roles",
        description="Claim that holds the person's groups, with dots for tables within tables.",
        examples=["realm_access.roles"],
    )
    roles: dict[Text, tuple[RoleText, ...]] = Field(
        min_length=1,
        description="Group at the provider -> roles in this hub.",
        examples=[{"logistics-dispatch": ["dispatcher"]}],
    )
    regions_claim: Text | None = Field(
        default=None,
        description="Claim that holds the groups of `auth.oidc.regions`; `roles_claim` when empty.",
        examples=["regions"],
    )
    regions: dict[Text, tuple[Text, ...]] = Field(
        default_factory=dict,
        description="Group at the provider -> regions that its people see; `*` for all. When empty nobody is limited; "
        "else whoever has none of these groups does not come in.",
        examples=[{"logistics-emea": ["EU", "ME"], "logistics-global": ["*"]}],
    )
    required_claims: dict[Text, str | bool | int] = Field(
        default_factory=dict,
        description="Claim -> the value that it must be or hold.",
        examples=[{"email_verified": True}],
    )


class AuthSettings(_Section):
    """Who may use the hub."""

    token: Token | None = Field(
        default=None,
        description="Bearer token that may do everything. It, keys or an identity provider are needed before the hub "
        "listens beyond this machine.",
        examples=[{"env": "CONNECTOR_API_TOKEN"}],
    )
    keys: dict[str, KeySettings] = Field(
        default_factory=dict,
        description="Name of a person or program -> its key.",
        examples=[{"ada": {"token": {"env": "CONNECTOR_KEY_ADA"}, "roles": ["dispatcher"]}}],
    )
    oidc: OidcSettings | None = Field(
        default=None,
        description="Identity provider of the people who come in without a key.",
        examples=[
            {
                "issuer": "https://id.example.com/realms/it",
                "audience": "connector",
                "roles": {"logistics-dispatch": ["dispatcher"]},
            }
        ],
    )

    roles: tuple[RoleText, ...] = Field(
        default=(),
        description="Roles of your own that only keys of `connector keys` have, to be named in `fields`.",
        examples=[["finance"]],
    )
    fields: dict[str, Annotated[tuple[RoleText, ...], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="Field of the schema -> roles that read it, and `admin`; it reads as missing for all others.",
        examples=[{"Product.unitCostCents": ["approver", "planner"]}],
    )

    anonymous: bool | None = Field(
        default=None,
        description="Whether everybody on this machine may do everything, without a token. It has to be asked for, and "
        "goes with no other way to come in and with a loopback address alone. False: keys of `connector keys` are "
        "meant to be the only ones.",
        examples=[True],
    )

    @property
    def is_open(self) -> bool:
        """Whether everybody comes in."""
        return self.anonymous is True

    @property
    def is_closed(self) -> bool:
        """Whether nobody comes in but with a key that is kept in the database."""
        return not (self.anonymous or self.token or self.keys or self.oidc)

    @field_validator("fields", mode="before")
    @classmethod
    def _in_quotes(cls, value: object) -> object:
        for name, roles in value.items() if isinstance(value, dict) else ():
            if isinstance(roles, dict):
                inner = next(iter(roles), "field")
                raise ValueError(f'write the name of a field in quotes: "{name}.{inner}" = [...]')
        return value

    @field_validator("keys")
    @classmethod
    def _speakable(cls, value: dict[str, KeySettings]) -> dict[str, KeySettings]:
        for name in value:
            if name in RESERVED_NAMES or not is_speakable(name, also="-_."):
                raise ValueError(
                    f"key name {name!r} may hold letters, digits, '-', '_' and '.' only, and is none of "
                    f"{', '.join(sorted(RESERVED_NAMES))}: the change log calls its holder by it"
                )
        return value

    @model_validator(mode="after")
    def _told_apart(self) -> AuthSettings:
        if self.anonymous and (self.token or self.keys or self.oidc):
            raise ValueError("auth.anonymous lets everybody in: it does not go with auth.token, auth.keys or auth.oidc")
        seen: dict[str, str] = {} if self.token is None else {_digest(self.token): "auth.token"}
        for name, key in self.keys.items():
            other = seen.setdefault(key.digest, f"auth.keys.{name}")
            if other != f"auth.keys.{name}":
                raise ValueError(f"auth.keys.{name} has the token of {other}: give each its own")
        return self
