"""One post to an endpoint, and what its answer means."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

import httpx

from connector.model.refs import EntityKind
from connector.outbound.events import CONTENT_TYPE
from connector.sdk.adapter import Clock
from connector.sdk.client import silence_http_logs
from connector.sdk.egress import ANYWHERE_PUBLIC, Egress, Gate, GuardedTransport
from connector.sdk.retries import retry_after
from connector.sdk.signing import signed_headers
from connector.sdk.trust import known_authorities
from connector.storage.query import EVERYTHING, Sight

TIMEOUT_S: Final = 15.0
"""For a whole post; Standard Webhooks recommends 15 to 30."""
MOST_AT_ONCE: Final = 8


class Outcome(StrEnum):
    """What became of a post."""

    ARRIVED = "arrived"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said to a post. after: when to try again, as it was asked for. error: without address or secret."""

    outcome: Outcome
    error: str = ""
    after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A system that is told. secrets: to sign with, newest first. sight: what it may know of. source: of its events.

    Its address and its secrets are in no text that is shown.
    """

    name: str
    url: str = field(repr=False)
    secrets: Sequence[str] = field(repr=False)
    kinds: tuple[EntityKind, ...]
    sight: Sight = EVERYTHING
    source: str = "connector"


class Poster:
    """Posts to one endpoint, over connections of its own. timeout_s: of a whole post."""

    def __init__(
        self, endpoint: Endpoint, clock: Clock, *, egress: Egress = ANYWHERE_PUBLIC, timeout_s: float = TIMEOUT_S
    ) -> None:
        silence_http_logs()
        gate = Gate(egress, [urlsplit(endpoint.url).hostname or ""])
        self._endpoint = endpoint
        self._clock = clock
        self._timeout_s = timeout_s
        self._http = httpx.AsyncClient(
            transport=GuardedTransport(gate, verify=known_authorities(), max_connections=MOST_AT_ONCE),
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def post(self, message_id: str, body: bytes) -> Answer:
        """Post once; nothing of the answer but its status and headers is read."""
        now = self._clock.now()
        headers = {**signed_headers(message_id, now, body, self._endpoint.secrets), "content-type": CONTENT_TYPE}
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._http.stream("POST", self._endpoint.url, content=body, headers=headers) as response,
            ):
                return _meaning(response, retry_after(response, self._clock.now()))
        except TimeoutError:
            return Answer(Outcome.FAILED, f"no answer within {self._timeout_s:g} s")
        except httpx.HTTPError as error:  # its text may hold the address
            return Answer(Outcome.FAILED, f"no answer: {type(error).__name__}")


def _meaning(response: httpx.Response, after: timedelta | None) -> Answer:
    status = response.status_code
    if 200 <= status < 300:
        return Answer(Outcome.ARRIVED)
    if status == 410:
        return Answer(Outcome.GONE, "answered 410: it is gone for good")
    redirected = ": redirects are not followed" if 300 <= status < 400 else ""
    return Answer(Outcome.FAILED, f"answered {status}{redirected}", after)
