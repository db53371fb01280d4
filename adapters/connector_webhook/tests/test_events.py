"""Events in every form in which they are posted."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from connector.sdk import AssetRecord, EntityKind, Invalid, SourceRef, TicketRecord, Tombstone, WebhookRequest
from connector_webhook import Webhook
from connector_webhook.definition import DOCUMENTS
from connector_webhook.mapping import EventReader
from connector_webhook.sandbox import AcmeDeskSandbox
from connector_webhook.sandbox.system import DOCUMENT

from .conftest import NOON, TICKET, Opened

BATCH = "application/cloudevents-batch+json"
ATTRIBUTES = {
    "ce_specversion": "1.0", "ce_id": "E-1", "ce_source": "/acme", "ce_type": "com.acme.ticket.changed",
    "ce_time": "2026-02-01T11:00:00Z",
}  # fmt: skip


def document(**changes: Any) -> dict[str, Any]:
    facts = {"id": "id", "updated_at": "at", "fields": {"number": "number", "state": {"value": "new"}}}
    return {"system": "Acme", "events": {"tickets": facts}} | changes


def read(content: dict[str, Any], body: bytes, **headers: str) -> Any:
    reader = EventReader(DOCUMENTS.read(content))
    return reader.read(WebhookRequest({key.replace("_", "-"): text for key, text in headers.items()}, body, NOON))


def test_an_event_becomes_the_record_that_its_type_is_about(sandbox: AcmeDeskSandbox, webhook: Webhook):
    device = {"id": "D-7", "serial": "FOC1", "maker": "Cisco", "model": "C9300-48P", "status": "Broken"}
    at = NOON - timedelta(hours=1)

    told = webhook.parse(sandbox.post(sandbox.event("device.changed", device, at), NOON))
    gone = webhook.parse(sandbox.post(sandbox.event("device.removed", {"id": "D-7"}, at), NOON))
    draft = webhook.parse(sandbox.post(sandbox.event("ticket.opened", TICKET | {"kind": "draft"}, at), NOON))

    [asset] = told.records
    assert isinstance(asset, AssetRecord)
    assert (asset.ref.external_id, asset.serial, asset.state, asset.updated_at) == ("D-7", "FOC1", "quarantined", at)
    assert gone.records == (Tombstone(ref=SourceRef(kind=EntityKind.ASSET, external_id="D-7"), updated_at=at),)
    assert (draft.records, draft.refused) == ((), ())


async def test_a_binary_event_says_the_same_where_unsigned_headers_are_taken(sandbox: AcmeDeskSandbox, opened: Opened):
    content = DOCUMENTS.read(str(DOCUMENT)).model_copy(update={"unsigned_headers": True})
    body = json.dumps(TICKET).encode()
    binary = sandbox.post(body, NOON, content_type="application/json", **ATTRIBUTES)
    attributes = {name.removeprefix("ce_"): text for name, text in ATTRIBUTES.items()}
    async with opened(definition=content) as adapter:
        told = adapter.parse(binary)

        assert told == adapter.parse(sandbox.post(attributes | {"data": TICKET}, NOON))
        assert [record.ref.external_id for record in told.records] == ["T-1"]
        assert set(adapter.telling(binary)) == {"content-type", *(name.replace("_", "-") for name in ATTRIBUTES)}


def test_a_binary_event_is_refused_where_nobody_takes_its_unsigned_headers(sandbox: AcmeDeskSandbox, webhook: Webhook):
    request = sandbox.post(TICKET, NOON, content_type="application/json", **ATTRIBUTES)

    webhook.verify(request)
    with pytest.raises(Invalid, match="binary mode, whose headers no signature covers"):
        webhook.parse(request)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),  # the example of the HTTP binding, 3.1.3.2
        ("%e2%82%ac", "€"),
        ("%41", "A"),
        ('"a \\"quoted\\" %25"', 'a "quoted" %'),
        ("%2525", "%25"),
    ],
)
def test_values_of_headers_are_decoded_once(header: str, said: str):
    content = document(unsigned_headers=True)
    content["events"]["tickets"] |= {"id": "id", "updated_at": "time"}
    content["events"]["tickets"]["fields"] |= {"title": "subject", "number": "id"}
    headers = ATTRIBUTES | {"ce_subject": header}

    [record] = read(content, b"", **headers).records

    assert record.title == said


@pytest.mark.parametrize("header", ["%C0%A0", "%ff", "100%", "%zz"])
def test_a_header_that_is_no_utf8_refuses_the_post(header: str):
    with pytest.raises(Invalid, match="CloudEvent that cannot be read"):
        read(document(unsigned_headers=True), b"{}", **(ATTRIBUTES | {"ce_subject": header}))


def test_a_bad_event_does_not_hold_up_the_others_of_its_batch(sandbox: AcmeDeskSandbox, webhook: Webhook):
    good = sandbox.event("ticket.changed", TICKET, NOON)
    batch = [
        good,
        good | {"data": TICKET | {"id": "T-2", "status": "Frobnicated"}},
        {name: value for name, value in good.items() if name != "source"},
        good | {"specversion": "0.3"},
        {name: value for name, value in good.items() if name != "time"},
        good | {"data": None},
        "text",
        good | {"type": "com.acme.other"},
    ]

    told = webhook.parse(sandbox.post(batch, NOON, content_type=BATCH))

    assert [record.ref.external_id for record in told.records] == ["T-1"]
    assert [reason.split(": ", 1)[0] for reason in told.refused] == [f"event {number} of 8" for number in range(2, 8)]
    assert told.refused[0] == (
        "event 2 of 8: ticket:T-2: state at 'data.status': 'Frobnicated' is none of Open, Working, Waiting, Done, "
        "Closed. Add it to `values`, or say what others mean: `otherwise`."
    )
    assert told.refused[1] == "event 3 of 8: is no CloudEvent: it has no 'source'"
    assert told.refused[2] == "event 4 of 8: is a CloudEvent of version '0.3', not 1.0"
    assert "there is no time at 'time'" in told.refused[3]
    assert told.refused[5] == "event 7 of 8: is a str, expected a CloudEvent"


def test_of_several_events_about_one_thing_the_newest_counts(sandbox: AcmeDeskSandbox, webhook: Webhook):
    states = [("Working", 2), ("Done", 3), ("Open", 1)]
    batch = [
        sandbox.event("ticket.changed", TICKET | {"status": status}, NOON - timedelta(hours=5 - hour))
        for status, hour in states
    ]

    [record] = webhook.parse(sandbox.post(batch, NOON, content_type=BATCH)).records

    assert isinstance(record, TicketRecord)
    assert (record.state, record.updated_at) == ("resolved", NOON - timedelta(hours=2))


def test_data_in_base64_is_what_its_type_says(sandbox: AcmeDeskSandbox, webhook: Webhook):
    event = sandbox.event("ticket.changed", {}, NOON)
    del event["data"]

    def told(data: bytes, content_type: str | None) -> Any:
        posted = event | {"data_base64": base64.b64encode(data).decode(), "datacontenttype": content_type}
        return webhook.parse(sandbox.post(posted, NOON))

    body = json.dumps(TICKET).encode()
    for content_type in (None, "application/json", "application/vnd.acme+json; charset=utf-8"):
        assert [record.ref.external_id for record in told(body, content_type).records] == ["T-1"]
    assert told(b"{", "application/json").refused == (
        "is a CloudEvent whose data_base64 cannot be read: JSONDecodeError",
    )
    assert "id: None at 'data.id'" in told(b"\xff\x00", "application/octet-stream").refused[0]


def test_plain_events_are_read_as_they_are_one_or_many():
    content = document(format="plain", signature={"kind": "hmac", "header": "X-Acme"})
    one = {"id": 7, "number": "I-7", "at": "2026-02-01T11:00:00Z"}

    [record] = read(content, json.dumps(one).encode(), ce_specversion="1.0").records
    many = read(content, json.dumps([one, {"id": 8}, one | {"id": 9}]).encode())

    assert (record.ref.external_id, record.number) == ("7", "I-7")
    assert [found.ref.external_id for found in many.records] == ["7", "9"]
    assert many.refused == ("event 2 of 3: ticket:8: updated_at: there is no time at 'at'",)


@pytest.mark.parametrize(
    ("body", "content_type", "said"),
    [
        (b"<xml/>", "application/cloudevents+xml", "which is not JSON"),
        (b"\xff", "application/cloudevents+json", "is not JSON"),
        (b"[" * 100_000, BATCH, "is not JSON"),
        (json.dumps([{}] * 1_001).encode(), BATCH, "has 1001 events, at most 1000"),
    ],
)
def test_what_cannot_be_read_refuses_the_post(webhook: Webhook, body: bytes, content_type: str, said: str):
    with pytest.raises(Invalid, match=said):
        webhook.parse(WebhookRequest({"content-type": content_type}, body, NOON))


def test_many_reasons_are_cut_short(sandbox: AcmeDeskSandbox, webhook: Webhook):
    told = webhook.parse(sandbox.post([{}] * 30, NOON, content_type=BATCH))

    assert (len(told.refused), told.refused[-1]) == (21, "and 10 more")
