"""Documents that clients sent with their hash, kept in Redis for the other processes of a hub.

Nothing here is the only copy: a client whose document is not found sends it again.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Final

from connector.api.redis_link import RedisLink

PREFIX: Final = "connector:document:"
KEPT: Final = timedelta(days=30)


class SharedDocuments:
    """Documents in Redis, where they fade a month after they were sent. Losing Redis costs a round trip."""

    def __init__(self, url: str) -> None:
        self._link = RedisLink(url, "each process learns documents of its clients by itself")

    async def get(self, name: str) -> str | None:
        """The document of this name, if it is there and Redis is, too."""
        found = await self._link.ask(lambda client: client.get(PREFIX + name))
        with suppress(UnicodeDecodeError):
            return found.decode() if isinstance(found, bytes) else found
        return None

    async def put(self, name: str, text: str) -> None:
        """Keep a document, if Redis is there."""
        with suppress(UnicodeEncodeError):
            encoded = text.encode()
            await self._link.ask(lambda client: client.set(PREFIX + name, encoded, ex=KEPT))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._link.aclose()
