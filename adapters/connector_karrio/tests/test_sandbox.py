"""The sandbox itself: its labels are real files, its parcels go their way, its webhooks reach a real server."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connector.sdk import WebhookRequest
from connector.sdk.testing import MovableClock
from connector_karrio.sandbox import DEMO_JOURNEY, KarrioSandbox
from connector_karrio.sandbox.labels import DIGITS, NARROW, bars
from connector_karrio.sandbox.system import SECRET

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def label(sandbox: KarrioSandbox, label_type: str) -> bytes:
    from connector_karrio.sandbox.labels import draw

    return draw(sandbox.bought("wf-1:label"), label_type)


def test_a_pdf_has_its_objects_where_its_table_says() -> None:
    document = label(KarrioSandbox(MovableClock(NOON)), "PDF")

    start = int(document[document.rindex(b"startxref") :].split()[1])
    table = document[start:].split(b"trailer")[0].splitlines()
    offsets = [int(line.split()[0]) for line in table[3:]]
    assert (document[start : start + 4], table[1]) == (b"xref", b"0 6")
    assert [document[offset:].split(b"\n", 1)[0] for offset in offsets] == [b"%d 0 obj" % n for n in range(1, 6)]
    stream = re.search(rb"/Length (\d+) >>\nstream\n(.*)\nendstream", document, re.DOTALL)
    assert stream is not None
    assert int(stream[1]) == len(stream[2])
    assert b"(Hub Berlin) Tj" in stream[2]


def test_texts_cannot_break_out_of_a_label() -> None:
    sandbox = KarrioSandbox(MovableClock(NOON))
    shipment = sandbox.bought("wf-1:label")
    from connector_karrio.sandbox.labels import draw

    shipment["recipient"]["person_name"] = "A (b) \\ ^XZ ü 😀"

    assert b"(A \\(b\\) \\\\ ^XZ \xfc ?) Tj" in draw(shipment, "PDF")
    assert "^FDA (b) \\ _5EXZ ü 😀^FS" in draw(shipment, "ZPL").decode()


def test_the_bar_code_reads_back_to_the_number() -> None:
    drawn = bars("90000000000017")
    ends = [start + width for start, width in drawn]
    spaces = [later[0] - end for later, end in zip(drawn[1:], ends, strict=False)]

    def read(widths: list[float]) -> str:
        word = "".join("n" if width < 2 * NARROW else "w" for width in widths)
        return str(DIGITS.index(word))

    wide = [width for _, width in drawn]
    digits = "".join(read(wide[2 + 5 * n : 7 + 5 * n]) + read(spaces[2 + 5 * n : 7 + 5 * n]) for n in range(7))
    assert digits == "90000000000017"


async def test_a_parcel_goes_its_journey_by_the_clock_and_its_shipment_with_it() -> None:
    clock = MovableClock(NOON)
    sandbox = KarrioSandbox(clock, journey=DEMO_JOURNEY)
    shipment = sandbox.bought("wf-1:label")
    tracker = sandbox.office.trackers[shipment["tracker_id"]]
    seen = []

    for seconds in (0, 15, 30, 60, 90, 900):
        clock.at = NOON + timedelta(seconds=seconds)
        await sandbox.advance()
        seen.append((tracker["status"], shipment["status"], len(tracker["events"])))

    assert seen == [
        ("pending", "created", 1), ("picked_up", "shipped", 2), ("in_transit", "in_transit", 3),
        ("out_for_delivery", "out_for_delivery", 4), ("delivered", "delivered", 5), ("delivered", "delivered", 5),
    ]  # fmt: skip
    assert tracker["events"][0]["timestamp"] == "2026-11-25T12:01:30.000Z"
    assert tracker["events"][0]["location"] == "Hamburg"


async def test_a_voided_parcel_goes_nowhere() -> None:
    clock = MovableClock(NOON)
    sandbox = KarrioSandbox(clock, journey=DEMO_JOURNEY)
    shipment = sandbox.bought("wf-1:label")
    sandbox.office.cancel(shipment)

    clock.at += timedelta(hours=1)
    await sandbox.advance()

    assert (shipment["status"], sandbox.office.trackers) == ("cancelled", {})


def test_a_later_start_resumes_from_the_file(tmp_path: Path) -> None:
    sandbox = KarrioSandbox(MovableClock(NOON), path=tmp_path / "office.json")
    bought = sandbox.bought("wf-1:label")
    sandbox.office.take_outbox()

    again = KarrioSandbox(MovableClock(NOON), path=tmp_path / "office.json")

    assert again.office.shipments == {bought["id"]: bought}
    assert again.office.trackers == sandbox.office.trackers
    assert again.bought("wf-2:label")["tracking_number"] != bought["tracking_number"]


async def test_events_are_posted_with_the_secret_and_a_dead_receiver_is_switched_off(
    receiver: tuple[str, list[WebhookRequest]],
) -> None:
    url, received = receiver
    sandbox = KarrioSandbox(MovableClock(NOON), hook_url=url)
    sandbox.hooks.add("http://127.0.0.1:9/nobody", "whsec_other", ["tracker_created"])

    for number in range(7):
        sandbox.bought(f"wf-{number}:label")
        await sandbox.advance()

    assert [hook["disabled"] for hook in sandbox.hooks.told()] == [False, True]
    assert {request.headers["x-event-id"] for request in received} == {SECRET}
    assert [request.body[:30] for request in received[:2]] == [
        b'{"event":"shipment_purchased",', b'{"event":"tracker_created","da',
    ]  # fmt: skip
    assert len(received) == 14


@pytest.fixture
async def receiver() -> object:
    import asyncio

    received: list[WebhookRequest] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            headers: dict[str, str] = {}
            while (raw := (await reader.readline()).decode().strip()) != "":
                name, _, value = raw.partition(": ")
                headers[name.lower()] = value
            body = await reader.readexactly(int(headers["content-length"]))
            received.append(WebhookRequest(headers=headers, body=body, received_at=NOON))
            assert line.startswith(b"POST /hook ")
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/hook", received
    server.close()


def test_bodies_have_the_keys_of_the_real_server() -> None:
    sandbox = KarrioSandbox(MovableClock(NOON))
    shipment = sandbox.bought("wf-1:label")
    payloads = Path(__file__).parents[1] / "payloads"
    real_shipment = json.loads((payloads / "webhook_shipment_purchased.json").read_text())["data"]
    real_tracker = json.loads((payloads / "webhook_tracker_updated.json").read_text())["data"]
    tracker = sandbox.office.trackers[shipment["tracker_id"]]

    assert shipment.keys() == real_shipment.keys()
    assert shipment["rates"][0].keys() == real_shipment["rates"][0].keys()
    assert shipment["recipient"].keys() == real_shipment["recipient"].keys()
    assert shipment["parcels"][0].keys() == real_shipment["parcels"][0].keys()
    assert tracker.keys() == real_tracker.keys()
    assert tracker["events"][0].keys() == real_tracker["events"][0].keys()
