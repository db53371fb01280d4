from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.ingest.adapters import SECRET, Scripted, scripted
from tests.ingest.arriving import receive
from tests.ingest.conftest import Intake
from tests.ingest.records import asset, ref, site, ticket

from connector.ingest.inbox import ATTEMPTS, process_inbox
from connector.ingest.receiving import Received
from connector.model.errors import InvalidInput
from connector.sdk import (
    AuthError,
    Batch,
    Connection,
    Pulls,
    RateLimited,
    Record,
    SourceRef,
    Transient,
    WebhookRequest,
    WebhookResult,
)  # fmt: skip
from connector.storage.database.engine import reading
from connector.storage.tables import inbox


def request(clock: MovableClock, body: bytes = b"{}", **headers: str) -> WebhookRequest:
    return WebhookRequest(headers={"x-signature": SECRET, **headers}, body=body, received_at=clock.now())


async def deliveries(engine: AsyncEngine) -> list[dict[str, Any]]:
    async with reading(engine) as tx:
        return [dict(row) for row in (await tx.execute(select(inbox).order_by(inbox.c.id))).mappings()]


@pytest.fixture
def source(clock: MovableClock) -> tuple[Scripted, Connection]:
    return scripted(clock)


Source = tuple[Scripted, Connection]


async def test_a_webhook_is_kept_and_then_applied(
    engine: AsyncEngine, clock: MovableClock, intake: Intake, source: Source
):
    adapter, connection = source
    adapter.webhooks[b"{}"] = WebhookResult(records=(site(),))

    received = await receive(engine, connection, request(clock))
    assert await intake.rows("site") == []
    done = await process_inbox(engine, {"cmdb": connection}, clock=clock)

    assert (received, done) == (Received(is_new=True), 1)
    assert (await intake.row("site"))["name"] == "Site s1"
    (row,) = await deliveries(engine)
    assert (row["processed_at"], row["error"], row["body"]) == (clock.now(), None, b"{}")
    assert (await intake.changes("site"))[0]["actor"] == "webhook:cmdb"


async def test_a_webhook_that_the_system_did_not_send_is_refused_and_not_kept(
    engine: AsyncEngine, clock: MovableClock, source: Source
):
    bad = WebhookRequest(headers={"x-signature": "forged"}, body=b"{}", received_at=clock.now())

    with pytest.raises(AuthError, match="the signature does not match"):
        await receive(engine, source[1], bad)

    assert await deliveries(engine) == []


async def test_a_source_that_takes_no_webhooks_says_so(engine: AsyncEngine, clock: MovableClock):
    from connector.sdk import Adapter, AdapterConfig, Health, SourceClient

    class Deaf(Adapter[AdapterConfig]):
        @classmethod
        def config_type(cls) -> type[AdapterConfig]:
            return AdapterConfig

        async def check(self) -> Health:
            return Health()

    http = SourceClient("http://localhost")
    connection = Connection("erp", "deaf", Deaf(AdapterConfig(), http, clock), http)

    with pytest.raises(InvalidInput, match=r"source 'erp' takes no webhooks\. Its adapter 'deaf' only pulls"):
        await receive(engine, connection, request(clock))


async def test_the_challenge_of_a_sender_is_answered(engine: AsyncEngine, clock: MovableClock, source: Source):
    source[0].webhooks[b"ping"] = WebhookResult(reply=b"pong")

    assert (await receive(engine, source[1], request(clock, b"ping"))).reply == b"pong"


async def test_the_same_bytes_while_they_wait_are_one_delivery(
    engine: AsyncEngine, clock: MovableClock, intake: Intake, source: Source
):
    adapter, connection = source
    adapter.webhooks[b"{}"] = WebhookResult(records=(site(),))

    received = [await receive(engine, connection, request(clock)) for _ in range(3)]

    assert [r.is_new for r in received] == [True, False, False]
    assert len(await deliveries(engine)) == 1
    assert await process_inbox(engine, {"cmdb": connection}, clock=clock) == 1


