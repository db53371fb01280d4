"""What goes along with each request to show who sends it: a key in the query, or a token that has an end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from connector.sdk import AuthError, Clock, Invalid, NotFound, SourceClient, UnexpectedResponse
from connector_rest.config import RestConfig

EARLY = timedelta(seconds=30)
"""A token is renewed so long before its end: it must hold for the request under way."""
USUAL = timedelta(minutes=5)
"""For how long a token is used whose end is not told."""
LONGEST = timedelta(days=1)
OPERATION = "ask for a token"
_HINT = "Check `auth.token_url`, and `identity` and `secret` of the settings."


@dataclass(frozen=True, slots=True)
class Token:
    """A token and when it is renewed."""

    text: str = field(repr=False)
    until: datetime


class Credentials:
    """The credential of one source. A token is kept until shortly before its end: it is no record, and never stored."""

    def __init__(self, config: RestConfig, http: SourceClient, clock: Clock) -> None:
        self._config = config
        self._http = http
        self._clock = clock
        self._token: Token | None = None
        self._asking = asyncio.Lock()

    @property
    def has_token(self) -> bool:
        """Whether tokens with an end are used, so that a refusal may only mean that one has ended."""
        return self._config.definition.auth.kind == "oauth2"

    @property
    def query_name(self) -> str | None:
        """The query parameter that carries the key."""
        auth = self._config.definition.auth
        return auth.name if auth.kind == "query" else None

    def query(self) -> list[tuple[str, str]]:
        """Parameters of every request."""
        return [(self.query_name, self._config.key())] if self.query_name else []

    async def headers(self) -> dict[str, str]:
        """Headers of the next request. Raises AuthError when no token is given out."""
        return {"Authorization": f"Bearer {(await self._valid()).text}"} if self.has_token else {}

    def forget(self, headers: dict[str, str]) -> None:
        """The token of these headers was refused: the next request asks for another."""
        if self._token is not None and headers.get("Authorization") == f"Bearer {self._token.text}":
            self._token = None

    async def _valid(self) -> Token:
        async with self._asking:
            token = self._token
            if token is None or token.until <= self._clock.now():
                token = self._token = await self._ask()
            return token

    async def _ask(self) -> Token:
        auth, config = self._config.definition.auth, self._config
        form = {"grant_type": "client_credentials", **auth.params}
        if auth.scope:
            form["scope"] = auth.scope
        headers = {"Accept": "application/json"}
        if auth.client == "basic":
            headers["Authorization"] = config.basic()
            self._http.conceal(config.basic().split()[-1])
        else:
            form |= {"client_id": config.identity or "", "client_secret": config.key()}
        try:
            response = await self._http.post_form(str(auth.token_url), form, operation=OPERATION, headers=headers)
        except (Invalid, NotFound) as error:
            raise AuthError(
                f"no token was given out: {error.message}", operation=OPERATION, detail=error.detail, hint=_HINT
            ) from None
        return self._read(self._http.json(response, operation=OPERATION))

    def _read(self, answer: Any) -> Token:
        text = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(text, str) or not text.strip() or not text.isprintable() or not text.isascii():
            raise UnexpectedResponse("the answer holds no access_token", operation=OPERATION, hint=_HINT)
        self._http.conceal(text)
        told = answer.get("expires_in")
        try:
            lasts = timedelta(seconds=min(max(float(told), 0), LONGEST.total_seconds())) if told is not None else USUAL
        except (TypeError, ValueError):
            lasts = USUAL
        return Token(text, self._clock.now() + max(lasts - EARLY, timedelta(0)))
