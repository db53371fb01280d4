"""What is told of calls of external systems."""

from __future__ import annotations

import httpx
import pytest

from connector.sdk import Invalid, SourceClient
from connector.sdk.calls import in_few_words


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ("pull tickets", "pull tickets"),
        ("fetch ticket:4711", "fetch"),
        ("pull log entries", "pull log entries"),
        ("look up hubs of Berlin", "look up hubs"),
        ("4711", "other"),
        ("", "other"),
    ],
)
def test_an_operation_is_told_without_what_it_is_done_to(operation: str, words: str):
    assert in_few_words(operation) == words


async def test_each_call_is_told_once_with_its_outcome():
    told: list[tuple[str, str]] = []
    answers = iter([500, 200, 422])
    transport = httpx.MockTransport(lambda _request: httpx.Response(next(answers)))

    async def sleep(_seconds: float) -> None:
        return

    client = SourceClient(
        "http://localhost",
        transport=transport,
        sleep=sleep,
        observe=lambda operation, outcome, seconds: told.append((operation, outcome)) if seconds >= 0 else None,
    )
    async with client:
        await client.request("GET", "/1", operation="fetch ticket:1")
        with pytest.raises(Invalid):
            await client.request("POST", "/2", operation="add note", reads=True)

    assert told == [("fetch", "ok"), ("add note", "source_refused")]
