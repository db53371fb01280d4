"""Webhooks as a real Nautobot 3.2.7 sent them, and the ones that are refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from connector.sdk import AuthError, EntityKind, Invalid, SourceRef, Tombstone, WebhookRequest
from connector_nautobot.sandbox import sign

from .conftest import NOW, SECRET, Source

RECORDED = Path(__file__).parent / "recorded"
SENT = datetime(2026, 11, 25, 3, 30, tzinfo=UTC)
DEVICE = "4636b0a5-42d2-49ac-a897-a5fd93436c46"
REGION = "47e4cfb3-6495-496f-8add-1ad090274091"


def recorded(name: str, *, received_at: datetime = SENT) -> WebhookRequest:
    signature = (RECORDED / f"{name}.signature").read_text().strip()
    return WebhookRequest({"x-hook-signature": signature}, (RECORDED / f"{name}.body").read_bytes(), received_at)


def signed(payload: object, *, at: datetime = NOW) -> WebhookRequest:
    body = orjson.dumps(payload)
    return WebhookRequest({"x-hook-signature": sign(SECRET, body)}, body, at)


@pytest.fixture
async def real(world):
    source = Source(world, webhook_secret="s3cret-hook")
    yield source.adapter
    await source.connection.aclose()


@pytest.mark.parametrize("name", ["updated_device", "deleted_device", "created_location", "deleted_location"])
def test_the_signature_of_a_real_webhook_is_accepted(real, name):
    real.verify(recorded(name))


def test_an_updated_device_is_to_be_read_again(real):
    result = real.parse(recorded("updated_device"))

    assert (result.records, result.fetch) == ((), (SourceRef(kind=EntityKind.ASSET, external_id=DEVICE),))


def test_a_deleted_device_is_erased_at_the_time_of_the_webhook(real):
    result = real.parse(recorded("deleted_device"))

    at = datetime(2026, 11, 25, 3, 29, 53, 736415, tzinfo=UTC)
    assert result.fetch == ()
    assert result.records == (Tombstone(ref=SourceRef(kind=EntityKind.ASSET, external_id=DEVICE), updated_at=at),)


@pytest.mark.parametrize("name", ["created_location", "deleted_location"])
def test_a_region_is_neither_read_again_nor_erased(real, name):
    result = real.parse(recorded(name))

    assert (result.records, result.fetch) == ((), ())


def test_a_webhook_that_is_sixteen_minutes_old_is_refused(real):
    with pytest.raises(AuthError, match="more than 0:15:00 from now"):
        real.verify(recorded("updated_device", received_at=SENT + timedelta(minutes=16)))


async def test_without_a_secret_no_webhook_is_accepted(world):
    source = Source(world, webhook_secret=None)

    with pytest.raises(AuthError, match="a webhook came and the source has no webhook secret"):
        source.adapter.verify(signed({"event": "created"}))
    await source.connection.aclose()


def test_a_body_template_without_time_is_refused_with_advice(source):
    with pytest.raises(AuthError, match="does not say when it was sent") as refused:
        source.adapter.verify(signed({"event": "created", "model": "device"}))

    assert refused.value.hint == "Leave the body template of the webhook in Nautobot empty."


def test_a_changed_hub_is_read_again_as_a_hub(world, source):
    world.nautobot.change(world.graz, name="Graz West")
    _, body, signature = world.nautobot.pending()[-1]

    result = source.adapter.parse(WebhookRequest({"x-hook-signature": signature}, body, NOW))

    assert result.fetch == (SourceRef(kind=EntityKind.HUB, external_id=world.graz),)


def test_a_deleted_location_of_unknown_type_is_erased_as_either_place(source):
    payload = {"event": "deleted", "model": "location", "timestamp": str(NOW), "data": {"id": REGION}}

    result = source.adapter.parse(signed(payload))

    assert [str(record.ref) for record in result.records] == [f"site:{REGION}", f"hub:{REGION}"]


@pytest.mark.parametrize("data", [None, [], {}, {"id": 7}, {"id": ""}, {"id": "x" * 256}])
def test_a_webhook_that_does_not_name_its_object_is_invalid(source, data):
    with pytest.raises(Invalid, match="not which one"):
        source.adapter.parse(signed({"event": "updated", "model": "device", "timestamp": str(NOW), "data": data}))
