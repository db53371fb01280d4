"""Answers, read as far as they are worth it: whatever a system sends, it takes a bounded amount of memory."""

from __future__ import annotations

import re
from typing import Any, Final

import httpx

LONGEST_REFUSAL: Final = 64 * 2**10
"""Bytes that are read of an answer that is no success; what says why is at its beginning."""
BODY_FORM: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})
"""Headers that say how a body came; what was read is none of this any more."""


HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
"""Half of a character beyond the basic plane, as JSON writes it; where the other half is missing, no text has it."""


class TooLongError(Exception):
    """An answer is longer than what is read of one."""


async def read_whole(response: httpx.Response, most: int) -> httpx.Response:
    """The same answer with its body read and decompressed; the connection is given back, or closed.

    most: bytes, decompressed. An answer that is no success is cut after `LONGEST_REFUSAL` instead.
    Raises TooLongError for a longer one, and httpx.HTTPError when the rest of it does not come.
    """
    body = bytearray()
    try:
        if response.is_success and (announced := _announced(response)) > most:
            raise TooLongError(f"the answer has {announced:,} bytes, at most {most:,} are read")
        async for chunk in response.aiter_bytes():
            body += chunk
            if response.is_success and len(body) > most:
                raise TooLongError(f"the answer is longer than the {most:,} bytes that are read")
            if not response.is_success and len(body) >= LONGEST_REFUSAL:
                break
    finally:
        await response.aclose()
    headers = [(name, value) for name, value in response.headers.raw if name.lower().decode("latin-1") not in BODY_FORM]
    # an answer and the stream that it came by name each other: a new one goes when its last user does
    return httpx.Response(
        response.status_code, headers=headers, content=bytes(body), request=response.request,
        extensions={"http_version": response.extensions.get("http_version", b"HTTP/1.1")},
    )  # fmt: skip


def _announced(response: httpx.Response) -> int:
    """The length that the answer says it has, compressed or not; 0 where it says none."""
    text = response.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0


def read_json(response: httpx.Response) -> Any:
    """The body as JSON, with U+FFFD in the place of half characters.

    Systems that count in UTF-16 cut texts in the middle of one; no database takes such a text. Raises ValueError and
    RecursionError for what is no JSON.
    """
    body = response.json()
    return _whole(body) if HALF.search(response.content) else body


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_whole(name): _whole(each) for name, each in value.items()}
    return [_whole(each) for each in value] if isinstance(value, list) else value
