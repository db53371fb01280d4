"""A system that posts events, and the hub: order is told by events, and a post may be good in part."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import yaml
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.ingest.arriving import receive
from tests.ingest.conftest import Intake

from connector.ingest.inbox import process_inbox
from connector.ingest.replay import Replayed, replay_source
from connector.sdk import WebhookRequest
from connector.sdk.testing import Connected
from connector_webhook.sandbox import AcmeDeskSandbox
from connector_webhook.sandbox.system import DOCUMENT

HOUR = timedelta(hours=1)
TICKET: dict[str, Any] = {"id": "T-1", "number": "T-1", "subject": "Switch down", "status": "Open"}


class Desk:
    """Acme Desk with a hub that it posts to. facts: its document."""

    def __init__(self, engine: AsyncEngine, clock: MovableClock, intake: Intake) -> None:
        self.clock, self.engine, self._intake = clock, engine, intake
        self.sandbox = AcmeDeskSandbox(clock)
        self.facts: dict[str, Any] = yaml.safe_load(DOCUMENT.read_text())

    def connected(self) -> Connected:
        settings = {**self.sandbox.settings(), "definition": self.facts}
        return Connected("webhook", self.sandbox.app(), settings, self.clock, name="cmdb")

    async def posts(self, *requests: WebhookRequest) -> list[bool]:
        """Posts come and are dealt with; which of them were new."""
        async with self.connected() as connected:
            taken = [await receive(self.engine, connected.connection, request) for request in requests]
            await self.process(connected)
        return [each.is_new for each in taken]

    async def process(self, connected: Connected) -> int:
        return await process_inbox(self.engine, {"cmdb": connected.connection}, clock=self.clock)

    def changed(self, age: timedelta, **data: Any) -> WebhookRequest:
        """A post that arrives now, of what happened some time ago."""
        event = self.sandbox.event("ticket.changed", TICKET | data, self.clock.now() - age)
        return self.sandbox.post(event, self.clock.now())

    async def states(self) -> dict[str, str]:
        """Of tickets that are not gone, by number."""
        rows = await self._intake.rows("ticket")
        return {row["number"]: str(row["state"]) for row in rows if row["retired_at"] is None}


@pytest.fixture
async def desk(engine: AsyncEngine, clock: MovableClock, intake: Intake) -> AsyncIterator[Desk]:
    return Desk(engine, clock, intake)


async def test_events_that_are_late_or_come_again_undo_nothing(desk: Desk, clock: MovableClock):
    first, second = desk.changed(2 * HOUR), desk.changed(HOUR, status="Done")

    new = await desk.posts(second, first)
    assert await desk.states() == {"T-1": "resolved"}

    clock.advance(timedelta(minutes=1))
    again = await desk.posts(first, second, first)

    assert (new, again, await desk.states()) == ([True, True], [True, True, False], {"T-1": "resolved"})


async def test_a_deletion_that_comes_before_what_it_followed_stands(desk: Desk, clock: MovableClock):
    gone = desk.sandbox.event("ticket.deleted", {"id": "T-1"}, clock.now())

    await desk.posts(desk.changed(3 * HOUR))
    await desk.posts(desk.sandbox.post(gone, clock.now()))
    await desk.posts(desk.changed(2 * HOUR, status="Working"))

    assert await desk.states() == {}


async def test_a_post_that_is_good_in_part_is_applied_in_part_and_tried_again_as_a_whole(desk: Desk, intake: Intake):
    events = [
        desk.sandbox.event(
            "ticket.changed", TICKET | {"id": number, "number": number, "status": status}, desk.clock.now()
        )
        for number, status in (("T-1", "Open"), ("T-2", "Parked"))
    ]
    await desk.posts(desk.sandbox.post(events, desk.clock.now(), content_type="application/cloudevents-batch+json"))
    (entry,) = await intake.quarantine()
    before = await desk.states()

    desk.facts["events"]["tickets"]["fields"]["state"]["values"]["Parked"] = "on_hold"
    async with desk.connected() as connected:
        replayed = await replay_source(desk.engine, {"cmdb": connected.connection}, "cmdb", clock=desk.clock)
        applied = await desk.process(connected)

    assert before == {"T-1": "new"}
    assert entry["reason"].startswith("webhook: event 2 of 2: ticket:T-2: state at 'data.status': 'Parked' is none of")
    assert (replayed, applied, await intake.quarantine()) == (Replayed(applied=1), 1, [])
    assert await desk.states() == {"T-1": "new", "T-2": "on_hold"}


async def test_posts_whose_headers_say_different_things_are_two_though_their_bodies_are_the_same(desk: Desk):
    desk.facts["unsigned_headers"] = True
    now, body = desk.clock.now(), json.dumps(TICKET).encode()

    def binary(kind: str, age: timedelta) -> WebhookRequest:
        return desk.sandbox.post(
            body, now, content_type="application/json", ce_specversion="1.0", ce_id="E-1", ce_source="/acme",
            ce_type=f"com.acme.ticket.{kind}", ce_time=(now - age).isoformat(),
        )  # fmt: skip

    changed, deleted = binary("changed", 2 * HOUR), binary("deleted", HOUR)

    assert await desk.posts(changed, changed, deleted) == [True, False, True]
    assert await desk.states() == {}
