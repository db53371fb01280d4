"""What systems answer when they should not, and rows that no documentation speaks of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from connector.sdk import (
    AuthError,
    Conflict,
    EntityKind,
    RateLimited,
    SetTicketState,
    SourceRef,
    TicketState,
    Transient,
    UnexpectedResponse,
)
from connector.sdk.testing import ids

from .conftest import SECRET, Source, document, listed, row

HTML = httpx.Response(200, headers={"content-type": "text/html"}, text=f"<html>Sign in {SECRET}</html>")


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (HTML, UnexpectedResponse, "is not JSON but text/html"),
        (httpx.Response(200, content=b'{"data": [{"id": 1'), UnexpectedResponse, "is not JSON"),
        (httpx.Response(200, content=b"[" * 100_000), UnexpectedResponse, "is not JSON"),
        (
            httpx.Response(200, json={"error": SECRET}),
            UnexpectedResponse,
            "no list at 'data', the answer has keys error",
        ),
        (httpx.Response(200, json=[1]), UnexpectedResponse, "no list at 'data', the answer has a list"),
        (httpx.Response(200, json={"data": {"1": {}}}), UnexpectedResponse, "there is no list at 'data'"),
        (httpx.Response(302, headers={"location": "https://evil.test/"}), UnexpectedResponse, "answered 302"),
        (httpx.Response(401, text=SECRET), AuthError, "answered 401"),
        (httpx.Response(429, headers={"retry-after": "7"}), RateLimited, "answered 429"),
        (httpx.Response(500), Transient, "answered 500"),
        (httpx.ReadTimeout("slow"), Transient, "did not answer"),
    ],
)
async def test_an_answer_that_is_none_is_an_error_of_the_right_class(answer, error, said):
    source = Source(lambda _: answer, document())

    with pytest.raises(error, match=said) as raised:
        await source.pull()

    assert SECRET not in f"{raised.value} {raised.value.detail} {raised.value.hint}"
    assert len(source.sent) == 1
    assert source.sent[0].url.host == "acme.test"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"state": "Dreaming"}, "state at 'state': 'Dreaming' is none of Open, Done"),
        ({"state": None}, "state"),
        ({"number": {"text": "T"}}, "number at 'number': is a object, expected text"),
        ({"id": None}, "id: None at 'id' is no identifier"),
        ({"id": ""}, "id: '' at 'id' is no identifier"),
        ({"id": [1]}, "id: [1] at 'id' is no identifier"),
        ({"id": "x" * 256}, "is no identifier of 1 to 255 characters"),
        ({"at": "2026-03-01 10:00:00"}, "states no zone. Name the zone in which the system writes its times"),
        ({"at": "yesterday"}, "'yesterday' is no time, expected a time such as 2026-01-31T09:30:00Z"),
        ({"at": 1772359200}, "is a int, expected a time as text"),
        ({"at": "2031-01-01T00:00:00Z"}, "updated_at 2031-01-01T00:00:00+00:00 lies in the future"),
    ],
)
async def test_a_row_that_cannot_be_used_is_kept_with_its_reason_and_the_others_arrive(bad, reason):
    source = Source(lambda _: listed(row(1), {**row(2), **bad}, row(3)), document())

    [batch] = await source.pull()

    assert ids([batch]) == ["1", "3"]
    [rejected] = batch.rejected
    assert reason in rejected.reason
    assert b'"number": ' in rejected.raw


@pytest.mark.parametrize("junk", [None, "text", 7, [], True, {}])
async def test_a_row_that_is_no_object_is_rejected(junk):
    source = Source(lambda _: listed(junk, row(1)), document())

    [batch] = await source.pull()

    assert ids([batch]) == ["1"]
    assert len(batch.rejected) == 1
    assert batch.rejected[0].ref is None


async def test_a_snapshot_with_a_row_that_might_be_anybody_retires_nothing():
    bad = Source(lambda _: listed(row(1), {"number": "T2"}), document(complete=True))
    good = Source(lambda _: listed(row(1), {**row(2), "state": "Dreaming"}), document(complete=True))

    assert [batch.complete for batch in await bad.pull()] == [False]
    assert [batch.complete for batch in await good.pull()] == [True]


async def test_a_time_without_zone_is_read_in_the_zone_that_is_named():
    source = Source(lambda _: listed(row(1, "2026-01-31 10:00:00")), document(time_zone="America/New_York"))

    [batch] = await source.pull()

    assert batch.records[0].updated_at == datetime(2026, 1, 31, 15, tzinfo=UTC)


async def test_two_rows_with_one_identifier_are_not_taken_for_one():
    source = Source(lambda _: listed(row(1), {**row(1), "number": "T9"}), document())

    [batch] = await source.pull()

    assert ids([batch]) == ["1"]
    assert "stands twice on one page" in batch.rejected[0].reason


async def test_the_secret_is_in_no_rejected_row():
    source = Source(lambda _: listed({"id": 1, "state": SECRET}), document())

    [batch] = await source.pull()

    assert SECRET not in f"{batch!r}"
    assert "[redacted]" in batch.rejected[0].reason


async def test_an_answer_that_is_too_large_is_not_read():
    source = Source(lambda _: listed(row(1, text="x" * 2000)), {**document(), "max_bytes": 1024})

    with pytest.raises(UnexpectedResponse, match="bytes, at most 1024 are read"):
        await source.pull()


async def test_a_system_that_sends_its_first_page_again_and_again_is_found_out():
    pages = {"kind": "page", "param": "p", "size": 1}
    source = Source(lambda _: listed(row(1)), {**document(pages=pages), "max_pages": 3})

    with pytest.raises(UnexpectedResponse, match="the list has more than 3 pages"):
        await source.pull()

    assert len(source.sent) == 3


async def test_a_link_to_another_host_is_not_followed():
    answer = listed(row(1))
    answer.headers["link"] = '<https://evil.test/v2/tickets?page=2>; rel="next"'
    source = Source(lambda _: answer, document(pages={"kind": "link"}))

    with pytest.raises(UnexpectedResponse, match="leads to another host"):
        await source.pull()

    assert [request.url.host for request in source.sent] == ["acme.test"]


async def test_a_list_of_changes_in_no_order_is_found_out():
    rows = (row(1, "2026-03-01T10:00:00Z"), row(2, "2026-02-01T10:00:00Z"))
    source = Source(lambda _: listed(*rows), document(changes={"param": "since"}))

    with pytest.raises(UnexpectedResponse, match="rows are not in the order of their time"):
        await source.pull()


async def test_a_list_of_changes_in_no_order_may_be_described_as_such():
    rows = (row(1, "2026-03-01T10:00:00Z"), row(2, "2026-02-01T10:00:00Z"))
    source = Source(lambda _: listed(*rows), document(changes={"param": "since", "sorted": False}))

    [batch] = await source.pull()
    source.clock.advance(timedelta(hours=1))
    await source.pull(since=batch.resume)

    assert ids([batch]) == ["1", "2"]
    assert source.sent[0].url.query == b""
    assert source.sent[1].url.params["since"] == "2026-03-01T09:55:00Z"


async def test_the_key_in_the_query_is_kept_in_no_cursor():
    definition = document(pages={"kind": "link"}, changes={"param": "since"})
    definition["auth"] = {"kind": "query", "name": "apikey"}

    def answer(request: httpx.Request) -> httpx.Response:
        page = listed(row(1), row(2))
        page.headers["link"] = f'<{request.url.copy_set_param("n", "2")}>; rel="next"'
        return page if "n" not in request.url.params else listed(row(3))

    source = Source(answer, definition)
    stream = source.stream()
    cursors = [batch.resume async for batch in source.adapter.pull(stream, None)]

    assert all(request.url.params["apikey"] == SECRET for request in source.sent)
    assert SECRET not in repr(cursors)


async def test_rows_that_move_while_they_are_read_are_no_whole_snapshot():
    """Paged by number: a deletion on the first page moves a row from the second to the first."""
    rows = [row(number) for number in range(1, 7)]

    def answer(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params["p"])
        found = listed(*rows[2 * number - 2 : 2 * number], total=len(rows))
        if number == 1 and len(rows) == 6:
            del rows[0]
        return found

    pages = {"kind": "page", "param": "p", "size": 2, "total": "total"}
    source = Source(answer, document(pages=pages, complete=True))
    first, second = await source.pull(), await source.pull()

    assert "3" not in ids(first)
    assert first[-1].complete is False
    assert sorted(ids(second)) == ["2", "3", "4", "5", "6"]
    assert second[-1].complete is True


async def test_an_identifier_stays_one_part_of_the_path():
    definition = document()
    definition["writes"] = {
        "set_state": {"path": "/t/{ticket}", "body": {"s": "{state}"}, "idempotency_header": "Idempotency-Key"}
    }
    source = Source(lambda _: httpx.Response(409), definition)
    op = SetTicketState("k-1", SourceRef(kind=EntityKind.TICKET, external_id="a/../b"), TicketState.RESOLVED)
    with pytest.raises(Conflict):
        await source.adapter.push(op)

    assert source.sent[0].url.raw_path == b"/v2/t/a%2F..%2Fb"
    assert source.sent[0].headers["idempotency-key"] == "k-1"
