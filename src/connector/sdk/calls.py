"""What is told of each call of an external system, for those who watch over the hub."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Final, TypeAlias

from connector.sdk.errors import AdapterError

Observe: TypeAlias = Callable[[str, str, float], None]
"""Told of a call: its operation in few words, its outcome (`ok`, or the code of the error), and its seconds."""

MOST_WORDS: Final = 3
_WORD: Final = re.compile(r"[A-Za-z_]+")


@contextmanager
def observed(observe: Observe | None, operation: str) -> Iterator[None]:
    """Around a call."""
    if observe is None:
        yield
        return
    begun, outcome = perf_counter(), "broken_off"
    try:
        yield
        outcome = "ok"
    except AdapterError as error:
        outcome = error.code.lower()
        raise
    finally:
        observe(in_few_words(operation), outcome, perf_counter() - begun)


def in_few_words(operation: str) -> str:
    """An operation without what it is done to: `fetch` of `fetch ticket:42`, `pull tickets` as it is."""
    words: list[str] = []
    for word in operation.split()[:MOST_WORDS]:
        if not _WORD.fullmatch(word):
            break
        words.append(word)
    return " ".join(words) or "other"
