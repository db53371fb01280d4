"""What one connection over HTTP carries, and when it is closed; on a server as the hub starts it."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from connector import connections
from tests.api.conftest import Hub, connected, served, until
from tests.api.seed import seed
from tests.api.test_subscriptions import give_task

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

JSON = "application/json"
SHORT = 0.2
"""Seconds that a connection is kept here."""
FOLLOW = 'subscription { tasks(after: "0") { cursor } }'


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """A client that has one connection, and sees the bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    def send(self, method: str, path: str = "/graphql", body: bytes = b"", **headers: str) -> None:
        """Send a request, and wait for nothing."""
        given = {"host": "127.0.0.1", "content_type": JSON, "content_length": str(len(body)), **headers}
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items() if value)
        self.writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)

    def ask(self, query: str, **headers: str) -> None:
        """Send a query by POST."""
        self.send("POST", body=json.dumps({"query": query}).encode(), **headers)

    async def answer(self, *, to_head: bool = False) -> Answer:
        """The next answer."""
        async with asyncio.timeout(10):
            status, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines if line)
            has_body = not to_head and "content-length" in headers
            body = await self._reader.readexactly(int(headers["content-length"])) if has_body else b""
            return Answer(int(status.split()[1]), headers, body)

    async def heard(self, text: bytes) -> None:
        """Wait for a text within whatever comes."""
        async with asyncio.timeout(10):
            await self._reader.readuntil(text)

    async def piece(self) -> bytes:
        """Whatever comes next; nothing when the hub has closed it."""
        async with asyncio.timeout(10):
            return await self._reader.read(65536)


@asynccontextmanager
async def connection(address: str) -> AsyncIterator[Connection]:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()


async def test_one_connection_carries_answers_refusals_copies_and_what_is_compressed(hub: Hub):
    seeded = await seed(hub.engine)
    page = "{ __schema { types { name description } } }".replace(" ", "%20")
    async with served(hub.app) as address, connection(address) as client:
        for _ in range(50):
            client.ask("{ sites { nodes { name } } }")
            assert (await client.answer()).json == {"data": {"sites": {"nodes": [{"name": "Hamburg"}]}}}

        client.send("GET", f"/graphql?query={page}", accept_encoding="gzip")
        compressed = await client.answer()
        client.send("GET", f"/graphql?query={page}")
        plain = await client.answer()
        client.send("GET", f"/graphql?query={page}", if_none_match=plain.headers["etag"])
        copy = await client.answer()
        client.send("HEAD", f"/graphql?query={page}")
        head = await client.answer(to_head=True)
        refused = []
        for method, path, body, headers in [
            ("POST", "/graphql", b"{", {}),
            ("PUT", "/graphql", b'{"query": "{ __typename }"}', {}),
            ("POST", "/graphql", b"x", {"content_type": "text/plain"}),
            ("GET", f"/graphql?query={page}", b"", {"accept": "text/csv"}),
            ("GET", "/nothing", b"", {}),
            ("GET", f"/graphql?query={'%20' * 12_000}", b"", {}),
            ("POST", "/webhooks/nobody", b"{}", {}),
        ]:
            client.send(method, path, body, **headers)
            refused.append((await client.answer()).status)
        client.ask(f'{{ site(id: "{seeded.id("Site")}") {{ name }} }}')
        last = await client.answer()

    assert compressed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(compressed.body) == plain.body
    assert (copy.status, copy.body, copy.headers["etag"]) == (304, b"", plain.headers["etag"])
    assert (head.status, head.headers["content-length"]) == (200, plain.headers["content-length"])
    assert refused == [400, 405, 415, 406, 404, 414, 404]
    assert last.json == {"data": {"site": {"name": "Hamburg"}}}


def too_large(client: Connection, *, says_so: bool) -> None:
    """Send it all, whatever is answered meanwhile."""
    body = b" " * 1_000_000
    if says_so:
        client.send("POST", body=body)
    else:
        client.send("POST", content_length="", transfer_encoding="chunked")
        client.writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))


@pytest.mark.parametrize("says_so", [True, False])
async def test_a_request_that_is_too_large_is_told_so_and_the_next_one_answered(hub: Hub, says_so: bool):
    async with served(hub.app) as address, connection(address) as client:
        too_large(client, says_so=says_so)
        client.ask("{ __typename }")
        answer, following = await client.answer(), await client.answer()

    assert (answer.status, answer.json["errors"][0]["extensions"]["code"]) == (413, "TOO_LARGE")
    assert following.json == {"data": {"__typename": "Query"}}