async def test_a_hint_that_comes_again_is_followed_again(
    engine: AsyncEngine, clock: MovableClock, intake: Intake, source: Source
):
    adapter, connection = source
    one = ref("ticket", "1")
    adapter.webhooks[b"ticket 1"] = WebhookResult(fetch=(one,))
    for number, title in ((1, "dead"), (2, "still dead")):
        adapter.objects[one] = ticket("1", v=number, title=title)
        await receive(engine, connection, request(clock, b"ticket 1"))
        await process_inbox(engine, {"cmdb": connection}, clock=clock)

    assert (await intake.row("ticket"))["title"] == "still dead"
    assert adapter.fetched == [one, one]
    assert len(await deliveries(engine)) == 1


async def test_a_thing_that_is_gone_when_it_is_fetched_was_deleted(
    engine: AsyncEngine, clock: MovableClock, intake: Intake, source: Source
):
    adapter, connection = source
    await intake(ticket("1"))
    adapter.webhooks[b"ticket 1"] = WebhookResult(fetch=(ref("ticket", "1"),))

    await receive(engine, connection, request(clock, b"ticket 1"))
    await process_inbox(engine, {"cmdb": connection}, clock=clock)

    assert (await intake.row("ticket"))["retired_at"] == clock.now()


async def test_a_webhook_cannot_go_back_behind_a_pull(
    engine: AsyncEngine, clock: MovableClock, intake: Intake, source: Source
):
    adapter, connection = source
    adapter.webhooks[b"{}"] = WebhookResult(records=(site(v=1, name="old"),))
    await receive(engine, connection, request(clock))
    await intake(site(v=2, name="new"))

    await process_inbox(engine, {"cmdb": connection}, clock=clock)

    assert (await intake.row("site"))["name"] == "new"


async def test_a_source_that_is_down_is_asked_again_ever_later(
    engine: AsyncEngine, clock: MovableClock, intake: Intake, source: Source
):
    adapter, connection = source
    one = ref("ticket", "1")
    adapter.webhooks[b"x"] = WebhookResult(fetch=(one,))
    adapter.failing = Transient(f"no answer to token {SECRET}", hint="Later.")
    await receive(engine, connection, request(clock, b"x"))

    waits: list[float] = []
    for _ in range(3):
        assert await process_inbox(engine, {"cmdb": connection}, clock=clock) == 0
        (row,) = await deliveries(engine)
        waits.append((row["not_before"] - clock.now()).total_seconds())
        clock.advance(row["not_before"] - clock.now() - timedelta(seconds=1))
        assert await process_inbox(engine, {"cmdb": connection}, clock=clock) == 0
        clock.advance(timedelta(seconds=1))
    adapter.failing, adapter.objects = None, {one: ticket("1")}

    assert await process_inbox(engine, {"cmdb": connection}, clock=clock) == 1
    assert waits == [5, 10, 20]
    assert row["error"] == "no answer to token [redacted]. Later."
    assert len(await intake.rows("ticket")) == 1


async def test_a_rate_limit_is_no_attempt(engine: AsyncEngine, clock: MovableClock, source: Source):
    adapter, connection = source
    adapter.webhooks[b"x"] = WebhookResult(fetch=(ref("ticket", "1"),))
    adapter.failing = RateLimited("slow down", retry_after=timedelta(minutes=3))
    await receive(engine, connection, request(clock, b"x"))

    await process_inbox(engine, {"cmdb": connection}, clock=clock)

    (row,) = await deliveries(engine)
    assert (row["attempts"], row["not_before"]) == (0, clock.now() + timedelta(minutes=3))


async def test_what_cannot_be_read_goes_to_quarantine_whole(
    engine: AsyncEngine, clock: MovableClock, intake: Intake, source: Source
):
    await receive(engine, source[1], request(clock, b"\xff\x00 nonsense"))
    await process_inbox(engine, {"cmdb": source[1]}, clock=clock)

    (entry,) = await intake.quarantine()
    assert entry["reason"] == "webhook: the body is not what was expected"
    assert (entry["stream"], entry["raw"]) == ("webhooks", b"\xff\x00 nonsense")
    assert (await deliveries(engine))[0]["processed_at"] == clock.now()


