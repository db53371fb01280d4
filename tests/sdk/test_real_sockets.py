"""The HTTP client over real sockets, against systems that send what they should not: class, memory and secrets."""

from __future__ import annotations

import logging
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import chain, repeat
from pathlib import Path

import httpx
import pytest

from connector.sdk import (
    AdapterError,
    AuthError,
    OutcomeUnknown,
    RateLimited,
    SourceClient,
    Transient,
    UnexpectedResponse,
)
from connector.sdk.client import LARGEST_ANSWER
from connector.sdk.reading import LONGEST_REFUSAL
from tests.loopback import Loopback, Raw, answer, chunked, listening, self_signed

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
TOKEN = "canary-77f0b1c2d3"
PIECE = b"x" * 2**16
THREE_GB = 3 * 2**30


def pieces() -> Iterator[bytes]:
    """Three gigabytes, made as they are asked for."""
    return repeat(PIECE, THREE_GB // len(PIECE))


def zeros() -> Iterator[bytes]:
    """Three gigabytes of zeros, a thousandth of that when compressed."""
    packed = zlib.compressobj(wbits=31)
    first, again = (packed.compress(bytes(2**20)) + packed.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return chain([first], repeat(again, THREE_GB // 2**20 - 1))


@asynccontextmanager
async def connected(
    *answers: Raw, patience: timedelta = timedelta(seconds=20), attempts: int = 1
) -> AsyncIterator[tuple[SourceClient, Loopback, list[float]]]:
    """A client and a system that gives these answers, the last one for ever; seconds that the client would sleep."""
    script, slept = list(answers), []

    async def respond(_: httpx.Request) -> Raw:
        return script.pop(0) if len(script) > 1 else script[0]

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    headers = {"authorization": f"Token {TOKEN}"}
    async with listening(respond) as system:
        options = {"timeout": patience, "attempts": attempts, "secrets": [TOKEN]}
        http = SourceClient(system.url, headers=headers, now=lambda: NOW, sleep=sleep, **options)
        async with http:
            yield http, system, slept


async def get(http: SourceClient) -> object:
    return http.json(await http.request("GET", "/api/devices", operation="pull devices"), operation="pull devices")


async def post(http: SourceClient) -> object:
    return await http.request("POST", "/api/notes", operation="add note", json={"text": "x"})


def told(error: AdapterError, caplog: pytest.LogCaptureFixture) -> str:
    return f"{error!r} {error} {error.detail} {error.hint} {error.__cause__!r} {caplog.text}"


@pytest.mark.parametrize(
    ("given", "of_read", "of_write"),
    [
        (answer(200, f"<html>Sign in, {TOKEN}</html>", kind="text/html"), UnexpectedResponse, None),
        (answer(200, '{"items": [{"id": 1}, {"id"'), UnexpectedResponse, None),
        (answer(200, '{"items": [{"id": 1}, {"id"', length=4_000), Transient, OutcomeUnknown),
        (Raw(200, (("content-length", "10"),), (), is_cut=True), Transient, OutcomeUnknown),
        (answer(200, "not gzip", content_encoding="gzip"), UnexpectedResponse, OutcomeUnknown),
        (answer(401, f"you sent {TOKEN}"), AuthError, AuthError),
        (answer(302, "", location="/api/devices"), UnexpectedResponse, UnexpectedResponse),
        (answer(302, "", location=f"https://evil.test/?token={TOKEN}"), UnexpectedResponse, UnexpectedResponse),
        (answer(500, f"<h1>{TOKEN}</h1>", kind="text/html"), Transient, OutcomeUnknown),
    ],
    ids=["html", "broken json", "cut short", "cut at once", "no gzip", "401", "redirect loop", "redirect away", "500"],
)
async def test_what_a_system_sends_is_classified_and_no_secret_shows(
    given: Raw, of_read: type[AdapterError], of_write: type[AdapterError] | None, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    async with connected(given) as (http, system, slept):
        with pytest.raises(AdapterError) as raised:
            await get(http)
        asked = len(system.requests)
        if of_write is None:
            await post(http)
        else:
            with pytest.raises(AdapterError) as of_writing:
                await post(http)
            assert type(of_writing.value) is of_write
            assert TOKEN not in told(of_writing.value, caplog)

    assert type(raised.value) is of_read
    assert (asked, slept) == (1, [])
    assert TOKEN not in told(raised.value, caplog)


async def test_a_redirect_says_what_to_do_and_is_not_followed():
    async with connected(answer(301, location="/api/devices")) as (http, system, _):
        with pytest.raises(UnexpectedResponse) as raised:
            await get(http)

    assert len(system.requests) == 1
    assert raised.value.hint == "Redirects are not followed: give the address they lead to as base_url."


@pytest.mark.parametrize(
    ("headers", "waited"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": format_datetime(NOW + timedelta(seconds=42), usegmt=True)}, 42.0),
        ({}, None),
    ],
    ids=["seconds", "date", "no header"],
)
async def test_a_limit_is_waited_out_with_and_without_a_header(headers: dict[str, str], waited: float | None):
    async with connected(answer(429, "slow down", **headers), answer(200, "[1]"), attempts=3) as (http, system, slept):
        found = await get(http)

    assert (found, len(system.requests), len(slept)) == ([1], 2, 1)
    assert slept == [waited] if waited else 0 < slept[0] <= 1


async def test_a_limit_that_says_nothing_is_told_as_one():
    async with connected(answer(429)) as (http, _, _slept):
        with pytest.raises(RateLimited) as raised:
            await get(http)

    assert raised.value.retry_after is None


async def test_a_system_that_takes_the_request_and_says_nothing_is_tried_again_later():
    asked = Raw(200, (("content-length", "10"),))  # it says that there is a body, and sends none
    async with connected(asked, patience=timedelta(seconds=0.2)) as (http, _, _slept):
        with pytest.raises(Transient):
            await get(http)
        with pytest.raises(OutcomeUnknown):
            await post(http)


@pytest.mark.parametrize(
    ("given", "most_sent"),
    [
        (chunked(pieces()), 2 * LARGEST_ANSWER),
        (chunked(zeros(), content_encoding="gzip"), LARGEST_ANSWER),
        (Raw(200, (("content-length", str(THREE_GB)),), pieces(), is_cut=True), LARGEST_ANSWER),
        (chunked(pieces(), status=503), LARGEST_ANSWER),
    ],
    ids=["streamed", "compressed", "announced", "an error that is long"],
)
async def test_three_gigabytes_are_not_taken_into_memory(given: Raw, most_sent: int):
    tracemalloc.start()
    try:
        async with connected(given) as (http, system, _):
            with pytest.raises(AdapterError) as raised:
                await get(http)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 3 * LARGEST_ANSWER
    assert system.sent < most_sent
    if given.status == 200:
        assert type(raised.value) is UnexpectedResponse
        assert "bytes" in raised.value.message
        assert raised.value.hint == "If the system really holds so much in one piece, ask for smaller pages."
    else:
        assert type(raised.value) is Transient
        assert peak < 20 * LONGEST_REFUSAL + LARGEST_ANSWER // 8


async def test_a_write_whose_answer_is_too_long_may_have_been_done():
    async with connected(chunked(pieces())) as (http, _, _slept):
        with pytest.raises(OutcomeUnknown):
            await post(http)


async def test_an_answer_as_long_as_it_may_be_is_read_whole():
    body = b'"' + b"x" * 98 + b'"'
    sizes = {}
    for most in (100, 99):

        async def respond(_: httpx.Request) -> Raw:
            return chunked([body[:50], body[50:]])

        async with listening(respond) as system, SourceClient(system.url, attempts=1, largest_answer=most) as http:
            try:
                sizes[most] = len(str(await get(http)))
            except UnexpectedResponse:
                sizes[most] = 0

    assert sizes == {100: 98, 99: 0}


async def test_a_certificate_that_nobody_vouches_for_gets_no_request(tmp_path: Path):
    async def respond(_: httpx.Request) -> Raw:
        return answer(200, "[]")

    headers = {"authorization": f"Token {TOKEN}"}
    async with listening(respond, tls=self_signed(tmp_path)) as system:
        http = SourceClient(system.url, headers=headers, attempts=1)
        async with http:
            with pytest.raises(Transient) as raised:
                await get(http)

    assert system.requests == []
    assert raised.value.message == "pull devices: the system's certificate is not trusted"
    assert "self-signed certificate" in raised.value.detail
    assert raised.value.hint.startswith("Check the name in base_url")


async def test_an_answer_that_drips_is_given_up_at_the_deadline_however_often_a_byte_comes():
    """Its bytes come far more often than the time-out allows, and never end."""

    async def respond(_: httpx.Request) -> Raw:
        return chunked(repeat(b" "))

    patience = {"timeout": timedelta(seconds=0.2), "deadline": timedelta(seconds=0.5), "attempts": 1}
    async with listening(respond) as system, SourceClient(system.url, **patience) as http:
        with pytest.raises(Transient) as of_read:
            await get(http)
        with pytest.raises(OutcomeUnknown) as of_write:
            await post(http)
        taken = system.sent

    assert of_read.value.message == "pull devices: the answer was not whole after 0.5 s"
    assert of_read.value.hint.endswith("ask for smaller pages, or set a longer `deadline`.")
    assert of_write.value.message == "add note: the answer was not whole after 0.5 s after the request was sent"
    assert 0 < taken < LARGEST_ANSWER


async def test_a_port_that_speaks_no_tls_and_one_that_nobody_listens_on():
    async with connected(answer(200, "[]")) as (_, system, _slept):
        encrypted = SourceClient(system.url.replace("http:", "https:"), attempts=1, timeout=timedelta(seconds=0.3))
        async with encrypted:
            with pytest.raises(Transient):
                await get(encrypted)
    async with SourceClient(system.url, attempts=1) as http:
        with pytest.raises(Transient):
            await get(http)


async def test_half_a_character_is_replaced_and_a_whole_one_stays():
    text = r'{"cut \ud83d": ["\ud83d\ude00", "cut \ud83d", {"a": "\udc00b"}], "plain": "ud83d"}'
    async with connected(answer(200, text)) as (http, _, _slept):
        found = await get(http)

    assert found == {"cut \ufffd": ["\U0001f600", "cut \ufffd", {"a": "\ufffdb"}], "plain": "ud83d"}
