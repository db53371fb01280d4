"""Each trap of EasyPost that lost or doubled something for somebody, one test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from connector.sdk import (
    Address,
    AuthError,
    BuyLabel,
    ConfigError,
    Conflict,
    EntityKind,
    Invalid,
    LabelFormat,
    NotFound,
    OutcomeUnknown,
    Parcel,
    Party,
    ShipmentRecord,
    SourceRef,
    TrackShipment,
    Transient,
    UnexpectedResponse,
    VoidLabel,
)
from connector.sdk.testing import Between, MovableClock
from connector_easypost import EasyPost
from connector_easypost.adapter import TRACKERS, WINDOW
from connector_easypost.requests import reference_of
from connector_easypost.sandbox import EasyPostSandbox
from connector_easypost.sandbox.system import AUSTIN, BOSTON, PARCEL

OP = BuyLabel("wf-1:label.2", PARCEL, "INC-1001")


def once(path_end: str, answer: httpx.Response | Exception) -> Callable[[httpx.Request], httpx.Response | None]:
    """The first request to such a path is answered so, or fails so."""
    left = [answer]

    def change(request: httpx.Request) -> httpx.Response | None:
        if not left or not request.url.path.endswith(path_end):
            return None
        given = left.pop()
        if isinstance(given, Exception):
            raise given
        return given

    return change


def refusing(code: str, status: int = 422) -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": code, "message": "No.", "errors": []}})


def ref(external_id: str) -> SourceRef:
    return SourceRef(kind=EntityKind.SHIPMENT, external_id=external_id)


async def pulled(adapter: EasyPost, since: str | None = None) -> tuple[list[str], str | None]:
    ids: list[str] = []
    resume = None
    async for batch in adapter.pull(TRACKERS, since):
        ids += [record.ref.external_id for record in batch.records]
        resume = batch.resume
    return ids, resume


# offers and labels


async def test_offers_come_cheapest_first_with_exact_cents_and_days(easypost: EasyPost) -> None:
    quotes = await easypost.quote(PARCEL)

    # 4.5 kg are 158.8 oz: 4.10 + 0.021 x 158.8 = 7.4348, and so on.
    assert [(q.carrier, q.service, q.amount_cents, q.currency, q.transit_days) for q in quotes] == [
        ("SandPost", "Ground", 743, "USD", 3),
        ("SandPost", "Priority", 1282, "USD", 2),
        ("SandExpress", "Overnight", 3260, "USD", 1),
    ]


async def test_an_offer_asked_for_leaves_nothing_that_a_purchase_could_take(
    sandbox: EasyPostSandbox, easypost: EasyPost
) -> None:
    await easypost.quote(PARCEL)

    assert [each["reference"] for each in sandbox.office.shipments.values()] == [None]


async def test_the_wanted_offer_is_bought_and_the_receipt_says_what_it_cost(
    sandbox: EasyPostSandbox, easypost: EasyPost
) -> None:
    receipt = await easypost.buy_label(replace(OP, carrier="SandPost", service="Priority"))

    assert (receipt.carrier, receipt.service, receipt.amount_cents, receipt.currency) == (
        "SandPost", "Priority", 1282, "USD",
    )  # fmt: skip
    shipment = sandbox.office.shipments[receipt.shipment.external_id]
    assert (shipment["reference"], shipment["options"]["print_custom_1"]) == (reference_of(OP.key), "INC-1001")
    assert receipt.tracking_url == shipment["tracker"]["public_url"]
    assert await easypost.find_label(OP.key) == receipt


async def test_labels_come_in_the_format_that_was_asked_for_and_are_read_without_the_key(easypost: EasyPost) -> None:
    pdf = await easypost.buy_label(OP)
    zpl = await easypost.buy_label(replace(OP, key="wf-2:label", label_format=LabelFormat.ZPL))

    assert (pdf.label_format, pdf.document[:8]) == (LabelFormat.PDF, b"%PDF-1.4")
    assert (zpl.label_format, zpl.document[:3], zpl.document[-3:]) == (LabelFormat.ZPL, b"^XA", b"^XZ")
    assert zpl.tracking_number.encode() in zpl.document


async def test_a_label_that_the_carrier_drew_otherwise_is_converted(
    sandbox: EasyPostSandbox, easypost: EasyPost
) -> None:
    shipment = sandbox.bought(OP.key)
    shipment["postage_label"] |= {"label_file_type": "image/png", "label_url": "http://files.easypost.test/x.png"}

    found = await easypost.find_label(OP.key)

    assert found is not None
    assert found.document[:4] == b"%PDF"
    assert shipment["postage_label"]["label_pdf_url"].endswith(".pdf")


@pytest.mark.parametrize(
    ("lies", "told"),
    [
        ("https://evil.test/label.pdf", "the file lies at"),
        ("http://files.easypost.test/files/postage_label/1/none.pdf", "the file cannot be read where the system says"),
    ],
)
async def test_a_label_that_lies_elsewhere_or_nowhere_is_not_read(
    sandbox: EasyPostSandbox, easypost: EasyPost, lies: str, told: str
) -> None:
    sandbox.bought(OP.key)["postage_label"]["label_url"] = lies

    with pytest.raises(UnexpectedResponse, match=told):
        await easypost.find_label(OP.key)


async def test_a_page_in_place_of_a_label_is_not_handed_on(sandbox: EasyPostSandbox, opened: Any) -> None:
    sandbox.bought(OP.key)

    async with opened(once(".pdf", httpx.Response(200, content=b"<html>moved</html>"))) as easypost:
        with pytest.raises(UnexpectedResponse, match=r"is no PDF, it begins with b'<html>moved</htm'"):
            await easypost.find_label(OP.key)


async def test_a_draft_left_by_a_dead_process_is_bought_at_new_offers(sandbox: EasyPostSandbox, opened: Any) -> None:
    async with opened(once("/buy", httpx.ConnectError("the process died"))) as easypost:
        with pytest.raises(Transient):
            await easypost.buy_label(OP)
        stale = next(iter(sandbox.office.shipments.values()))["rates"][0]["id"]
        assert await easypost.find_label(OP.key) is None
        receipt = await easypost.buy_label(OP)

    (shipment,) = sandbox.office.shipments.values()
    assert shipment["id"] == receipt.shipment.external_id
    assert shipment["selected_rate"]["id"] != stale


async def test_after_the_address_was_corrected_the_old_draft_is_not_bought(
    sandbox: EasyPostSandbox, easypost: EasyPost
) -> None:
    wrong = replace(OP, service="Drone")
    with pytest.raises(Invalid) as refused:
        await easypost.buy_label(wrong)
    moved = replace(PARCEL, recipient=Party("Site Boston", BOSTON.address.model_copy(update={"line1": "3 Quay"})))

    receipt = await easypost.buy_label(replace(OP, parcel=moved))
    again = await easypost.buy_label(replace(OP, parcel=moved))

    assert refused.value.fields == {"service": "any carrier/Drone is not offered"}
    assert "offered is SandPost/Ground, SandPost/Priority, SandExpress/Overnight" in str(refused.value)
    drafts = list(sandbox.office.shipments.values())
    assert [each["reference"] for each in drafts] == [reference_of(OP.key), reference_of(OP.key, 2)]
    assert [bool(each["postage_label"]) for each in drafts] == [False, True]
    assert drafts[1]["to_address"]["street1"] == "3 Quay"
    assert again == receipt == await easypost.find_label(OP.key)


async def test_somebody_faster_has_bought_the_label(sandbox: EasyPostSandbox, opened: Any) -> None:
    def faster(request: httpx.Request) -> None:
        if request.url.path.endswith("/buy"):
            (shipment,) = sandbox.office.shipments.values()
            if not shipment["postage_label"]:
                sandbox.office.buy(shipment, {"rate": shipment["rates"][1]})

    async with opened(faster) as easypost:
        receipt = await easypost.buy_label(OP)

    assert receipt.service == "Priority"


async def test_when_easypost_lost_the_carriers_answer_the_outcome_is_unknown(opened: Any) -> None:
    async with opened(once("/buy", refusing("SHIPMENT.POSTAGE.NO_RESPONSE"))) as easypost:
        with pytest.raises(OutcomeUnknown):
            await easypost.buy_label(OP)
        assert await easypost.find_label(OP.key) is None
        assert (await easypost.buy_label(OP)).service == "Ground"


async def test_a_key_with_a_full_stop_is_found_and_compared_as_a_whole(easypost: EasyPost) -> None:
    bought = await easypost.buy_label(replace(OP, key="wf-1:label.10"))

    assert await easypost.find_label("wf-1:label.10") == bought
    assert await easypost.find_label("wf-1:label.1") is None
    assert await easypost.find_label("wf-1:label") is None
    assert await easypost.find_label(bought.tracking_number) is None


async def test_a_shipment_with_another_reference_is_not_taken_for_ours(sandbox: EasyPostSandbox, opened: Any) -> None:
    others = sandbox.bought("wf-9:label")

    async with opened(once(reference_of(OP.key), httpx.Response(200, json=others))) as easypost:
        assert await easypost.find_label(OP.key) is None


async def test_a_return_goes_from_the_site_to_the_hub(sandbox: EasyPostSandbox, easypost: EasyPost) -> None:
    back = Parcel(BOSTON, AUSTIN, weight_g=900)

    receipt = await easypost.buy_label(BuyLabel("wf-1:return", back, "INC-1001", is_return=True))
    again = await easypost.buy_label(BuyLabel("wf-1:return", back, "INC-1001", is_return=True))

    shipment = sandbox.office.shipments[receipt.shipment.external_id]
    assert (shipment["is_return"], shipment["from_address"]["name"], shipment["to_address"]["name"]) == (
        True, "Site Boston", "Hub Austin",
    )  # fmt: skip
    assert again == receipt


async def test_what_carriers_say_is_shown_where_none_offers(opened: Any) -> None:
    abroad = replace(PARCEL, recipient=Party("Site", Address(line1="1 Rue", city="Paris", country="FR")))

    async with opened(carrier_accounts=["ca_sandpost"]) as easypost:
        with pytest.raises(Invalid, match=r"Carriers say: SandPost: customs_info is required\."):
            await easypost.buy_label(replace(OP, parcel=abroad))


async def test_a_carrier_account_that_is_gone_is_a_matter_of_the_settings(opened: Any) -> None:
    async with opened(carrier_accounts=["ca_gone"]) as easypost:
        with pytest.raises(ConfigError, match="Carrier account ca_gone is not valid"):
            await easypost.quote(PARCEL)


async def test_an_account_without_money_is_one_too(opened: Any) -> None:
    async with opened(once("/buy", refusing("PAYMENT_REQUIRED", 402))) as easypost:
        with pytest.raises(ConfigError, match="answered 402"):
            await easypost.buy_label(OP)


# voiding


async def test_voiding_twice_is_asking_once(easypost: EasyPost, wire: Between) -> None:
    bought = await easypost.buy_label(OP)

    first = await easypost.void_label(VoidLabel("wf-1:void", bought.shipment))
    second = await easypost.void_label(VoidLabel("wf-1:void", bought.shipment))

    assert first == second
    paths = [request.url.path for request in wire.requests]
    assert [path for path in paths if path.endswith("/refund")] == [
        f"/v2/shipments/{bought.shipment.external_id}/refund"
    ]
    assert await easypost.find_label(OP.key) == bought


@pytest.mark.parametrize(
    ("status", "is_void"),
    [("submitted", True), ("refunded", True), ("not_applicable", True), ("rejected", False), (None, False)],
)
async def test_a_refund_is_worth_what_its_status_says(
    sandbox: EasyPostSandbox, opened: Any, status: str | None, is_void: bool
) -> None:
    shipment = sandbox.bought(OP.key)
    op = VoidLabel("wf-1:void", ref(shipment["id"]))

    async with opened(once("/refund", httpx.Response(200, json={**shipment, "refund_status": status}))) as easypost:
        if is_void:
            assert (await easypost.void_label(op)).external_id == shipment["id"]
        else:
            with pytest.raises(Conflict, match=f"is {status or 'not told'}"):
                await easypost.void_label(op)
            shipment["refund_status"] = status
            assert (await easypost.void_label(op)).external_id == shipment["id"]


async def test_a_label_is_not_voided_when_any_tracker_of_its_number_is_under_way(
    sandbox: EasyPostSandbox, easypost: EasyPost, clock: MovableClock
) -> None:
    bought = await easypost.buy_label(OP)
    shipment = sandbox.office.shipments[bought.shipment.external_id]
    shipment["tracker"] = {**shipment["tracker"]}  # as it was when the label was bought
    sandbox.office.scan(next(iter(sandbox.office.trackers.values())), "in_transit", "arrived_at_facility", "Waco")

    with pytest.raises(Conflict, match=f"parcel {bought.tracking_number} is in transit") as refused:
        await easypost.void_label(VoidLabel("wf-1:void", bought.shipment))

    assert isinstance(refused.value.current, ShipmentRecord)
    assert shipment["refund_status"] is None


async def test_a_number_that_was_used_before_is_no_reason_not_to_void(
    sandbox: EasyPostSandbox, easypost: EasyPost, clock: MovableClock
) -> None:
    bought = await easypost.buy_label(OP)
    long_ago = clock.at - timedelta(days=400)
    old = sandbox.office.add_tracker(bought.tracking_number, "SandExpress", long_ago)
    sandbox.office.scan(old, "delivered", "arrived_at_destination", "Waco", long_ago)

    await easypost.void_label(VoidLabel("wf-1:void", bought.shipment))

    assert sandbox.office.shipments[bought.shipment.external_id]["refund_status"] == "submitted"


async def test_a_label_that_is_not_there_cannot_be_voided(easypost: EasyPost) -> None:
    with pytest.raises(NotFound):
        await easypost.void_label(VoidLabel("wf-1:void", ref("shp_none")))


# tracking


async def test_a_carrier_is_called_by_easyposts_name(sandbox: EasyPostSandbox, opened: Any) -> None:
    async with opened(tracking_carriers={"sand_post": "SandPost"}) as easypost:
        one, two = [await easypost.track(TrackShipment("k", "EZ7", name)) for name in ("sand_post", "SandPost")]

    assert one == two
    assert [each["carrier"] for each in sandbox.office.trackers.values()] == ["SandPost"]


async def test_when_the_tracker_that_marks_the_place_is_deleted_the_pull_begins_anew(
    sandbox: EasyPostSandbox, easypost: EasyPost, clock: MovableClock
) -> None:
    refs = sandbox.seed("trackers", 12, at=clock.at, step=timedelta(seconds=1))
    newest_first = [each.external_id for each in refs][::-1]
    seen: list[str] = []

    async for batch in easypost.pull(TRACKERS, None):
        seen += [record.ref.external_id for record in batch.records]
        if len(seen) == 5:
            del sandbox.office.trackers[newest_first[4]]

    assert seen == [*newest_first[:5], *newest_first[:4], *newest_first[5:]]


async def test_a_list_that_never_goes_on_ends_with_its_error(
    sandbox: EasyPostSandbox, opened: Any, clock: MovableClock
) -> None:
    sandbox.seed("trackers", 12, at=clock.at, step=timedelta(seconds=1))

    def stuck(request: httpx.Request) -> httpx.Response | None:
        return refusing("TRACKER.NOT_FOUND", 404) if "before_id" in request.url.params else None

    async with opened(stuck) as easypost:
        with pytest.raises(NotFound):
            await pulled(easypost)


async def test_trackers_that_are_made_during_a_pull_push_no_other_off_the_list(
    sandbox: EasyPostSandbox, easypost: EasyPost, clock: MovableClock
) -> None:
    newest_first = [each.external_id for each in sandbox.seed("trackers", 14, at=clock.at, step=timedelta(seconds=1))][
        ::-1
    ]
    seen: list[str] = []

    async for batch in easypost.pull(TRACKERS, None):
        seen += [record.ref.external_id for record in batch.records]
        if len(seen) in (5, 10):
            sandbox.seed("trackers", 3, at=clock.at + timedelta(minutes=len(seen)), step=timedelta(seconds=1))

    assert seen == newest_first


async def test_a_later_pull_reads_the_last_thirty_days_again_and_no_page_beyond(
    sandbox: EasyPostSandbox, easypost: EasyPost, clock: MovableClock, wire: Between
) -> None:
    old = sandbox.seed("trackers", 11, at=clock.at - WINDOW - timedelta(seconds=11), step=timedelta(seconds=1))
    (young,) = sandbox.seed("trackers", 1, at=clock.at - WINDOW, step=timedelta(0))

    everything, resume = await pulled(easypost)
    before = len(wire.requests)
    again, resume = await pulled(easypost, resume)
    requests = len(wire.requests) - before
    clock.at += timedelta(seconds=1)
    later, _ = await pulled(easypost, resume)

    assert everything == [young.external_id, *(each.external_id for each in reversed(old))]
    assert (again, requests, later) == ([young.external_id], 1, [])


async def test_a_tracker_without_an_id_hides_no_other(
    sandbox: EasyPostSandbox, easypost: EasyPost, clock: MovableClock
) -> None:
    refs = sandbox.seed("trackers", 8, at=clock.at, step=timedelta(seconds=1))
    sandbox.office.trackers[refs[3].external_id]["id"] = None  # the last one of the first page
    seen: set[str] = set()
    reasons: list[str] = []

    async for batch in easypost.pull(TRACKERS, None):
        seen |= {record.ref.external_id for record in batch.records}
        reasons += [item.reason for item in batch.rejected]

    assert seen == {each.external_id for each in refs} - {refs[3].external_id}
    assert "the tracker cannot be read at /id" in reasons[0]


# what comes in place of an answer


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(200, html="<html>sign in</html>"), UnexpectedResponse),
        (httpx.Response(200, text='{"id": "shp_1", "rates": ['), UnexpectedResponse),
        (httpx.Response(200, json=None), UnexpectedResponse),
        (httpx.Response(200, json=[]), UnexpectedResponse),
        (httpx.Response(200, json={"id": None, "rates": None}), UnexpectedResponse),
        (httpx.Response(200, json={"id": "shp_1", "rates": [{"id": 1}, 7]}), UnexpectedResponse),
        (httpx.Response(302, headers={"location": "https://evil.test"}), UnexpectedResponse),
        (refusing("UNAUTHORIZED", 401), AuthError),
        (refusing("FORBIDDEN", 403), AuthError),
        (refusing("INTERNAL_SERVER_ERROR", 500), Transient),
    ],
)
async def test_a_strange_answer_is_of_the_right_class(opened: Any, answer: httpx.Response, kind: type) -> None:
    async with opened(lambda _: answer) as easypost:
        with pytest.raises(kind):
            await easypost.quote(PARCEL)


async def test_check_tells_the_release_and_whether_labels_are_real(opened: Any) -> None:
    async with opened() as easypost:
        tested = await easypost.check()
    async with opened(lambda _: httpx.Response(200, json={"trackers": []}), api_key="EZAKlive0000") as easypost:
        live = await easypost.check()

    assert (tested.version, tested.detail) == (
        "easypost-202511250000-sandbox", "test key: labels are not valid for carriage",
    )  # fmt: skip
    assert (live.version, live.detail) == (None, "labels cost money")
