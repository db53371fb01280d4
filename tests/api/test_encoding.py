"""Answers that travel compressed: to whom, as what, and which copies are the same."""

from __future__ import annotations

import asyncio
import threading
import zlib
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api import encoding
from connector.api.answer import PART_FOR_CODINGS, Answer
from connector.api.encoding import AT_A_TIME, LARGEST_AT_ONCE, SMALLEST, Coding, Encoder, coding_of
from connector.api.kept import KeptAnswers
from connector.storage import tables
from connector.storage.database.engine import transaction
from connector.storage.database.growth import LogGrowth
from tests.api.conftest import OpenHub, plain_client, served
from tests.factories import HAMBURG, NOW

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""Nothing here asks the database for more than it answers alike on both."""

SITES = "{ sites(first: 500) { nodes { name code country timeZone latitude longitude } } }"
FEW = "{ sites(first: 1) { nodes { name } } }"


@pytest.fixture
async def sites(engine: AsyncEngine) -> None:
    row = {"region": "EU", **HAMBURG, "created_at": NOW, "updated_at": NOW}
    async with transaction(engine) as tx:
        await tx.execute(insert(tables.site), [{"name": f"Site {n}", "code": f"S{n}", **row} for n in range(500)])


@dataclass(frozen=True)
class Sent:
    """A response as it came over the wire."""

    status_code: int
    headers: httpx.Headers
    content: bytes


def decoded(response: Sent) -> bytes:
    """The body, decoded by the standard library or what will be in it."""
    match response.headers.get("content-encoding"):
        case "gzip":
            return zlib.decompress(response.content, 31)
        case "zstd":
            return bytes(encoding._zstd().decompress(response.content))
        case None:
            return response.content
        case other:
            raise AssertionError(other)


async def ask(address: str, accept: str | None, *, method: str = "GET", **headers: str) -> Sent:
    """Asks for the sites over a real socket; nothing is decoded."""
    sent = {**headers} if accept is None else {"accept-encoding": accept, **headers}
    asked: dict[str, Any] = {"json": {"query": SITES}} if method == "POST" else {"params": {"query": SITES}}
    async with plain_client() as client:
        client.headers.pop("accept-encoding")
        async with client.stream(method, f"http://{address}/graphql", headers=sent, **asked) as response:
            body = b"".join([part async for part in response.aiter_raw()])
    return Sent(response.status_code, response.headers, body)


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("", None),
        ("gzip", Coding.GZIP),
        ("x-gzip", Coding.GZIP),
        ("GZip", Coding.GZIP),
        ("gzip, deflate, br", Coding.GZIP),
        ("gzip, deflate, br, zstd", Coding.ZSTD),
        ("zstd;q=0.5, gzip", Coding.GZIP),
        ("zstd;q=0, gzip;q=0.001", Coding.GZIP),
        ("*", Coding.ZSTD),
        ("*, zstd;q=0", Coding.GZIP),
        ("*;q=0", None),
        ("gzip;q=0", None),
        ("br, deflate", None),
        ("identity", None),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip", Coding.GZIP),
        ("identity;q=0", None),
        ("gzip;q=nonsense", Coding.GZIP),
        (",, ;q=1", None),
    ],
)
def test_the_coding_that_is_liked_best_is_chosen(accept: str, coding: Coding | None, database: str):
    assert coding_of(accept) == coding


async def test_an_answer_means_the_same_in_every_coding(open_hub: OpenHub, sites: None):
    async with open_hub() as hub, served(hub.app) as address:
        plain, by_gzip, by_zstd = [await ask(address, accept, method="POST") for accept in (None, "gzip", "zstd")]

    assert [r.headers.get("content-encoding") for r in (plain, by_gzip, by_zstd)] == [None, "gzip", "zstd"]
    assert len(orjson.loads(plain.content)["data"]["sites"]["nodes"]) == 500
    assert decoded(by_gzip) == decoded(by_zstd) == plain.content
    assert max(len(by_gzip.content), len(by_zstd.content)) < len(plain.content) / 4
    assert by_gzip.headers["vary"] == "accept-encoding"
    assert int(by_gzip.headers["content-length"]) == len(by_gzip.content)


async def test_a_copy_in_each_coding_has_a_tag_of_its_own_and_is_confirmed_by_it(open_hub: OpenHub, sites: None):
    async with open_hub() as hub, served(hub.app) as address:
        answers = {accept: await ask(address, accept) for accept in ("identity", "gzip", "zstd")}
        tags = {accept: answer.headers["etag"] for accept, answer in answers.items()}
        assert len(set(tags.values())) == 3
        for accept, tag in tags.items():
            assert answers[accept].headers["vary"] == "accept, accept-encoding, authorization"
            confirmed = await ask(address, accept, **{"if-none-match": tag})
            assert (confirmed.status_code, confirmed.content) == (304, b"")
            assert (confirmed.headers["etag"], confirmed.headers["vary"]) == (tag, answers[accept].headers["vary"])
            assert "content-encoding" not in confirmed.headers
        other = await ask(address, "gzip", **{"if-none-match": tags["zstd"]})
        assert (other.status_code, other.headers["etag"]) == (200, tags["gzip"])


async def test_head_says_what_get_would(open_hub: OpenHub, sites: None):
    async with open_hub() as hub, served(hub.app) as address:
        got, head = [await ask(address, "gzip", method=method) for method in ("GET", "HEAD")]

    for name in ("content-encoding", "content-length", "content-type", "etag", "vary"):
        assert head.headers[name] == got.headers[name]
    assert head.content == b""


async def test_what_fits_into_a_packet_and_what_failed_is_sent_as_it_is(open_hub: OpenHub, sites: None):
    async with open_hub() as hub:
        for query in (FEW, "{ nothing }"):
            response = await hub.client.post("/graphql", json={"query": query}, headers={"accept-encoding": "gzip"})
            assert len(response.content) < SMALLEST
            assert "content-encoding" not in response.headers


async def test_events_are_never_compressed(open_hub: OpenHub, sites: None):
    headers = {"accept": "text/event-stream", "accept-encoding": "gzip, zstd"}
    async with open_hub() as hub:
        response = await hub.client.post("/graphql", json={"query": SITES}, headers=headers)

    assert response.headers["content-type"].startswith("text/event-stream")
    assert "content-encoding" not in response.headers
    assert b'"Site 499"' in response.content


async def test_an_answer_that_is_kept_is_compressed_once(
    open_hub: OpenHub, sites: None, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
):
    compressed: list[Coding] = []
    compress = encoding._compress

    def noted(body: bytes, coding: Coding) -> bytes:
        compressed.append(coding)
        return compress(body, coding)

    monkeypatch.setattr(encoding, "_compress", noted)
    async with open_hub(kept=KeptAnswers(LogGrowth(engine))) as hub:
        for _ in range(5):
            await hub.client.post("/graphql", json={"query": SITES}, headers={"accept-encoding": "gzip"})

    assert len(compressed) == 2  # the first answer comes from the ordinary way, and is not kept


async def test_large_answers_are_compressed_beside_the_others_and_few_at_a_time(
    monkeypatch: pytest.MonkeyPatch, database: str
):
    running, most = 0, 0
    threads: set[int] = set()
    go, begun = threading.Event(), threading.Semaphore(0)

    def slow(body: bytes, coding: Coding) -> bytes:
        nonlocal running, most
        running += 1
        most = max(most, running)
        threads.add(threading.get_ident())
        begun.release()
        go.wait(10)
        running -= 1
        return body[:1]

    monkeypatch.setattr(encoding, "_compress", slow)
    encoder = Encoder()
    answers = [Answer(bytes(LARGEST_AT_ONCE + 1)) for _ in range(5)]
    work = [asyncio.create_task(encoder.encoded(answer, Coding.GZIP)) for answer in answers]
    for _ in range(AT_A_TIME):
        await asyncio.to_thread(begun.acquire)
    go.set()
    await asyncio.gather(*work)

    assert most == AT_A_TIME
    assert threading.get_ident() not in threads


def test_an_answer_holds_no_more_codings_than_they_may_take(database: str):
    answer = Answer(bytes(100))

    answer.remember("gzip", bytes(100 // PART_FOR_CODINGS))
    answer.remember("zstd", bytes(1))

    assert list(answer.encoded) == ["gzip"]
