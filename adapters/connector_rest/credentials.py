"""What goes along with each request to show who sends it: a key in the query, or a token that has an end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from connector.sdk import ClientCredentials, Clock, SourceClient
from connector_rest.config import RestConfig

T = TypeVar("T")
_HINT = "Check `auth.token_url`, and `identity` and `secret` of the settings."


class Credentials:
    """The credential of one source."""

    def __init__(self, config: RestConfig, http: SourceClient, clock: Clock) -> None:
        self._config = config
        self._tokens = _tokens(config, http, clock) if config.definition.auth.kind == "oauth2" else None

    @property
    def query_name(self) -> str | None:
        """The query parameter that carries the key."""
        auth = self._config.definition.auth
        return auth.name if auth.kind == "query" else None

    def query(self) -> list[tuple[str, str]]:
        """Parameters of every request."""
        return [(self.query_name, self._config.key())] if self.query_name else []

    async def sent(self, send: Callable[[dict[str, str]], Awaitable[T]]) -> T:
        """What `send` gives with further headers; once more with a new token where the kept one is refused."""
        return await self._tokens.sent(send) if self._tokens else await send({})


def _tokens(config: RestConfig, http: SourceClient, clock: Clock) -> ClientCredentials:
    auth = config.definition.auth
    form = dict(auth.params)
    if auth.scope:
        form["scope"] = auth.scope
    headers: dict[str, str] = {}
    if auth.client == "basic":
        headers["Authorization"] = config.basic()
    else:
        form |= {"client_id": config.identity or "", "client_secret": config.key()}
    return ClientCredentials(http, clock, url=str(auth.token_url), form=form, headers=headers, hint=_HINT)
