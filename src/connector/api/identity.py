"""People who come in with a token of an identity provider (OpenID Connect): from the token to who they are.

Only for tokens that the provider signed (JWT, RFC 7519). Nobody is sent to the provider from here: that is the
portal's affair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import jwt

from connector.api.access import Admitted, Unauthenticated
from connector.api.provider_keys import TIMEOUT, ProviderKeys
from connector.model.errors import Forbidden
from connector.model.principals import COMMAND_LINE, KEPT_KEY, Principal
from connector.sdk.adapter import Clock
from connector.sdk.egress import ANYWHERE_PUBLIC, Egress, Gate, GuardedTransport

LONGEST_NAME: Final = 200
DOTS: Final = 2
"""In a JSON Web Token."""
_LAST_SECOND: Final = 250_000_000_000
"""Of 9892: later ones are no dates."""
_OPTIONS: Final[Any] = {
    "require": ["exp", "iss", "aud"],
    "verify_exp": False,  # by the hub's own clock, below
    "verify_nbf": False,
    "verify_iat": False,
    "enforce_minimum_key_length": True,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderOptions:
    """What is configured of a provider; `connector.settings.auth.OidcSettings` says what each means.

    roles: group at the provider -> roles in the hub. regions: group -> regions, `all_regions` for no limit; nobody is
    limited when empty. taken: names that mean somebody else here.
    """

    issuer: str
    audience: str
    roles: Mapping[str, tuple[str, ...]]
    jwks_url: str | None = None
    algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA")
    leeway: timedelta = timedelta(seconds=30)
    name_claim: str = "email"
    roles_claim: str = "roles"
    regions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    regions_claim: str | None = None
    all_regions: str = "*"
    required_claims: Mapping[str, str | bool | int] = field(default_factory=dict)
    taken: frozenset[str] = frozenset()


class IdentityProvider:
    """Says who a token belongs to, and what they may do. Close it at the end."""

    def __init__(self, options: ProviderOptions, *, clock: Clock, egress: Egress = ANYWHERE_PUBLIC) -> None:
        self._options = options
        self._clock = clock
        named = [httpx.URL(url).host for url in (options.issuer, options.jwks_url) if url is not None]
        transport = GuardedTransport(Gate(egress, named), verify=httpx.create_ssl_context())
        self._client = httpx.AsyncClient(timeout=TIMEOUT.total_seconds(), transport=transport)
        self._keys = ProviderKeys(options.issuer, options.jwks_url, client=self._client, clock=clock)

    async def admit(self, token: str) -> Admitted | None:
        """Who shows a token, and until when; None for what is no JSON Web Token.

        Raises Unauthenticated saying what is wrong with it, Forbidden when its holder has no role here,
        ProviderUnreachable when it cannot be checked now.
        """
        if not token.isascii() or token.count(".") != DOTS:
            return None
        kid, algorithm = self._header_of(token)
        claims = self._verified(token, await self._keys.find(kid, algorithm))
        until = self._checked_times(claims)
        for name, wanted in self._options.required_claims.items():
            found = _claim(claims, name)
            if not any(_same(value, wanted) for value in (found if isinstance(found, list) else [found])):
                raise _wrong(f"claim {name!r} is not what auth.oidc.required_claims asks for")
        return Admitted(self._principal(claims), until)

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    def _header_of(self, token: str) -> tuple[str, str]:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise _wrong("it is neither a key of this hub nor a JSON Web Token") from error
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in self._options.algorithms:
            raise _wrong(f"its algorithm is none of {', '.join(self._options.algorithms)}")
        if not isinstance(kid, str):
            raise _wrong("it does not name the key ('kid') that it is signed with")
        return kid, algorithm

    def _verified(self, token: str, key: jwt.PyJWK) -> Mapping[str, Any]:
        options = self._options
        try:
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=options.algorithms, audience=options.audience, issuer=options.issuer,
                options=_OPTIONS,
            )  # fmt: skip
        except jwt.MissingRequiredClaimError as error:
            raise _wrong(f"it has no claim {error.claim!r}") from error
        except jwt.InvalidIssuerError as error:
            raise _wrong(f"its issuer is not {options.issuer!r}") from error
        except jwt.InvalidAudienceError as error:
            raise _wrong(f"it is for another audience than {options.audience!r}") from error
        except jwt.InvalidSignatureError as error:
            raise _wrong("its signature is wrong") from error
        except jwt.PyJWTError as error:
            raise _wrong(f"it is malformed ({type(error).__name__})") from error
        return claims

    def _checked_times(self, claims: Mapping[str, Any]) -> datetime:
        """Until when it is taken: its end, and as much as the provider's clock may be off."""
        now, leeway = self._clock.now(), self._options.leeway
        end = _instant(claims, "exp")
        if end + leeway <= now:
            raise _wrong(
                f"it expired at {end.isoformat(timespec='seconds')}",
                hint="Get a new one; a subscription resumes with `after`.",
            )
        if "nbf" in claims and (begin := _instant(claims, "nbf")) - leeway > now:
            raise _wrong(f"it is valid from {begin.isoformat(timespec='seconds')} on only")
        return end + leeway

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        name = self._name(claims)
        roles = _granted(claims, self._options.roles_claim, self._options.roles)
        if not roles:
            raise Forbidden(
                f"{name!r} has no role in this hub: no group in the claim {self._options.roles_claim!r} has one",
                hint="Have the person added to a group at the provider, or a group of theirs under [auth.oidc.roles].",
            )
        return Principal(name, roles, self._regions(claims, name))

    def _regions(self, claims: Mapping[str, Any], name: str) -> frozenset[str] | None:
        options = self._options
        if not options.regions:
            return None
        claim = options.regions_claim or options.roles_claim
        regions = _granted(claims, claim, options.regions)
        if not regions:
            raise Forbidden(
                f"{name!r} has no region in this hub: no group in the claim {claim!r} has one",
                hint="Have the person added to a group at the provider, or a group of theirs under "
                "[auth.oidc.regions]; '*' is all regions.",
            )
        return None if options.all_regions in regions else regions

    def _name(self, claims: Mapping[str, Any]) -> str:
        own = self._options.name_claim
        is_unproven = own == "email" and claims.get("email_verified") in (False, "false")
        for claim in ("sub",) if is_unproven else (own, "sub"):
            name = _claim(claims, claim)
            if not isinstance(name, str) or not name.strip():
                continue
            if len(name) > LONGEST_NAME or not name.isprintable() or name != name.strip():
                raise _wrong(f"claim {claim!r} is no name: printable and {LONGEST_NAME} characters at most")
            if name in self._options.taken or name.startswith((COMMAND_LINE, KEPT_KEY)):
                raise _wrong(f"claim {claim!r} is {name!r}, which is somebody else's name in this hub")
            return name
        raise _wrong(f"it names nobody: neither claim {own!r} nor 'sub' can be used")


def _granted(claims: Mapping[str, Any], claim: str, given: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """What the groups in a claim are given: a list of them, or one text with spaces between."""
    groups = _claim(claims, claim)
    listed = groups.split() if isinstance(groups, str) else groups if isinstance(groups, list) else []
    return frozenset(one for group in listed if isinstance(group, str) for one in given.get(group, ()))


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, which may hold dots itself, else by its path through tables; None when it is not there."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _same(value: object, wanted: str | bool | int) -> bool:
    return type(value) is type(wanted) and value == wanted


def _instant(claims: Mapping[str, Any], name: str) -> datetime:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LAST_SECOND:
        raise _wrong(f"its claim {name!r} is no time")
    return datetime.fromtimestamp(value, UTC)


def _wrong(what: str, *, hint: str = "Get a new one from the identity provider.") -> Unauthenticated:
    return Unauthenticated(f"the bearer token is not taken: {what}", hint=hint)
