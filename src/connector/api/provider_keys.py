"""The public keys of an identity provider: fetched when they are needed, kept while the provider is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import jwt

from connector.api.access import ProviderUnreachable, Unauthenticated
from connector.sdk.adapter import Clock

log = logging.getLogger(__name__)

DISCOVERY: Final = "/.well-known/openid-configuration"
TIMEOUT: Final = timedelta(seconds=5)
BETWEEN: Final = timedelta(minutes=1)
"""After keys were fetched, how long an unknown one is not looked for: the provider is not asked for every bad token."""
RETRY: Final = timedelta(seconds=5)
"""After the provider was not reached, how long it is not asked again."""
FRESH: Final = timedelta(hours=1)
"""How long keys are used before the provider is asked whether they still stand."""

_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_KINDS: Final = frozenset({"RSA", "EC", "OKP"})
"""Kinds of keys with a public half; a secret that is shared (`oct`) proves nothing."""


class ProviderKeys:
    """The keys of one provider. jwks_url: where they are, None to find that by discovery under the issuer."""

    def __init__(self, issuer: str, jwks_url: str | None, *, client: httpx.AsyncClient, clock: Clock) -> None:
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._client = client
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._held: Mapping[str, Mapping[str, Any]] = {}
        self._fetched_at = self._asked_at = _NEVER
        self._trouble: str | None = None

    async def find(self, kid: str, algorithm: str) -> jwt.PyJWK:
        """The key of that id, for that algorithm.

        Raises Unauthenticated when the provider has no such key, ProviderUnreachable when it cannot be asked.
        """
        if not self._suffices(kid):
            await self._refresh(kid)
        found = self._held.get(kid)
        if found is None and self._trouble is not None:
            raise ProviderUnreachable(
                f"the token cannot be checked: {self._trouble}",
                hint=f"Try again in {RETRY.seconds} seconds. API keys are taken meanwhile.",
                retry_after=RETRY,
            )
        if found is None:
            raise Unauthenticated(
                f"the token is signed with a key that {self._issuer} does not publish",
                hint="Get a new token. New keys of the provider are looked for once a minute.",
            )
        if found.get("alg", algorithm) != algorithm:
            raise Unauthenticated(f"the token says {algorithm!r}, but its key is for {found['alg']!r}")
        try:
            return jwt.PyJWK(dict(found), algorithm)
        except (jwt.InvalidKeyError, jwt.PyJWKError) as error:
            raise Unauthenticated(f"the token says {algorithm!r}, for which its key is of the wrong kind") from error

    def _suffices(self, kid: str) -> bool:
        return kid in self._held and self._clock.now() - self._fetched_at < FRESH

    async def _refresh(self, kid: str) -> None:
        """Ask the provider, unless that was done a moment ago; whoever has a key does not wait for others' asking."""
        if kid in self._held and self._one_at_a_time.locked():
            return
        async with self._one_at_a_time:
            now = self._clock.now()
            if self._suffices(kid) or now - self._asked_at < (BETWEEN if self._trouble is None else RETRY):
                return
            self._asked_at = now
            try:
                held = await self._fetch()
            except _NotReached as error:
                if self._trouble is None:
                    log.warning("%s; %s keys are kept, and it is asked again", error, len(self._held))
                self._trouble = str(error)
                return
            if self._trouble is not None:
                log.info("identity provider %s answers again", self._issuer)
            self._held, self._fetched_at, self._trouble = held, now, None

    async def _fetch(self) -> Mapping[str, Mapping[str, Any]]:
        url = self._jwks_url or await self._discover()
        keys = (await self._get(url)).get("keys")
        if not isinstance(keys, list):
            raise _NotReached(f"{url} holds no list of keys")
        return {
            key["kid"]: key
            for key in keys
            if isinstance(key, dict)
            and isinstance(key.get("kid"), str)
            and key.get("kty") in _KINDS
            and key.get("use", "sig") == "sig"
        }

    async def _discover(self) -> str:
        about = await self._get(self._issuer.rstrip("/") + DISCOVERY)
        if about.get("issuer") != self._issuer:
            raise _NotReached(
                f"the identity provider calls itself {about.get('issuer')!r}, auth.oidc.issuer is {self._issuer!r}: "
                "they must be the same letter by letter"
            )
        url = about.get("jwks_uri")
        if not isinstance(url, str) or not (url.startswith("https://") or _origin(url) == _origin(self._issuer)):
            raise _NotReached(f"the identity provider {self._issuer} names no safe address of its keys")
        return url

    async def _get(self, url: str) -> Mapping[str, Any]:
        try:
            response = await self._client.get(url, headers={"accept": "application/json"})
            response.raise_for_status()
            body = response.json()
        except httpx.HTTPStatusError as error:
            raise _NotReached(f"the identity provider answers {error.response.status_code} at {url}") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _NotReached(f"the identity provider cannot be reached at {url} ({type(error).__name__})") from error
        except ValueError as error:
            raise _NotReached(f"the identity provider answers no JSON at {url}") from error
        if not isinstance(body, dict):
            raise _NotReached(f"the identity provider answers no JSON object at {url}")
        return body


def _origin(url: str) -> tuple[str, str]:
    return urlsplit(url)[:2]


class _NotReached(Exception):  # noqa: N818
    """The provider did not give its keys, and why."""
