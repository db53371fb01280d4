"""Files that a system keeps elsewhere: read without its credentials, and from nowhere else."""

from __future__ import annotations

import httpx
import pytest

from connector.sdk import NotFound, SourceClient, Transient, UnexpectedResponse

STORE = "files.store.test"


def client(
    *answers: httpx.Response | Exception, base: str = "https://cmdb.test/"
) -> tuple[SourceClient, list[httpx.Request]]:
    seen: list[httpx.Request] = []
    script = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        given = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(given, Exception):
            raise given
        return given

    async def no_sleep(_seconds: float) -> None: ...

    headers = {"authorization": "Basic Y2FuYXJ5", "x-api-key": "canary", "accept": "application/json"}
    return SourceClient(base, headers=headers, transport=httpx.MockTransport(answer), sleep=no_sleep), seen


async def fetch(http: SourceClient, url: str) -> bytes:
    return await http.download(url, operation="download label", hosts=(STORE, "store.test:8443"))


async def test_no_header_of_the_client_goes_along():
    http, seen = client(httpx.Response(200, content=b"%PDF"))

    content = await fetch(http, f"https://canary:canary@{STORE}/a.pdf?part=1")

    assert content == b"%PDF"
    assert str(seen[0].url) == f"https://{STORE}/a.pdf?part=1"
    assert "canary" not in str(seen[0].headers).lower()
    assert seen[0].headers.get("authorization") is None
    assert seen[0].extensions["timeout"]["read"] == 30


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test/a.pdf", f"https://{STORE}.evil.test/a", f"https://{STORE}@evil.test/a", f"http://{STORE}/a",
        f"https://{STORE}:8443/a", f"file://{STORE}/etc/passwd", "a.pdf", "", "https://[::1", "//store.test/a",
    ],
)  # fmt: skip
async def test_nothing_is_read_from_elsewhere(url: str):
    http, seen = client(httpx.Response(200))

    with pytest.raises(UnexpectedResponse, match="the file lies at"):
        await fetch(http, url)

    assert seen == []


async def test_a_port_that_is_named_and_the_scheme_of_the_system_itself_will_do():
    tls, seen = client(httpx.Response(200, content=b"1"))
    plain, seen_plain = client(httpx.Response(200, content=b"2"), base="http://cmdb.test")

    assert (await fetch(tls, "https://store.test:8443/a"), await fetch(plain, f"http://{STORE}/a")) == (b"1", b"2")
    assert (len(seen), len(seen_plain)) == (1, 1)


async def test_a_store_that_fails_is_asked_again_and_one_that_is_closed_is_no_matter_of_our_credentials():
    flaky, seen = client(httpx.Response(503), httpx.ConnectError("refused"), httpx.Response(200, content=b"x"))

    assert (await fetch(flaky, f"https://{STORE}/a"), len(seen)) == (b"x", 3)
    for status, kind in ((403, UnexpectedResponse), (302, UnexpectedResponse), (404, NotFound), (500, Transient)):
        http, _ = client(httpx.Response(status, headers={"location": "https://evil.test"}))
        with pytest.raises(kind):
            await fetch(http, f"https://{STORE}/a")