async def test_a_poisonous_webhook_ends_in_quarantine_and_the_others_go_on(
    engine: AsyncEngine, clock: MovableClock, intake: Intake, source: Source
):
    adapter, connection = source
    adapter.webhooks[b"poison"] = KeyError("id")
    adapter.webhooks[b"good"] = WebhookResult(records=(site(),))
    await receive(engine, connection, request(clock, b"poison"))
    await receive(engine, connection, request(clock, b"good"))

    done = 0
    for _ in range(ATTEMPTS):
        done += await process_inbox(engine, {"cmdb": connection}, clock=clock)
        clock.advance(timedelta(hours=1))

    assert done == 1
    (entry,) = await intake.quarantine()
    assert entry["reason"] == (
        "webhook: the adapter 'scripted' failed with KeyError: 'id'. That is a defect of the adapter; report it to "
        "whoever maintains it. It was tried 8 times."
    )


async def test_several_processes_share_the_work(
    engine: AsyncEngine, clock: MovableClock, intake: Intake, source: Source
):
    adapter, connection = source
    for number in range(20):
        adapter.webhooks[b"%d" % number] = WebhookResult(fetch=(ref("ticket", str(number)),))
        adapter.objects[ref("ticket", str(number))] = ticket(str(number))
        await receive(engine, connection, request(clock, b"%d" % number))

    done = await asyncio.gather(*(process_inbox(engine, {"cmdb": connection}, clock=clock, limit=6) for _ in range(4)))

    assert sum(done) == 20
    assert len(adapter.fetched) == 20
    assert len(await intake.rows("ticket")) == 20


async def test_a_webhook_whose_process_died_is_taken_over(
    engine: AsyncEngine, clock: MovableClock, intake: Intake, source: Source
):
    from connector.storage.database.engine import transaction
    from connector.storage.sources.inbox import CLAIM, claim_deliveries

    adapter, connection = source
    adapter.webhooks[b"{}"] = WebhookResult(records=(site(),))
    await receive(engine, connection, request(clock))
    async with transaction(engine) as tx:
        assert len(await claim_deliveries(tx, "cmdb", limit=5, at=clock.now())) == 1

    early = await process_inbox(engine, {"cmdb": connection}, clock=clock)
    clock.advance(CLAIM)
    late = await process_inbox(engine, {"cmdb": connection}, clock=clock)

    assert (early, late) == (0, 1)


async def test_webhooks_of_a_source_that_is_not_configured_wait(
    engine: AsyncEngine, clock: MovableClock, source: Source
):
    source[0].webhooks[b"{}"] = WebhookResult(records=(site(),))
    await receive(engine, source[1], request(clock))

    assert await process_inbox(engine, {}, clock=clock) == 0
    assert (await deliveries(engine))[0]["attempts"] == 0


async def test_secrets_are_not_kept_with_a_webhook(engine: AsyncEngine, clock: MovableClock, source: Source):
    source[0].webhooks[b"{}"] = WebhookResult()
    sent = WebhookRequest(
        headers={"x-signature": SECRET, "authorization": "Basic abc", "x-event": "changed"},
        body=b"{}", received_at=clock.now(), query={"token": SECRET, "id": "7"},
    )  # fmt: skip

    await receive(engine, source[1], sent)

    (row,) = await deliveries(engine)
    assert row["headers"] == {"x-signature": "[redacted]", "x-event": "changed"}
    assert row["query"] == {"token": "[redacted]", "id": "7"}


async def test_a_record_that_waited_for_what_a_webhook_brings_is_applied(
    engine: AsyncEngine, clock: MovableClock, intake: Intake, source: Source
):
    adapter, connection = source
    await intake(asset("a1"))
    adapter.webhooks[b"{}"] = WebhookResult(records=(site(),))
    await receive(engine, connection, request(clock))

    await process_inbox(engine, {"cmdb": connection}, clock=clock)

    assert [row["name"] for row in await intake.rows("asset")] == ["sw-a1"]
    assert isinstance(adapter, Pulls)
    assert isinstance(Batch(records=()).records, tuple)


