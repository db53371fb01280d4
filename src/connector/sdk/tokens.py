"""Tokens that a system gives out for a while: OAuth 2.0, client credentials (RFC 6749, section 4.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from connector.sdk.errors import AuthError, Invalid, NotFound, UnexpectedResponse

if TYPE_CHECKING:
    from connector.sdk.adapter import Clock
    from connector.sdk.client import SourceClient

T = TypeVar("T")

EARLY: Final = timedelta(seconds=30)
"""A token is renewed so long before its end: it must hold for the request under way."""
USUAL: Final = timedelta(minutes=5)
"""For how long a token is used whose end is not told."""
LONGEST: Final = timedelta(days=1)
OPERATION: Final = "ask for a token"


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    until: datetime


class ClientCredentials:
    """The token of one source, kept until shortly before its end: it is no record, and never stored.

    url, form, headers: of the request for one. hint: which settings to check when none is given out.
    """

    def __init__(
        self,
        http: SourceClient,
        clock: Clock,
        *,
        url: str,
        form: Mapping[str, str],
        hint: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._http = http
        self._clock = clock
        self._url = url
        self._form = {"grant_type": "client_credentials", **form}
        self._headers = {"Accept": "application/json", **(headers or {})}
        self._hint = hint
        self._token: _Token | None = None
        self._asking = asyncio.Lock()

    async def sent(self, send: Callable[[dict[str, str]], Awaitable[T]]) -> T:
        """What `send` gives with the token's headers; once more with a new token where the kept one is refused.

        Raises AuthError when no token is given out, or a new one is refused as well.
        """
        headers = await self._headers_of_token()
        try:
            return await send(headers)
        except AuthError:
            self._forget(headers)
            return await send(await self._headers_of_token())

    async def _headers_of_token(self) -> dict[str, str]:
        async with self._asking:
            token = self._token
            if token is None or token.until <= self._clock.now():
                token = self._token = await self._ask()
            return {"Authorization": f"Bearer {token.text}"}

    def _forget(self, headers: Mapping[str, str]) -> None:
        """The token of these headers was refused; another may have taken its place already."""
        if self._token is not None and headers.get("Authorization") == f"Bearer {self._token.text}":
            self._token = None

    async def _ask(self) -> _Token:
        if proof := self._headers.get("Authorization"):
            self._http.conceal(proof.split()[-1])
        try:
            response = await self._http.post_form(self._url, self._form, operation=OPERATION, headers=self._headers)
        except (AuthError, Invalid, NotFound) as error:
            raise AuthError(
                f"no token was given out: {error.message}", operation=OPERATION, detail=error.detail, hint=self._hint
            ) from None
        return self._read(self._http.json(response, operation=OPERATION))

    def _read(self, answer: Any) -> _Token:
        text = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(text, str) or not text.strip() or not text.isprintable() or not text.isascii():
            raise UnexpectedResponse("the answer holds no access_token", operation=OPERATION, hint=self._hint)
        self._http.conceal(text)
        told = answer.get("expires_in")
        try:
            lasts = timedelta(seconds=min(max(float(told), 0), LONGEST.total_seconds())) if told is not None else USUAL
        except (TypeError, ValueError):
            lasts = USUAL
        return _Token(text, self._clock.now() + max(lasts - EARLY, timedelta(0)))
