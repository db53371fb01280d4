"""Answers that travel compressed: in which coding, and what makes it.

After RFC 9110, 12.5.3. Streams of events are never compressed: an event would wait for the next one. What an attacker
chose, compressed together with a secret, tells the secret by its length (BREACH). No answer holds a token or a key, and
no page of another site can have a browser ask in somebody's name: who asks is said by a header that no page knows.
"""

from __future__ import annotations

import asyncio
import sys
import zlib
from enum import StrEnum
from functools import cache, lru_cache
from importlib import import_module
from types import ModuleType
from typing import Final, assert_never

from connector.api.answer import Answer
from connector.api.media_types import weighed

SMALLEST: Final = 1_400
"""Bytes of an answer: what fits into one packet is not compressed."""
LARGEST_AT_ONCE: Final = 32 * 1024
"""Bytes that are compressed where the answer is made, in a fifth of a millisecond; what is larger in a thread."""
AT_A_TIME: Final = 2
"""Answers that are compressed beside each other."""
_GZIP_WINDOW: Final = 31


class Coding(StrEnum):
    """Content codings, the better one first: zstd makes less of it in a third of the time."""

    ZSTD = "zstd"
    GZIP = "gzip"


@lru_cache(maxsize=256)
def coding_of(accept_encoding: str) -> Coding | None:
    """The coding that the value of an Accept-Encoding header likes best; None for the answer as it is.

    Of codings that are liked alike it is the better one. What refuses even the answer as it is gets it all the same.
    """
    weights = dict(weighed(accept_encoding))
    weights.setdefault("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    weights.setdefault("zstd", weights.get("*", 0.0))
    best = max(Coding, key=lambda coding: weights[coding])
    return best if weights[best] > 0 and weights[best] >= weights.get("identity", 0.0) else None


class Encoder:
    """Compresses answers, once each and coding."""

    def __init__(self) -> None:
        self._beside = asyncio.Semaphore(AT_A_TIME)

    async def encoded(self, answer: Answer, coding: Coding) -> bytes:
        """The answer in a coding. A large one is compressed in a thread, so that others are answered meanwhile."""
        found = answer.encoded.get(coding)
        if found is None:
            if len(answer.body) <= LARGEST_AT_ONCE:
                found = _compress(answer.body, coding)
            else:
                async with self._beside:
                    found = await asyncio.to_thread(_compress, answer.body, coding)
            answer.remember(coding, found)
        return found


@cache
def _zstd() -> ModuleType:
    """Loaded when somebody takes it: clients that are no browsers mostly know gzip alone."""
    return import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")


def _compress(body: bytes, coding: Coding) -> bytes:
    """At the least level, which makes a sixth of an answer; the next ones take twice the time for a tenth less."""
    match coding:
        case Coding.ZSTD:
            return bytes(_zstd().compress(body, 1))
        case Coding.GZIP:
            return zlib.compress(body, 1, _GZIP_WINDOW)
        case _:
            assert_never(coding)
