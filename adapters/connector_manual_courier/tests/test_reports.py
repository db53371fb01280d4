"""What people report by the page that the code on a label leads to."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from connector.sdk import AuthError, BuyLabel, Invalid, ShipmentStatus, VoidLabel, WebhookRequest
from connector.sdk.testing import Connected, MovableClock
from connector_manual_courier.reports import Link
from connector_manual_courier.sandbox import PARCEL, SECRET, ManualCourierSandbox

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.fixture
def van() -> Iterator[ManualCourierSandbox]:
    sandbox = ManualCourierSandbox(MovableClock(NOON))
    yield sandbox
    sandbox.close()


@pytest.fixture
def source(van: ManualCourierSandbox) -> Connected:
    return Connected.to("manual_courier", van, MovableClock(NOON))


@pytest.fixture
async def number(source: Connected) -> str:
    return str((await source.adapter.buy_label(BuyLabel("k", PARCEL, "INC-1"))).tracking_number)


def opened(number: str, at: datetime = NOON, link: Link | None = None) -> WebhookRequest:
    """A phone follows the code on a label."""
    return WebhookRequest({"accept": "text/html"}, b"", at, dict(parse_qsl((link or Link(number)).query(SECRET))))


def sent(page: str, at: datetime, **said: str) -> WebhookRequest:
    """The form of a page is sent."""
    found = re.search(r'action="\?([^"]*)"', page)
    assert found is not None
    body = "&".join(f"{name}={text}" for name, text in said.items()).encode()
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    return WebhookRequest(headers, body, at, dict(parse_qsl(html.unescape(found[1]))))


async def test_a_label_leads_to_a_page_and_the_page_to_an_event(source: Connected, number: str) -> None:
    page = await source.adapter.page(opened(number))
    report = sent(page, NOON + timedelta(minutes=59), status="picked_up", by="Kim", ago_minutes="30")

    source.adapter.verify(report)
    [record] = source.adapter.parse(report).records

    assert (record.ref.external_id, record.tracking_number, record.carrier) == (number, number, "Van Berlin")
    assert (record.status, record.updated_at) == (ShipmentStatus.PICKED_UP, NOON - timedelta(minutes=30))
    [event] = record.events
    assert (event.description, event.vendor_code, event.location) == ("Kim: Picked up", "picked_up", None)
    thanks = await source.adapter.page(report)
    assert "“Picked up” is recorded" in thanks
    assert "<form" not in thanks


async def test_the_page_names_the_parcel_the_time_there_and_all_that_can_be_said(
    source: Connected, number: str
) -> None:
    page = await source.adapter.page(opened(number))

    assert f"<h1>VAN {number[3:7]} {number[7:11]} {number[11:15]} {number[15:]}</h1>" in page
    assert "As of Wed 25 Nov, 13:00." in page
    assert re.findall(r'<button name="status" value="(\w+)"', page) == [
        "picked_up", "in_transit", "out_for_delivery", "ready_for_pickup", "delivered", "exception", "returned", "lost",
    ]  # fmt: skip
    assert "<script" not in page


@pytest.mark.parametrize("part", ["parcel", "at", "proof"])
async def test_a_link_of_which_anything_was_changed_is_refused(source: Connected, number: str, part: str) -> None:
    good = opened(number, link=Link(number, NOON))
    source.adapter.verify(good)
    other = {"parcel": "VAN00000000000000", "at": "2026-11-25T12:00:01+00:00", "proof": "0" * 32}[part]

    for query in ({**good.query, part: other}, {name: text for name, text in good.query.items() if name != part}):
        with pytest.raises(AuthError):
            source.adapter.verify(replace(good, query=query))


async def test_the_code_on_a_label_shows_and_reports_nothing(source: Connected, number: str) -> None:
    with pytest.raises(AuthError, match="shows a page, it reports nothing") as told:
        source.adapter.verify(opened(number))
    assert told.value.hint == "Open the page again by the code on the label."


async def test_an_old_page_reports_nothing(source: Connected, number: str) -> None:
    with pytest.raises(AuthError, match="more than 1:00:00 from now"):
        source.adapter.verify(opened(number, NOON + timedelta(minutes=61), Link(number, NOON)))


async def test_a_voided_label_says_so(source: Connected, number: str) -> None:
    receipt = await source.adapter.find_label("k")
    await source.adapter.void_label(VoidLabel("v", receipt.shipment))

    page = await source.adapter.page(opened(number))

    assert "do not carry the parcel" in page
    assert "<form" not in page


async def test_without_a_secret_nobody_reports(van: ManualCourierSandbox, number: str) -> None:
    async with Connected.to("manual_courier", van, MovableClock(NOON), report_secret=None) as source:
        assert "nobody can report by link" in (await source.adapter.check()).detail
        with pytest.raises(AuthError, match="has no webhook secret"):
            source.adapter.verify(opened(number))
        with pytest.raises(AuthError, match="has no webhook secret"):
            await source.adapter.page(opened(number))


@pytest.mark.parametrize(
    ("kind", "body", "problem"),
    [
        ("text/plain", b"by=Kim", "the report cannot be read at /status: Field required"),
        ("text/plain", b"status=teleported", "the report cannot be read at /status"),
        ("text/plain", b"status=cancelled", "cancelled is nothing that people report"),
        ("text/plain", b"status=delivered&ago_minutes=-5", "cannot be read at /ago_minutes"),
        ("text/plain", b"status=delivered&ago_minutes=99999999", "cannot be read at /ago_minutes"),
        ("text/plain", b"status=delivered&note=" + b"x" * 1001, "cannot be read at /note"),
        ("text/plain", b"\xff\xfe", "neither JSON nor what a form sends"),
        ("text/plain", b"&".join(b"a=1" for _ in range(51)), "neither JSON nor what a form sends"),
        ("application/json", b"status=delivered", "is not JSON"),
    ],
)
async def test_what_cannot_be_read_is_refused_and_said_on_the_page(
    source: Connected, number: str, kind: str, body: bytes, problem: str
) -> None:
    request = replace(opened(number, link=Link(number, NOON)), headers={"content-type": kind}, body=body)

    with pytest.raises(Invalid, match=re.escape(problem)):
        source.adapter.parse(request)
    assert problem.partition(" at ")[0] in await source.adapter.page(request)


async def test_what_people_write_is_text_on_the_page(source: Connected, number: str) -> None:
    said: dict[str, Any] = {"status": "<b>", "by": "<script>alert(1)</script>"}
    page = await source.adapter.page(sent(await source.adapter.page(opened(number)), NOON, **said))

    assert "<script>" not in page
    assert "<b>" not in page
