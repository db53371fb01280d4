"""The HTTP client: retries, waiting, the circuit, what an error tells and what it does not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.sdk import (
    AdapterError,
    AuthError,
    ConfigError,
    Conflict,
    Invalid,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    SourceClient,
    SourceRef,
    Transient,
    UnexpectedResponse,
)
from connector.sdk.client import READS
from connector.sdk.retries import CIRCUIT_FAILURES, LONGEST_PATIENCE, retry_after

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
TOKEN = "canary-9d41"


class Script(httpx.AsyncBaseTransport):
    """A system that answers as told, one entry for each request, the last one for ever."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


class Sleeps:
    """Remembers how long somebody wanted to sleep."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def client(
    script: httpx.AsyncBaseTransport, sleep: Callable[[float], Awaitable[None]], **options: object
) -> SourceClient:
    settings: dict[str, object] = {
        "headers": {"authorization": f"Token {TOKEN}"}, "secrets": [TOKEN], "now": lambda: NOW, **options,
    }  # fmt: skip
    return SourceClient("https://cmdb.test/base/", transport=script, sleep=sleep, **settings)


async def get(http: SourceClient, path: str = "api/devices") -> httpx.Response:
    return await http.request("GET", path, operation="pull devices")


async def post(http: SourceClient) -> httpx.Response:
    return await http.request("POST", "api/notes", operation="add note", json={"text": "x"})


async def test_a_read_that_fails_in_passing_is_tried_again_after_growing_waits():
    script, sleeps = Script(httpx.Response(503), httpx.ConnectError("down"), httpx.Response(200, text="ok")), Sleeps()

    response = await get(client(script, sleeps))

    assert response.text == "ok"
    assert len(script.requests) == 3
    assert len(sleeps.seconds) == 2
    assert 0.5 <= sleeps.seconds[0] <= 1.0 <= sleeps.seconds[1] <= 2.0


async def test_a_read_is_given_up_after_as_many_tries_as_configured():
    script, sleeps = Script(httpx.Response(502, text="bad gateway")), Sleeps()

    with pytest.raises(Transient) as raised:
        await get(client(script, sleeps, attempts=3))

    assert len(script.requests) == 3
    assert raised.value.message == "pull devices: the system answered 502"
    assert raised.value.detail == "bad gateway"
    assert raised.value.operation == "pull devices"


@pytest.mark.parametrize(
    "failure",
    [httpx.ReadTimeout("slow"), httpx.ReadError("reset"), httpx.RemoteProtocolError("cut"), httpx.Response(500)],
)
async def test_a_write_whose_answer_is_lost_is_not_repeated(failure: httpx.Response | Exception):
    script, sleeps = Script(failure), Sleeps()

    with pytest.raises(OutcomeUnknown):
        await post(client(script, sleeps))

    assert (len(script.requests), sleeps.seconds) == (1, [])


@pytest.mark.parametrize("failure", [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), httpx.Response(503)])
async def test_a_write_that_was_surely_not_done_is_repeated(failure: httpx.Response | Exception):
    script, sleeps = Script(failure, httpx.Response(201)), Sleeps()

    response = await post(client(script, sleeps))

    assert (response.status_code, len(script.requests)) == (201, 2)


async def test_a_post_that_reads_is_repeated_like_a_get():
    script, sleeps = Script(httpx.ReadTimeout("slow"), httpx.Response(200)), Sleeps()

    await client(script, sleeps).request("POST", "quotes", operation="quote", json={}, reads=True)

    assert len(script.requests) == 2


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 1.0),
        (format_datetime(NOW + timedelta(seconds=42), usegmt=True), 42.0),
        (format_datetime(NOW - timedelta(seconds=42), usegmt=True), 1.0),
    ],
)
async def test_a_rate_limit_waits_as_long_as_the_system_asks_and_counts_as_no_try(header: str, seconds: float):
    limited = httpx.Response(429, headers={"retry-after": header})
    script, sleeps = Script(limited, limited, limited, httpx.Response(200)), Sleeps()

    response = await get(client(script, sleeps, attempts=2))

    assert response.status_code == 200
    assert sleeps.seconds == [seconds] * 3


async def test_a_system_that_asks_for_too_long_a_wait_is_left_alone():
    script, sleeps = Script(httpx.Response(429, headers={"retry-after": "61"})), Sleeps()

    with pytest.raises(RateLimited) as raised:
        await get(client(script, sleeps))

    assert raised.value.retry_after == timedelta(seconds=61)
    assert (len(script.requests), sleeps.seconds) == (1, [])


async def test_patience_with_a_system_that_limits_for_ever_ends():
    script = Script(httpx.Response(429, headers={"retry-after": "30"}))
    sleeps = Sleeps()

    with pytest.raises(RateLimited):
        await get(client(script, sleeps))

    assert sum(sleeps.seconds) == LONGEST_PATIENCE.total_seconds()


async def test_one_attempt_means_no_retry_of_anything():
    script, sleeps = Script(httpx.Response(429)), Sleeps()

    with pytest.raises(RateLimited) as raised:
        await get(client(script, sleeps, attempts=1))

    assert raised.value.retry_after is None
    assert (len(script.requests), sleeps.seconds) == (1, [])


@pytest.mark.parametrize(
    ("status", "method", "kind"),
    [
        (301, "GET", UnexpectedResponse),
        (400, "POST", Invalid),
        (401, "GET", AuthError),
        (403, "POST", AuthError),
        (404, "GET", NotFound),
        (405, "GET", UnexpectedResponse),
        (408, "GET", Transient),
        (408, "POST", OutcomeUnknown),
        (409, "POST", Conflict),
        (402, "POST", ConfigError),
        (410, "GET", NotFound),
        (412, "PUT", Conflict),
        (413, "POST", Invalid),
        (422, "PATCH", Invalid),
        (425, "POST", Transient),
        (429, "GET", RateLimited),
        (500, "GET", Transient),
        (500, "DELETE", OutcomeUnknown),
        (503, "POST", Transient),
        (504, "POST", OutcomeUnknown),
    ],
)
async def test_each_status_becomes_the_error_that_says_how_to_recover(
    status: int, method: str, kind: type[AdapterError]
):
    ref = SourceRef(kind="ticket", external_id="17")

    with pytest.raises(AdapterError) as raised:
        await client(Script(httpx.Response(status)), Sleeps(), attempts=1).request(
            method, "x", operation="do it", ref=ref
        )

    assert type(raised.value) is kind
    assert raised.value.message.startswith(f"do it: the system answered {status}")
    assert (raised.value.operation, raised.value.ref) == ("do it", ref)


async def test_a_system_that_keeps_failing_is_not_asked_until_the_pause_is_over(monkeypatch: pytest.MonkeyPatch):
    script, sleeps = Script(*[httpx.Response(503)] * CIRCUIT_FAILURES, httpx.Response(200)), Sleeps()
    http = client(script, sleeps, attempts=1)
    loop = asyncio.get_running_loop()
    start = loop.time()
    for _ in range(CIRCUIT_FAILURES):
        with pytest.raises(Transient):
            await get(http)

    monkeypatch.setattr(loop, "time", lambda: start + 20)
    with pytest.raises(Transient, match="was not tried: the system failed 5 times in a row"):
        await get(http)
    asked = len(script.requests)
    monkeypatch.setattr(loop, "time", lambda: start + 40)
    response = await get(http)

    assert asked == CIRCUIT_FAILURES
    assert response.status_code == 200
    assert (await get(http)).status_code == 200


async def test_while_one_request_probes_a_failed_system_the_others_are_refused(monkeypatch: pytest.MonkeyPatch):
    script = Script(httpx.Response(503))
    http = client(script, Sleeps(), attempts=1)
    loop = asyncio.get_running_loop()
    start = loop.time()
    for _ in range(CIRCUIT_FAILURES):
        with pytest.raises(Transient):
            await get(http)
    monkeypatch.setattr(loop, "time", lambda: start + 60)

    outcomes = await asyncio.gather(*(get(http) for _ in range(4)), return_exceptions=True)

    assert len(script.requests) == CIRCUIT_FAILURES + 1
    assert [str(outcome).startswith("pull devices was not tried") for outcome in outcomes].count(True) == 3


async def test_writes_that_time_out_open_the_circuit_and_refusals_close_it():
    timing_out = client(Script(httpx.ReadTimeout("slow")), Sleeps())
    for _ in range(CIRCUIT_FAILURES):
        with pytest.raises(OutcomeUnknown):
            await post(timing_out)
    with pytest.raises(Transient, match="was not tried"):
        await post(timing_out)

    refusing = client(Script(*[httpx.Response(503), httpx.Response(404)] * 10), Sleeps(), attempts=1)
    kinds = []
    for _ in range(20):
        with pytest.raises(AdapterError) as raised:
            await get(refusing)
        kinds.append(type(raised.value))
    assert kinds == [Transient, NotFound] * 10


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.test/api",
        "//evil.test/api",
        "http://cmdb.test/base/api",
        "https://cmdb.test:8443/base/api",
        "https://cmdb.test@evil.test/api",
        "https://cmdb.test.evil.test/api",
    ],
)
async def test_credentials_never_go_to_another_host_port_or_scheme(address: str):
    script = Script(httpx.Response(200))

    with pytest.raises(UnexpectedResponse, match="leads to another host"):
        await get(client(script, Sleeps()), address)

    assert script.requests == []


@pytest.mark.parametrize("address", ["https://cmdb.test/base/api?page=2", "https://CMDB.test:443/base/api", "api"])
async def test_a_link_to_the_same_place_is_followed(address: str):
    script = Script(httpx.Response(200))

    await get(client(script, Sleeps()), address)

    assert script.requests[0].url.host == "cmdb.test"
    assert script.requests[0].headers["authorization"] == f"Token {TOKEN}"


async def test_requests_are_spaced_evenly():
    script, sleeps = Script(httpx.Response(200)), Sleeps()
    http = client(script, sleeps, requests_per_minute=60)

    for _ in range(3):
        await get(http)

    assert len(sleeps.seconds) == 2
    assert sleeps.seconds[0] == pytest.approx(1.0, abs=0.2)
    assert sleeps.seconds[1] == pytest.approx(2.0, abs=0.4)


async def test_no_more_requests_than_allowed_are_under_way():
    running = most = 0

    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            nonlocal running, most
            running += 1
            most = max(most, running)
            for _ in range(5):
                await asyncio.sleep(0)
            running -= 1
            return httpx.Response(200)

    http = client(Slow(), Sleeps(), max_concurrency=3)
    await asyncio.gather(*(get(http) for _ in range(20)))

    assert most == 3


async def test_what_the_system_repeats_of_a_secret_is_cut_out(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    echo = f"token {TOKEN} and {TOKEN.replace('-', '%2D')} in /a b/c".replace("%2D", "-")
    secrets = [TOKEN, "p/w d&x", "abc"]
    http = client(Script(httpx.Response(400, text=f"{echo} p%2Fw%20d%26x p/w d&x abc")), Sleeps(), secrets=secrets)

    with pytest.raises(Invalid) as raised:
        await http.request("GET", "a", operation="pull", params={"key": TOKEN})

    texts = f"{raised.value!r} {raised.value.detail} {caplog.text}"
    assert TOKEN not in texts
    assert "p/w d&x" not in texts
    assert "p%2Fw%20d%26x" not in texts
    assert raised.value.detail.endswith("[redacted] [redacted] abc"), "texts shorter than 4 characters are no secrets"


async def test_the_base64_of_name_and_password_is_a_secret_as_well():
    basic = "Basic dXNlcjpwYXNzd29yZA=="
    http = client(Script(httpx.Response(400, text=f"got {basic}")), Sleeps(), headers={"Authorization": basic})

    with pytest.raises(Invalid) as raised:
        await get(http)

    assert raised.value.detail == "got Basic [redacted]"


async def test_a_token_with_a_line_break_is_a_configuration_error_that_does_not_show_it():
    http = SourceClient(
        "http://127.0.0.1:9", headers={"authorization": f"Token {TOKEN}\n"}, secrets=[f"{TOKEN}\n"], attempts=1
    )
    async with http:
        with pytest.raises(AdapterError) as raised:
            await get(http)

    assert TOKEN not in f"{raised.value!r}{raised.value.detail}{raised.value.__cause__!r}"
    assert raised.value.__suppress_context__ is True


async def test_a_request_that_breaks_the_protocol_is_a_configuration_error():
    http = client(Script(httpx.LocalProtocolError(f"Illegal header value b'Token {TOKEN}\\n'")), Sleeps())

    with pytest.raises(ConfigError) as raised:
        await post(http)

    assert raised.value.detail == "Illegal header value b'Token [redacted]\\n'"
    assert raised.value.hint == (
        "Check the address, and that no setting (a token read from a file) ends in a line break."
    )


@pytest.mark.parametrize("body", ["<html>Sign in</html>", "", "[" * 100_000])
async def test_an_answer_that_is_no_json_is_unexpected(body: str):
    http = client(Script(httpx.Response(200, text=body, headers={"content-type": "text/html"})), Sleeps())

    with pytest.raises(UnexpectedResponse) as raised:
        http.json(await get(http), operation="pull devices")

    assert raised.value.message == "the answer to pull devices is not JSON but text/html"
    assert len(raised.value.detail) <= 500


def test_the_http_library_does_not_log_addresses():
    client(Script(httpx.Response(200)), Sleeps())

    assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)
    assert not logging.getLogger("httpcore.connection").isEnabledFor(logging.DEBUG)


@given(st.text(max_size=40))
def test_any_text_in_retry_after_is_read_or_ignored(text: str):
    waited = retry_after(httpx.Response(429, headers=[(b"retry-after", text.encode())]), NOW)

    assert waited is None or timedelta(0) <= waited <= timedelta(days=4_000_000)


@given(st.integers(0, 10**30))
def test_any_number_of_seconds_is_read(seconds: int):
    waited = retry_after(httpx.Response(429, headers={"retry-after": str(seconds)}), NOW)

    assert waited == timedelta(seconds=min(seconds, 10**9))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"ratelimit-reset": "20"}, 20),
        ({"ratelimit-reset": "20", "retry-after": "7"}, 7),
        ({"ratelimit-reset": "20", "retry-after": "soon"}, 20),
        ({"ratelimit-reset": "Tue, 03 Oct 2023 16:46:39 GMT"}, None),
        ({"x-ratelimit-reset": "1696351599"}, None),
    ],
)
def test_the_seconds_until_a_limit_is_reset_count_where_nothing_else_is_said(
    headers: dict[str, str], seconds: int | None
):
    waited = retry_after(httpx.Response(429, headers=headers), NOW)

    assert waited == (None if seconds is None else timedelta(seconds=seconds))


def test_what_counts_as_reading():
    assert sorted(READS) == ["GET", "HEAD", "OPTIONS"]
