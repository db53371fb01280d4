"""What EasyPost answered its own client's tests, read by this adapter; the recordings are not part of the product."""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from connector.sdk import (
    Address,
    BuyLabel,
    EntityKind,
    Invalid,
    LabelFormat,
    Parcel,
    Party,
    ShipmentRecord,
    ShipmentStatus,
    SourceClient,
    SourceRef,
    TrackShipment,
    VoidLabel,
    WebhookRequest,
)
from connector.sdk.answers import read_answer
from connector.sdk.testing import MovableClock
from connector_easypost import CancelPickup, EasyPost, EasyPostConfig, SchedulePickup
from connector_easypost.adapter import TRACKERS
from connector_easypost.pickups import cheapest
from connector_easypost.requests import shipment_request
from connector_easypost.sandbox import EasyPostSandbox
from connector_easypost.shapes import Pickup, Shipment

HOME = Path(os.environ.get("CONNECTOR_DESCRIPTIONS", Path(__file__).parents[4] / "shared" / "openapi"))
RECORDED = HOME / "easypost-cassettes"
UNREAD = {
    "test_batch_create": "labels are bought one at a time, each under its own key; no batch is ever made",
    "test_webhook_create": "people make the webhook at EasyPost, with its secret; the adapter makes and deletes none",
}
"""Recordings that no test reads, and why they do not concern the adapter."""
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
SENDER = Party(
    "Jack Sparrow", Address(line1="388 Townsend St", city="San Francisco", postal_code="94107", country="US")
)
RECIPIENT = Party("Elizabeth Swan", Address(line1="179 N Harbor Dr", city="Redondo Beach", country="US"))
PARCEL = Parcel(SENDER, RECIPIENT, weight_g=436, length_mm=254, width_mm=203, height_mm=101)
PNG, PDF = ".png", ".pdf"

pytestmark = pytest.mark.skipif(
    not RECORDED.is_dir(),
    reason="EasyPost's recorded answers are neither in ../shared/openapi nor where CONNECTOR_DESCRIPTIONS says",
)


class Replay(httpx.AsyncBaseTransport):
    """Answers by method and path as EasyPost did; what was not recorded is not there. changes: made to each body."""

    def __init__(self, *names: str, **changes: str) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self._changes = changes
        self.exchanges: dict[tuple[str, str], tuple[int, str]] = {}
        for name in names:
            for each in yaml.safe_load((RECORDED / f"{name}.yaml").read_text())["interactions"]:
                path = httpx.URL(each["request"]["uri"]).path
                answer = each["response"]
                self.exchanges[each["request"]["method"], path] = answer["status"]["code"], answer["body"]["string"]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        self.asked.append((request.method, request.url.path, body))
        if request.url.host != "api.easypost.com":
            return httpx.Response(200, content=b"%PDF-1.4 label")
        status, text = self.exchanges.get((request.method, request.url.path), (404, '{"error": {"code": "NOT_FOUND"}}'))
        for old, new in self._changes.items():
            text = text.replace(old, new)
        return httpx.Response(status, text=text, headers={"content-type": "application/json"})


@asynccontextmanager
async def easypost(replay: Replay) -> AsyncIterator[EasyPost]:
    config = EasyPostConfig.model_validate({"api_key": "EZTKnobody"})
    async with SourceClient(str(config.base_url), headers=config.headers(), attempts=1, transport=replay) as http:
        yield EasyPost(config, http, MovableClock(NOON))


def recorded(name: str, number: int = -1) -> Any:
    exchange = yaml.safe_load((RECORDED / f"{name}.yaml").read_text())["interactions"][number]
    return json.loads(exchange["response"]["body"]["string"])


def ref(external_id: str) -> SourceRef:
    return SourceRef(kind=EntityKind.SHIPMENT, external_id=external_id)


def test_every_recording_is_read_or_it_is_said_why_not() -> None:
    named = set(re.findall(r'"(test_\w+)"', Path(__file__).read_text(encoding="utf-8")))

    assert {each.stem for each in RECORDED.glob("*.yaml")} == named


async def test_offers_of_uspss_test_mode() -> None:
    async with easypost(Replay("test_shipment_create")) as adapter:
        quotes = await adapter.quote(PARCEL)

    assert [(q.carrier, q.service, q.amount_cents, q.currency, q.transit_days) for q in quotes] == [
        ("USPS", "GroundAdvantage", 607, "USD", 3), ("USPS", "Priority", 742, "USD", 2),
        ("USPS", "Express", 3415, "USD", 1),
    ]  # fmt: skip