async def test_a_request_that_goes_on_and_on_behind_its_answer_is_not_listened_to(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(connections, "MOST_IGNORED", 500_000)
    async with served(hub.app) as address, connection(address) as client:
        client.send("POST", body=b" " * 300_000, content_length="1300000")
        assert (await client.answer()).status == 413
        client.writer.write(b" " * 1_000_000)
        client.ask("{ __typename }")

        with suppress(ConnectionResetError):
            assert await client.piece() == b""


async def test_requests_that_are_sent_without_waiting_are_answered_in_their_order(hub: Hub):
    await seed(hub.engine)
    long = "{ tickets { nodes { number shipments { events { description } } } } __schema { types { name } } }"
    async with served(hub.app) as address, connection(address) as client:
        for number in range(0, 40, 4):
            client.ask(long)
            client.ask(f"{{ n{number}: __typename }}")
            client.send("POST", body=b"{")
            client.ask("{ nothing }", accept=JSON)
        answers = [await client.answer() for _ in range(40)]

    assert [answer.status for answer in answers] == [200, 200, 400, 200] * 10
    assert all("tickets" in answer.json["data"] for answer in answers[0::4])
    assert [answer.json for answer in answers[1::4]] == [{"data": {f"n{n}": "Query"}} for n in range(0, 40, 4)]
    assert all("errors" in answer.json for answer in answers[3::4])


@pytest.mark.parametrize(
    ("version", "header", "stays"),
    [("1.1", "", True), ("1.1", "connection: close\r\n", False), ("1.0", "", False)],
)
async def test_a_client_says_whether_it_will_send_more(hub: Hub, version: str, header: str, stays: bool):
    async with served(hub.app) as address, connection(address) as client:
        client.writer.write(f"GET /healthz HTTP/{version}\r\nhost: 127.0.0.1\r\n{header}\r\n".encode())
        answer = await client.answer()
        if stays:
            client.ask("{ __typename }")
            assert (await client.answer()).status == 200
        else:
            assert await client.piece() == b""

    assert (answer.status, answer.headers.get("connection")) == (200, None if stays else "close")


BEGUN = b"POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 27\r\n\r\n"
BODY = b'{"query": "{ __typename }"}'


@pytest.mark.parametrize("sent", ["nothing", "an answered request", "an answered request and an empty line"])
async def test_a_connection_without_requests_is_closed_after_its_time_and_others_are_not(hub: Hub, sent: str):
    loop = asyncio.get_running_loop()
    async with served(hub.app, keep_alive_seconds=SHORT) as address:
        events = json.dumps({"query": FOLLOW}).encode()
        async with connected(address) as socket, connection(address) as stream:
            await socket.subscribe(FOLLOW)
            stream.send("POST", body=events, accept="text/event-stream")
            await until(lambda: hub.streams.subscribers == 2)
            async with connection(address) as client:
                began = loop.time()
                if sent != "nothing":
                    client.ask("{ __typename }")
                    await client.answer()
                    began = loop.time()
                if sent.endswith("line"):
                    client.writer.write(b"\r\n")
                assert await client.piece() == b""
                took = loop.time() - began

            await give_task(hub.engine, "a")
            assert (await socket.event())["cursor"] == "1"
            await stream.heard(b"event: next")

    assert SHORT - 0.05 < took < 5


@pytest.mark.parametrize("sent", [BEGUN[:30], BEGUN, BEGUN + BODY[:-1], BEGUN + BODY + BEGUN], ids=range(4))
async def test_a_request_that_does_not_end_is_not_waited_for(hub: Hub, sent: bytes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", SHORT)
    async with served(hub.app) as address, connection(address) as client:
        client.writer.write(sent)
        if sent.startswith(BEGUN + BODY):
            assert (await client.answer()).json == {"data": {"__typename": "Query"}}
        assert await client.piece() == b""


async def test_a_request_that_comes_slowly_is_answered(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    """Piece by piece, over a connection that is kept for less time than that takes."""
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 60)
    async with (
        served(hub.app, keep_alive_seconds=SHORT) as address,
        connection(address) as client,
        connection(address) as idle,
    ):
        client.writer.write(BEGUN + BODY[:5])
        assert await idle.piece() == b""
        client.writer.write(BODY[5:])

        assert (await client.answer()).json == {"data": {"__typename": "Query"}}