async def test_what_several_hint_at_is_asked_for_once(
    engine: AsyncEngine, clock: MovableClock, intake: Intake, source: Source
):
    adapter, connection = source
    one, two = ref("ticket", "1"), ref("ticket", "2")
    adapter.objects = {one: ticket("1"), two: ticket("2")}
    for number in range(5):
        adapter.webhooks[b"%d" % number] = WebhookResult(fetch=(one, two) if number % 2 else (one,))
        await receive(engine, connection, request(clock, b"%d" % number))

    assert await process_inbox(engine, {"cmdb": connection}, clock=clock) == 5
    assert sorted(each.external_id for each in adapter.fetched) == ["1", "2"]
    assert all(row["processed_at"] for row in await deliveries(engine))


async def test_one_that_cannot_be_asked_for_holds_up_only_those_that_hint_at_it(
    engine: AsyncEngine, clock: MovableClock, intake: Intake, source: Source
):
    adapter, connection = source
    adapter.webhooks = {
        b"hint": WebhookResult(fetch=(ref("ticket", "1"),)), b"told": WebhookResult(records=(ticket("2"),)),
        b"nonsense": KeyError("id"), b"told too": WebhookResult(records=(ticket("3"),)),
    }  # fmt: skip
    adapter.failing = Transient("no answer")
    for body in adapter.webhooks:
        await receive(engine, connection, request(clock, body))

    assert await process_inbox(engine, {"cmdb": connection}, clock=clock) == 2
    assert {row["body"] for row in await deliveries(engine) if row["processed_at"] is None} == {b"hint", b"nonsense"}
    assert len(await intake.rows("ticket")) == 2


async def test_the_same_bytes_that_come_while_they_are_dealt_with_are_dealt_with_again(
    engine: AsyncEngine, clock: MovableClock, intake: Intake, source: Source
):
    adapter, connection = source
    one = ref("ticket", "1")
    adapter.webhooks[b"x"] = WebhookResult(fetch=(one,))
    adapter.objects = {one: ticket("1", v=1, title="dead")}
    plain = adapter.fetch

    async def fetch(asked: SourceRef) -> Record:
        found = await plain(asked)
        if len(adapter.fetched) == 1:
            adapter.objects[one] = ticket("1", v=2, title="still dead")
            await receive(engine, connection, request(clock, b"x"))
        return found

    adapter.fetch = fetch  # type: ignore[method-assign]
    await receive(engine, connection, request(clock, b"x"))

    assert await process_inbox(engine, {"cmdb": connection}, clock=clock) == 1
    assert (await deliveries(engine))[0]["processed_at"] is None
    assert await process_inbox(engine, {"cmdb": connection}, clock=clock) == 1
    assert (await intake.row("ticket"))["title"] == "still dead"


async def test_a_source_that_does_not_answer_gives_back_what_it_was_not_asked_for(
    engine: AsyncEngine, clock: MovableClock, source: Source, monkeypatch: pytest.MonkeyPatch
):
    """It takes longer than webhooks can be kept from others; what is left is no attempt and is due at once."""
    adapter, connection = source
    monkeypatch.setattr("connector.ingest.inbox.FETCHING_S", 0.05)
    one, two = ref("ticket", "1"), ref("ticket", "2")
    adapter.objects = {one: ticket("1"), two: ticket("2")}
    plain = adapter.fetch

    async def fetch(asked: SourceRef) -> Record:
        found = await plain(asked)
        if asked == two and adapter.fetched.count(two) == 1:
            await asyncio.Event().wait()
        return found

    adapter.fetch = fetch  # type: ignore[method-assign]
    adapter.webhooks = {b"1": WebhookResult(fetch=(one,)), b"2": WebhookResult(fetch=(two,))}
    for body in adapter.webhooks:
        await receive(engine, connection, request(clock, body))

    first = await process_inbox(engine, {"cmdb": connection}, clock=clock)
    (left,) = [row for row in await deliveries(engine) if row["processed_at"] is None]
    second = await process_inbox(engine, {"cmdb": connection}, clock=clock)

    assert (first, second) == (1, 1)
    assert (left["attempts"], left["not_before"], left["holder"]) == (0, clock.now(), None)
    assert "the source is slow to answer" in left["error"]