async def test_a_label_is_bought_and_its_file_read_where_it_lies() -> None:
    replay = Replay("test_shipment_buy", **{"image/png": "application/pdf", PNG: PDF})
    async with easypost(replay) as adapter:
        receipt = await adapter.buy_label(BuyLabel("wf-1:label", PARCEL, "INC-1", service="GroundAdvantage"))

    assert (receipt.shipment.external_id, receipt.tracking_number) == (
        "shp_16578f588f9546ec914afd2474e24ff5", "9400100208303109505657",
    )  # fmt: skip
    assert (receipt.carrier, receipt.service, receipt.amount_cents, receipt.currency) == (
        "USPS", "GroundAdvantage", 607, "USD",
    )  # fmt: skip
    assert (receipt.label_format, receipt.document) == (LabelFormat.PDF, b"%PDF-1.4 label")
    assert (receipt.tracking_url or "").startswith("https://track.easypost.com/")
    assert [each[:2] for each in replay.asked[1:]] == [
        ("POST", "/v2/shipments"), ("POST", "/v2/shipments/shp_16578f588f9546ec914afd2474e24ff5/buy"),
        ("GET", httpx.URL(read_answer(Shipment, recorded("test_shipment_buy"), "x").postage_label.label_url).path  # type: ignore[union-attr]
         .replace(PNG, PDF)),
    ]  # fmt: skip
    assert replay.asked[2][2] == {"rate": {"id": "rate_4d1f36fa716c4b1292cacbdf19227c2d"}}


async def test_a_shipment_without_customs_or_options_is_read_like_any_other() -> None:
    shipment = read_answer(Shipment, recorded("test_shipment_create_empty_objects"), "quote")

    assert not shipment.is_bought
    assert len(shipment.rates) == 3


async def test_a_label_is_handed_back_and_the_refund_is_on_its_way() -> None:
    number = "shp_700d2963c43b4847883c955eeb846b13"
    replay = Replay("test_shipment_refund", "test_tracker_all")
    replay.exchanges["GET", f"/v2/shipments/{number}"] = replay.exchanges["POST", "/v2/shipments"]
    async with easypost(replay) as adapter:
        receipt = await adapter.void_label(VoidLabel("wf-1:void", ref(number)))

    assert receipt.external_id == number
    assert replay.asked[-1] == ("POST", f"/v2/shipments/{number}/refund", {})


async def test_a_refusal_names_easyposts_field() -> None:
    async with easypost(Replay("test_error")) as adapter:
        with pytest.raises(Invalid, match="EasyPost refuses to quote: shipment: cannot be blank") as refused:
            await adapter.quote(PARCEL)

    assert refused.value.fields == {"shipment": "cannot be blank"}


async def test_trackers_of_a_page_become_records() -> None:
    async with easypost(Replay("test_tracker_all")) as adapter:
        batch = await anext(aiter(adapter.pull(TRACKERS, None)))

    assert len(batch.records) == 5
    assert batch.rejected == ()
    first = batch.records[0]
    assert isinstance(first, ShipmentRecord)
    assert (str(first.ref), first.tracking_number, first.carrier, first.status) == (
        "shipment:trk_977a3085fc654ae3955af46ac298e43c", "9400100208303109500782", "USPS", ShipmentStatus.LABEL_CREATED,
    )  # fmt: skip
    assert first.updated_at == datetime(2025, 3, 6, 19, 48, 46, tzinfo=UTC)
    assert [(each.vendor_code, each.location) for each in first.events] == [
        ("pre_transit/status_update", None), ("pre_transit/status_update", "HOUSTON, TX"),
    ]  # fmt: skip


async def test_a_tracker_is_made() -> None:
    async with easypost(Replay("test_tracker_create")) as adapter:
        receipt = await adapter.track(TrackShipment("wf-1:track", "EZ1000000001", "USPS"))

    assert receipt.external_id == "trk_e7e8f143f3eb40d38be9562e3767c36a"


async def test_events_of_trackers_become_records_and_events_of_batches_do_not() -> None:
    """The list of events leaves out what each is about, which a webhook has as `result`: a recorded tracker here."""
    tracker = recorded("test_tracker_create")
    read = []
    async with easypost(Replay()) as adapter:
        for event in recorded("test_event_all")["events"]:
            body = json.dumps({**event, "result": tracker}).encode()
            result = adapter.parse(WebhookRequest(headers={}, body=body, received_at=NOON))
            read.append((event["description"], [str(each.ref) for each in result.records]))

    about = ["shipment:trk_e7e8f143f3eb40d38be9562e3767c36a"]
    assert read == [("tracker.created", about)] * 2 + [("batch.updated", [])] * 3


