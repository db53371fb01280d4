"""Sessions of v1: a token that GLPI gives out, and forgets after a while without requests."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import TypeVar

from connector.sdk import AuthError, NotFound, SourceClient, UnexpectedResponse
from connector.sdk.answers import json_object
from connector_glpi.config import GlpiConfig
from connector_glpi.refusals import asks_for_session, login_refused

T = TypeVar("T")
API = "apirest.php"
OPERATION = "open session"
HINT = "Check user_token (or username and password), app_token, and the API client's range of addresses in GLPI."


class Session:
    """The session of one source. It is no record, and never stored."""

    def __init__(self, http: SourceClient, config: GlpiConfig) -> None:
        self._http = http
        self._config = config
        self._token: str | None = None
        self._opening = asyncio.Lock()

    async def sent(self, send: Callable[[dict[str, str]], Awaitable[T]]) -> T:
        """What `send` gives with the session's header; once more in a new session where this one is over.

        Raises AuthError when no session is opened, or a new one is refused as well.
        """
        headers = await self._headers()
        try:
            return await send(headers)
        except AuthError as error:
            if not asks_for_session(error):
                raise
            self._forget(headers)
            return await send(await self._headers())

    async def _headers(self) -> dict[str, str]:
        async with self._opening:
            if self._token is None:
                self._token = await self._open()
            return {"Session-Token": self._token}

    def _forget(self, headers: dict[str, str]) -> None:
        """The session of these headers is over; another may have taken its place already."""
        if headers["Session-Token"] == self._token:
            self._token = None

    async def _open(self) -> str:
        with login_refused(OPERATION, HINT):
            response = await self._http.request(
                "GET", f"{API}/initSession", operation=OPERATION, headers={"Authorization": self._proof()}
            )
        token = json_object(self._http.json(response, operation=OPERATION), OPERATION).get("session_token")
        if not isinstance(token, str) or not token.strip() or not (token.isascii() and token.isprintable()):
            raise UnexpectedResponse("the answer holds no session_token", operation=OPERATION, hint=HINT)
        self._http.conceal(token)
        await self._enter(token)
        return token

    def _proof(self) -> str:
        if self._config.user_token is not None:
            return f"user_token {self._config.user_token.get_secret_value()}"
        secret = self._config.password.get_secret_value() if self._config.password else ""
        pair = base64.b64encode(f"{self._config.username}:{secret}".encode()).decode()
        self._http.conceal(pair)
        return f"Basic {pair}"

    async def _enter(self, token: str) -> None:
        """Take the profile and the entity of the settings."""
        wanted: list[tuple[str, dict[str, object]]] = []
        if self._config.profile is not None:
            wanted.append(("changeActiveProfile", {"profiles_id": self._config.profile}))
        if self._config.entity is not None:
            wanted.append(("changeActiveEntities", {"entities_id": self._config.entity, "is_recursive": True}))
        for endpoint, body in wanted:
            refused = AuthError(
                f"{OPERATION}: GLPI refuses {endpoint} {body}", operation=OPERATION,
                hint="Give the hub's user this profile for this entity, or correct `profile` and `entity`.",
            )  # fmt: skip
            try:
                with login_refused(OPERATION, HINT):
                    response = await self._http.request(
                        "POST", f"{API}/{endpoint}", operation=OPERATION, json=body, reads=True,
                        headers={"Session-Token": token},
                    )  # fmt: skip
            except NotFound:
                raise refused from None
            if self._http.json(response, operation=OPERATION) is not True:
                raise refused
