"""Each trap of Karrio that lost or doubled something for somebody, one test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from connector.sdk import (
    Address,
    AuthError,
    BuyLabel,
    ConfigError,
    Conflict,
    Invalid,
    LabelFormat,
    Party,
    ShipmentRecord,
    SourceClient,
    TrackShipment,
    UnexpectedResponse,
    VoidLabel,
    WebhookRequest,
)
from connector.sdk.testing import MovableClock
from connector_karrio import Karrio, KarrioConfig
from connector_karrio.adapter import TRACKERS, WINDOW
from connector_karrio.sandbox import KarrioSandbox
from connector_karrio.sandbox.system import PARCEL

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOON)


@pytest.fixture
def sandbox(clock: MovableClock) -> KarrioSandbox:
    return KarrioSandbox(clock)


@pytest.fixture
async def karrio(sandbox: KarrioSandbox, clock: MovableClock) -> AsyncIterator[Karrio]:
    async with connected(sandbox) as http:
        yield Karrio(config_of(sandbox), http, clock)


def config_of(sandbox: KarrioSandbox, **changes: object) -> KarrioConfig:
    return KarrioConfig.model_validate({**sandbox.settings(), **changes})


def connected(sandbox: KarrioSandbox, transport: httpx.AsyncBaseTransport | None = None) -> SourceClient:
    return SourceClient(
        "http://karrio.test",
        headers=config_of(sandbox).headers(),
        attempts=1,
        transport=transport or httpx.ASGITransport(app=sandbox.app()),
    )


async def pulled(karrio: Karrio, since: str | None = None) -> tuple[list[str], str | None]:
    ids: list[str] = []
    resume = None
    async for batch in karrio.pull(TRACKERS, since):
        ids += [record.ref.external_id for record in batch.records]
        resume = batch.resume
    return ids, resume


async def test_offers_come_cheapest_first_with_exact_cents_and_days_by_distance(karrio: Karrio) -> None:
    quotes = await karrio.quote(PARCEL)

    # 4.5 kg Berlin to Hamburg is zone 3, factor 1.35: (4.90 + 4.5 x 0.55) x 1.35 = 9.95625, and so on.
    assert [(q.carrier, q.service, q.amount_cents, q.currency, q.transit_days) for q in quotes] == [
        ("sandpost", "sandpost_parcel", 996, "EUR", 3),
        ("sandpost", "sandpost_priority", 1769, "EUR", 2),
        ("sandexpress", "sandexpress_overnight", 3446, "EUR", 1),
    ]


async def test_within_one_town_there_is_a_courier_of_the_same_day(karrio: Karrio) -> None:
    across_town = replace(PARCEL, recipient=replace(PARCEL.recipient, address=PARCEL.sender.address))

    quotes = await karrio.quote(across_town)

    assert (quotes[-1].service, quotes[-1].transit_days, quotes[-1].amount_cents) == ("sandexpress_same_day", 0, 4800)


async def test_only_allowed_services_are_offered_since_karrio_ignores_unknown_ones(
    sandbox: KarrioSandbox, clock: MovableClock
) -> None:
    async with connected(sandbox) as http:
        picky = Karrio(config_of(sandbox, services=["sandexpress_overnight", "no_such"]), http, clock)
        nobody = Karrio(config_of(sandbox, carrier_ids=["pigeon"]), http, clock)

        assert [quote.service for quote in await picky.quote(PARCEL)] == ["sandexpress_overnight"]
        assert (await picky.buy_label(BuyLabel("wf-1:label", PARCEL, "INC-1"))).service == "sandexpress_overnight"
        with pytest.raises(ConfigError, match="Karrio has no active carrier connection"):
            await nobody.quote(PARCEL)
        with pytest.raises(
            ConfigError, match="no active carrier connection 'pigeon'; active are sandexpress, sandpost"
        ):
            await nobody.check()


async def test_the_wanted_offer_is_bought_and_the_receipt_says_what_it_cost(
    sandbox: KarrioSandbox, karrio: Karrio
) -> None:
    op = BuyLabel("wf-1:label", PARCEL, "INC-1001", carrier="sandpost", service="sandpost_priority")

    receipt = await karrio.buy_label(op)

    assert (receipt.carrier, receipt.service, receipt.amount_cents, receipt.currency) == (
        "sandpost", "sandpost_priority", 1769, "EUR",
    )  # fmt: skip
    assert receipt.tracking_url == f"http://karrio.test/v1/trackers/sandpost/{receipt.tracking_number}"
    shipment = sandbox.office.shipments[receipt.shipment.external_id]
    assert (shipment["reference"], shipment["metadata"]) == ("INC-1001", {"connector_key": "wf-1:label"})
    assert await karrio.find_label("wf-1:label") == receipt


async def test_an_offer_that_is_gone_is_refused_with_what_there_is(karrio: Karrio) -> None:
    with pytest.raises(Invalid) as refused:
        await karrio.buy_label(BuyLabel("wf-1:label", PARCEL, "INC-1", carrier="sandpost", service="drone"))

    assert refused.value.fields == {"service": "sandpost/drone is not offered"}
    assert "offered is sandpost/sandpost_parcel, sandpost/sandpost_priority, sandexpress/sandexpress_overnight" in str(
        refused.value
    )


async def test_a_draft_left_by_a_dead_process_is_bought_not_made_again(
    sandbox: KarrioSandbox, clock: MovableClock
) -> None:
    class Dying(httpx.ASGITransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/purchase"):
                raise httpx.ConnectError("the process died")
            return await super().handle_async_request(request)

    op = BuyLabel("wf-1:label", PARCEL, "INC-1")
    async with connected(sandbox, Dying(app=sandbox.app())) as http:
        with pytest.raises(Exception, match="ConnectError"):
            await Karrio(config_of(sandbox), http, clock).buy_label(op)
    async with connected(sandbox) as http:
        karrio = Karrio(config_of(sandbox), http, clock)
        assert await karrio.find_label("wf-1:label") is None
        receipt = await karrio.buy_label(op)

    assert list(sandbox.office.shipments) == [receipt.shipment.external_id]


async def test_a_key_is_compared_as_a_whole(karrio: Karrio) -> None:
    await karrio.buy_label(BuyLabel("wf-1:label.10", PARCEL, "INC-1"))

    assert await karrio.find_label("wf-1:label.1") is None


async def test_labels_come_in_the_format_that_was_asked_for(karrio: Karrio) -> None:
    pdf = await karrio.buy_label(BuyLabel("wf-1:a", PARCEL, "INC-1"))
    zpl = await karrio.buy_label(BuyLabel("wf-1:b", PARCEL, "INC-1", label_format=LabelFormat.ZPL))

    assert (pdf.label_format, pdf.document[:8]) == (LabelFormat.PDF, b"%PDF-1.4")
    assert (zpl.label_format, zpl.document[:3], zpl.document.rstrip()[-3:]) == (LabelFormat.ZPL, b"^XA", b"^XZ")
    assert zpl.tracking_number.encode() in zpl.document


async def test_the_label_url_is_closed_to_those_without_the_key(sandbox: KarrioSandbox, karrio: Karrio) -> None:
    receipt = await karrio.buy_label(BuyLabel("wf-1:label", PARCEL, "INC-1"))
    url = sandbox.office.shipments[receipt.shipment.external_id]["label_url"]
    transport = httpx.ASGITransport(app=sandbox.app())

    async with httpx.AsyncClient(transport=transport, base_url="http://karrio.test") as anyone:
        closed = await anyone.get(url)
        opened = await anyone.get(url, headers=config_of(sandbox).headers())

    assert (url[:14], closed.status_code) == ("/v1/shipments/", 403)
    assert (opened.headers["content-type"], opened.content) == ("application/pdf", receipt.document)


async def test_voiding_twice_is_voiding_once(sandbox: KarrioSandbox, karrio: Karrio) -> None:
    bought = await karrio.buy_label(BuyLabel("wf-1:label", PARCEL, "INC-1"))

    first = await karrio.void_label(VoidLabel("wf-1:void", bought.shipment))
    second = await karrio.void_label(VoidLabel("wf-1:void", bought.shipment))

    assert first == second
    assert sandbox.office.shipments[bought.shipment.external_id]["status"] == "cancelled"
    assert (await karrio.find_label("wf-1:label")) == bought


async def test_a_label_is_not_voided_when_a_tracker_that_karrio_did_not_join_to_it_is_under_way(
    sandbox: KarrioSandbox, karrio: Karrio
) -> None:
    bought = await karrio.buy_label(BuyLabel("wf-1:label", PARCEL, "INC-1"))
    shipment = sandbox.office.shipments[bought.shipment.external_id]
    shipment["tracker_id"] = None
    tracker = sandbox.office.add_tracker(bought.tracking_number, "dhl_universal")
    sandbox.office.scan(tracker, "in_transit", "Departed", "Leipzig")

    with pytest.raises(Conflict, match=f"parcel {bought.tracking_number} is in transit") as refused:
        await karrio.void_label(VoidLabel("wf-1:void", bought.shipment))

    assert isinstance(refused.value.current, ShipmentRecord)
    assert shipment["status"] == "created"


async def test_a_refusal_names_karrios_field(karrio: Karrio) -> None:
    stranger = replace(PARCEL, recipient=Party("x" * 101, Address(city="Hamburg", country="DE")))

    with pytest.raises(Invalid) as refused:
        await karrio.quote(stranger)

    assert refused.value.fields == {"recipient.person_name": "Ensure this field has no more than 100 characters."}


async def test_a_refusal_of_the_carrier_names_the_carrier(sandbox: KarrioSandbox, clock: MovableClock) -> None:
    said = {"messages": [{"carrier_id": "ups-eu", "code": "120100", "message": "Missing shipper number"}]}
    transport = httpx.MockTransport(lambda _: httpx.Response(424, json=said))

    async with connected(sandbox, transport) as http:
        with pytest.raises(Invalid, match="Karrio refuses to quote: ups-eu: Missing shipper number") as refused:
            await Karrio(config_of(sandbox), http, clock).quote(PARCEL)

    assert refused.value.fields == {"ups-eu": "Missing shipper number"}


async def test_a_carrier_that_cannot_be_tracked_is_reported_on_by_another(
    sandbox: KarrioSandbox, clock: MovableClock
) -> None:
    op = TrackShipment("wf-1:track", "6422e4f333b6", "generic")
    async with connected(sandbox) as http:
        with pytest.raises(ConfigError, match="no active carrier connection that tracks 'generic'"):
            await Karrio(config_of(sandbox), http, clock).track(op)
        karrio = Karrio(config_of(sandbox, tracking_carriers={"generic": "dhl_universal"}), http, clock)
        once, twice = await karrio.track(op), await karrio.track(op)

    assert once == twice
    assert [each["carrier_name"] for each in sandbox.office.trackers.values()] == ["dhl_universal"]


async def test_trackers_that_are_discarded_during_a_pull_push_no_other_off_the_list(
    sandbox: KarrioSandbox, karrio: Karrio
) -> None:
    newest_first = [each.external_id for each in sandbox.seed("trackers", 14, at=NOON, step=timedelta(seconds=1))][::-1]
    seen: list[str] = []

    async for batch in karrio.pull(TRACKERS, None):
        seen += [record.ref.external_id for record in batch.records]
        if len(seen) == 5:
            for gone in newest_first[2:5]:
                del sandbox.office.trackers[gone]

    assert sorted(set(newest_first) - set(seen)) == []


async def test_trackers_that_are_added_during_a_pull_push_no_other_off_the_list(
    sandbox: KarrioSandbox, karrio: Karrio
) -> None:
    newest_first = [each.external_id for each in sandbox.seed("trackers", 14, at=NOON, step=timedelta(seconds=1))][::-1]
    seen: list[str] = []

    async for batch in karrio.pull(TRACKERS, None):
        seen += [record.ref.external_id for record in batch.records]
        if len(seen) in (5, 10):
            sandbox.seed("trackers", 3, at=NOON + timedelta(minutes=len(seen)), step=timedelta(seconds=1))

    assert seen == newest_first


async def test_a_later_pull_reads_the_last_thirty_days_again(
    sandbox: KarrioSandbox, karrio: Karrio, clock: MovableClock
) -> None:
    (old,) = sandbox.seed("trackers", 1, at=NOON - WINDOW - timedelta(seconds=1), step=timedelta(0))
    (young,) = sandbox.seed("trackers", 1, at=NOON - WINDOW, step=timedelta(0))

    everything, resume = await pulled(karrio)
    again, resume = await pulled(karrio, resume)
    clock.at += timedelta(seconds=1)
    later, _ = await pulled(karrio, resume)

    assert (everything, again, later) == ([young.external_id, old.external_id], [young.external_id], [])


async def test_webhooks_need_the_secret_that_karrio_sends_along(
    sandbox: KarrioSandbox, karrio: Karrio, clock: MovableClock
) -> None:
    body = b'{"event": "tracker_updated", "data": {}}'
    wrong = WebhookRequest(headers={"x-event-id": "whsec_guess"}, body=body, received_at=NOON)
    async with connected(sandbox) as http:
        open_door = Karrio(config_of(sandbox, webhook_secret=None), http, clock)

        with pytest.raises(AuthError, match="secret in header 'X-Event-Id' is not the configured one"):
            karrio.verify(wrong)
        with pytest.raises(AuthError, match="the source has no webhook secret"):
            open_door.verify(wrong)


async def test_a_webhook_about_a_tracker_without_number_is_invalid(karrio: Karrio) -> None:
    body = b'{"event": "tracker_updated", "data": {"id": "trk_1", "tracking_number": "", "status": "pending"}}'

    with pytest.raises(Invalid, match="the tracker cannot be read at /tracking_number"):
        karrio.parse(WebhookRequest(headers={}, body=body, received_at=NOON))


async def test_a_draft_that_is_cancelled_was_never_a_parcel(karrio: Karrio) -> None:
    body = b'{"event": "shipment_cancelled", "data": {"id": "shp_1", "status": "cancelled", "tracking_number": null}}'

    assert karrio.parse(WebhookRequest(headers={}, body=body, received_at=NOON)).records == ()


async def test_a_label_that_is_no_base64_is_not_handed_on(sandbox: KarrioSandbox, clock: MovableClock) -> None:
    class Garbling(httpx.ASGITransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/documents/label"):
                return httpx.Response(200, json={"category": "label", "format": "PDF", "base64": "not base64!"})
            return await super().handle_async_request(request)

    sandbox.bought("wf-1:label")

    async with connected(sandbox, Garbling(app=sandbox.app())) as http:
        with pytest.raises(UnexpectedResponse, match=r"the label of shp_0+1 cannot be read"):
            await Karrio(config_of(sandbox), http, clock).find_label("wf-1:label")


async def test_a_tracker_without_an_id_hides_no_other(sandbox: KarrioSandbox, karrio: Karrio) -> None:
    refs = sandbox.seed("trackers", 8, at=NOON, step=timedelta(seconds=1))
    nameless = [sandbox.office.trackers[each.external_id] for each in (refs[3], refs[2])]
    for body in nameless:
        sandbox.office.made_at[""] = sandbox.office.made_at[body["id"]]
        body["id"] = ""
    records: list[str] = []
    reasons: list[str] = []

    async for batch in karrio.pull(TRACKERS, None):
        records += [record.ref.external_id for record in batch.records]
        reasons += [item.reason for item in batch.rejected]

    assert sorted(records) == sorted(each.external_id for each in refs if each not in (refs[3], refs[2]))
    assert len(reasons) == 2
    assert "the tracker cannot be read at /external_id" in reasons[0]
