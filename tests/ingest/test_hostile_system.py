"""A system on a real socket that sends what it should not: good records arrive, bad ones are kept whole, nothing leaks.

The whole way is that of the product: the real client, the real adapter of NetBox, and a pull into the database.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import repeat
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.ingest.conftest import Intake
from tests.loopback import Loopback, Raw, answer, chunked, listening, self_signed

from connector.ingest.pull import pull_source
from connector.sdk import Connection, connect
from connector.storage.database.engine import reading
from connector.storage.tables import asset, source
from connector_netbox.sandbox import NetBoxSandbox

TOKEN = "nbt_4F9DAouzURLb.zjebxBPzICiPbWz0Wtx0fTL7bCKXKGTYhNzkgC2S"
DEVICES = "/api/dcim/devices/"
SECOND_PAGE = 3
"""The request that asks for it; the first one asks for the latest change."""
SERIALS = [f"SN-{number}" for number in range(1, 6)]
THREE_GB = repeat(b"x" * 2**16, 3 * 2**14)

Rows = list[dict[str, Any]]


class Hostile:
    """Five devices on pages of two; `respond` may put another answer in the place of any."""

    def __init__(self, clock: MovableClock) -> None:
        at = clock.now() - timedelta(days=30)
        self.netbox = add = NetBoxSandbox(clock, token=TOKEN)
        vienna = add.add_site("Vienna", at=at, latitude=48.2, longitude=16.37, time_zone="Europe/Vienna")
        model = add.add_device_type(add.add_manufacturer("Juniper", at=at), "MX204", at=at)
        for number, serial in enumerate(SERIALS):
            moment = at + timedelta(hours=number)
            add.add_device(f"d{number}", device_type=model, site=vienna, status="active", serial=serial, at=moment)
        self.clock = clock
        self.instead: Callable[[int], Raw | None] = lambda _: None
        self.rewrite: Callable[[Rows], Rows] | None = None
        self.pages: list[Raw] = []
        self.asked = 0

    async def respond(self, request: httpx.Request) -> Raw | None:
        if request.url.path != DEVICES:
            return None
        self.asked += 1
        if (raw := self.instead(self.asked)) is not None:
            return raw
        given = await httpx.ASGITransport(app=self.netbox.app).handle_async_request(request)
        page = json.loads(await given.aread())
        if self.rewrite is not None:
            page["results"] = self.rewrite(page["results"])
        self.pages.append(answer(given.status_code, json.dumps(page)))
        return self.pages[-1]

    @asynccontextmanager
    async def connected(self, **tls: Any) -> AsyncIterator[tuple[Connection, Loopback]]:
        async with listening(self.respond, app=self.netbox.app, **tls) as system:
            settings = {"base_url": system.url, "token": TOKEN, "page_size": 2, "timeout": "PT20S"}
            connection = connect("cmdb", "netbox", settings, clock=self.clock, attempts=1)
            try:
                yield connection, system
            finally:
                await connection.aclose()


@pytest.fixture
def hostile(clock: MovableClock) -> Hostile:
    return Hostile(clock)


async def serials(engine: AsyncEngine) -> list[str]:
    async with reading(engine) as tx:
        return sorted((await tx.execute(select(asset.c.serial))).scalars())


async def condition(engine: AsyncEngine) -> tuple[str, str]:
    async with reading(engine) as tx:
        row = (await tx.execute(select(source.c.state, source.c.last_error))).one()
    return row[0].value, row[1] or ""


FAULTS: dict[str, tuple[Callable[[], Raw], str, str]] = {
    "html with 200": (
        lambda: answer(200, f"<html>Sign in, {TOKEN}</html>", kind="text/html"), "backing_off", "is not JSON",
    ),
    "truncated": (lambda: answer(200, '{"count": 5, "results": [{"id"', length=9_000), "backing_off", "did not answer"),
    "broken json": (lambda: answer(200, '{"count": 5, "results": [{"id"'), "backing_off", "is not JSON"),
    "429 with a header": (lambda: answer(429, TOKEN, retry_after="120"), "backing_off", "answered 429"),
    "429 without": (lambda: answer(429), "backing_off", "answered 429"),
    "token expired": (lambda: answer(401, f'{{"detail": "{TOKEN} expired"}}'), "paused", "does not accept the token"),
    "redirect loop": (lambda: answer(302, location=DEVICES), "backing_off", "answered 302"),
    "3 GB": (lambda: chunked(THREE_GB), "backing_off", "is longer than"),
    "3 GB announced": (
        lambda: Raw(200, (("content-length", str(3 * 2**30)),), THREE_GB, is_cut=True), "backing_off", "at most",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
async def test_what_came_before_a_fault_stays_and_the_rest_comes_when_it_is_over(
    engine: AsyncEngine, clock: MovableClock, hostile: Hostile, name: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    fault, state, said = FAULTS[name]
    hostile.instead = lambda asked: fault() if asked >= SECOND_PAGE else None
    async with hostile.connected() as (connection, _):
        failed = await pull_source(engine, connection, clock=clock)
        first, told = await serials(engine), await condition(engine)
        hostile.instead = lambda _: None
        clock.advance(timedelta(hours=1))
        healed = await pull_source(engine, connection, clock=clock, resume=True)

    assert (failed.outcome, healed.outcome) == ("failed", "pulled")
    assert first == SERIALS[:2]
    assert told[0] == state
    assert said in told[1]
    assert await serials(engine) == SERIALS
    assert TOKEN not in f"{failed!r} {told} {caplog.text}"


async def test_a_system_whose_certificate_nobody_vouches_for_gets_no_token(
    engine: AsyncEngine, clock: MovableClock, hostile: Hostile, tmp_path: Path
):
    async with hostile.connected(tls=self_signed(tmp_path)) as (connection, system):
        failed = await pull_source(engine, connection, clock=clock)

    state, error = await condition(engine)
    assert (failed.outcome, state, system.requests) == ("failed", "backing_off", [])
    assert "certificate is not trusted" in error


def worsened(change: Callable[[dict[str, Any]], None]) -> Callable[[Rows], Rows]:
    """Change the third device wherever it is listed."""

    def rewrite(rows: Rows) -> Rows:
        for row in rows:
            if row.get("serial") == SERIALS[2]:
                change(row)
        return rows

    return rewrite


BAD_ROWS: dict[str, Callable[[dict[str, Any]], None]] = {
    "a null where there is always a value": lambda row: row.update(device_type=None),
    "an object where there is a text": lambda row: row.update(serial={"value": SERIALS[2]}),
    "a state that nobody knows": lambda row: row["status"].update(value="pondering"),
    "a time without zone": lambda row: row.update(last_updated=row["last_updated"].rstrip("Z").partition("+")[0]),
    "a time that is none": lambda row: row.update(last_updated="2026-13-45T99:99:99Z"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
async def test_a_row_that_cannot_be_read_is_kept_whole_and_the_others_arrive(
    engine: AsyncEngine, clock: MovableClock, hostile: Hostile, intake: Intake, name: str
):
    hostile.rewrite = worsened(BAD_ROWS[name])
    async with hostile.connected() as (connection, _):
        report = await pull_source(engine, connection, clock=clock)

    (entry,) = await intake.quarantine()
    raw = json.loads(bytes(entry["raw"]))
    assert report.outcome == "pulled"
    assert await serials(engine) == [serial for serial in SERIALS if serial != SERIALS[2]]
    assert (raw["name"], "last_updated" in raw) == ("d2", True), "the row is kept as it came"
    assert len(entry["reason"]) > 20


async def test_a_page_that_comes_twice_makes_nothing_twice(engine: AsyncEngine, clock: MovableClock, hostile: Hostile):
    hostile.instead = lambda asked: hostile.pages[1] if asked == SECOND_PAGE else None
    async with hostile.connected() as (connection, _):
        await pull_source(engine, connection, clock=clock)
        clock.advance(timedelta(hours=1))
        again = await pull_source(engine, connection, clock=clock, resume=True)

    assert again.outcome == "pulled"
    assert await serials(engine) == SERIALS


async def test_a_system_that_gives_one_page_for_ever_is_left_alone(
    engine: AsyncEngine, clock: MovableClock, hostile: Hostile
):
    hostile.instead = lambda asked: hostile.pages[1] if asked >= SECOND_PAGE else None
    async with hostile.connected() as (connection, _):
        report = await pull_source(engine, connection, clock=clock)

    assert hostile.asked < 50
    assert report.outcome == "failed"
    assert await serials(engine) == SERIALS[:2]