async def test_an_event_of_a_tracker_without_the_tracker_is_refused() -> None:
    event = recorded("test_event_all")["events"][0]
    async with easypost(Replay()) as adapter:
        with pytest.raises(Invalid, match="tracker"):
            adapter.parse(WebhookRequest(headers={}, body=json.dumps(event).encode(), received_at=NOON))


async def test_a_pickup_is_made_and_ordered() -> None:
    replay = Replay("test_pickup_buy")
    op = SchedulePickup("wf-1:pickup", ref("shp_2d1487afd0f541a4bcf9fecc1b02b28d"), SENDER, NOON, NOON)
    async with easypost(replay) as adapter:
        receipt = await adapter.schedule_pickup(op)

    assert (receipt.external_id, receipt.confirmation, receipt.amount_cents) == (
        "pickup_97eb98f4c2004ede9f30e26ec4f63233", "WTC65024896", 0,
    )  # fmt: skip
    assert replay.asked[-1][2] == {"carrier": "USPS", "service": "NextDay"}
    assert cheapest(read_answer(Pickup, recorded("test_pickup_create"), "x")).service == "NextDay"


async def test_a_pickup_that_was_never_ordered_needs_no_calling_off() -> None:
    replay = Replay("test_pickup_create")
    number = "pickup_3cafbbc9dae14281a0c76848a9419cb1"
    replay.exchanges["GET", f"/v2/pickups/{number}"] = replay.exchanges["POST", "/v2/pickups"]
    async with easypost(replay) as adapter:
        receipt = await adapter.cancel_pickup(CancelPickup("wf-1:cancel", number))

    assert (receipt.external_id, len(replay.asked)) == (number, 1)


def test_the_request_has_the_recorded_requests_form() -> None:
    config = EasyPostConfig.model_validate({"api_key": "EZTKnobody", "carrier_accounts": ["ca_1"]})
    ours = shipment_request(BuyLabel("wf-1:label", PARCEL, "INC-1"), 1, config)
    exchange = yaml.safe_load((RECORDED / "test_shipment_create.yaml").read_text())["interactions"][0]
    theirs = json.loads(exchange["request"]["body"])

    assert ours.keys() == theirs.keys()
    assert ours["shipment"].keys() - theirs["shipment"].keys() == {"carrier_accounts"}
    assert ours["shipment"]["parcel"] == theirs["shipment"]["parcel"]
    assert ours["shipment"]["from_address"].keys() <= theirs["shipment"]["from_address"].keys()


async def test_the_sandboxs_bodies_have_the_keys_of_the_real_ones() -> None:
    sandbox = EasyPostSandbox(MovableClock(NOON))
    bought = sandbox.bought("wf-1:label")
    real = recorded("test_shipment_buy")
    transport = httpx.ASGITransport(app=sandbox.app())
    config = EasyPostConfig.model_validate(sandbox.settings())
    op = SchedulePickup("wf-1:pickup", ref(bought["id"]), SENDER, NOON, NOON)
    async with SourceClient(str(config.base_url), headers=config.headers(), transport=transport) as http:
        await EasyPost(config, http, MovableClock(NOON)).schedule_pickup(op)
    pickup, real_pickup = next(iter(sandbox.office.pickups.values())), recorded("test_pickup_buy")

    assert bought.keys() == real.keys()
    for name in ("parcel", "from_address", "postage_label"):
        assert bought[name].keys() == real[name].keys(), name
    assert bought["rates"][0].keys() == real["rates"][0].keys()
    assert bought["tracker"].keys() == real["tracker"].keys()
    assert (bought["tracker"]["status"], bought["tracker"]["tracking_details"]) == (
        real["tracker"]["status"], real["tracker"]["tracking_details"],
    )  # fmt: skip
    assert pickup.keys() == real_pickup.keys()
    assert pickup["pickup_rates"][0].keys() == real_pickup["pickup_rates"][0].keys()
    ours, theirs = sandbox.tracker(NOON), recorded("test_tracker_all")["trackers"][0]
    assert ours.keys() == theirs.keys()
    assert ours["tracking_details"][0].keys() == theirs["tracking_details"][0].keys()
