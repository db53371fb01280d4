"""Webhooks in the form that NetBox's event rules give them in each version, and the ones that are refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from connector.sdk import AuthError, EntityKind, Invalid, Tombstone, WebhookRequest
from connector.sdk.testing import by_ref
from connector_netbox.sandbox import sign
from connector_netbox.sandbox_shapes import DEVICE, DEVICE_TYPE, LOCATION, REGION, SITE

from .conftest import NOW, SECRET, Source, World, ref

SENT = datetime(2026, 11, 25, 9, 0, 0, 503186, tzinfo=UTC)


def signed(payload: object, *, at: datetime = NOW) -> WebhookRequest:
    body = orjson.dumps(payload)
    return WebhookRequest({"x-hook-signature": sign(SECRET, body)}, body, at)


def said(**changed: object) -> dict[str, object]:
    """A webhook as the documentation of 4.6 shows it."""
    return {
        "event": "updated", "timestamp": "2026-11-25T09:00:00.503186+00:00", "object_type": "dcim.device",
        "username": "jstretch", "request_id": "17af32f0-852a-46ca-a7d4-33ecd0c13de6",
        "data": {"id": 4, "url": "/api/dcim/devices/4/", "display": "dev", "status": {"value": "active"}},
        "request": {"id": "17af32f0-852a-46ca-a7d4-33ecd0c13de6", "method": "POST", "path": "/x/", "user": "jstretch"},
        "snapshots": {"prechange": None, "postchange": {"name": "dev", "status": "active"}}, **changed,
    }  # fmt: skip


@pytest.mark.parametrize("version", [(4, 1), (4, 4), (4, 6)])
async def test_a_change_is_read_again_whatever_the_version_calls_its_kind(clock, version):
    world = World(clock, version=version, token="0f1e2d3c4b5a69788796")
    source = Source(world, token=world.netbox.token)
    number = world.device("dev")
    world.netbox.change(DEVICE, number, serial="SN1")
    _, body, signature = world.netbox.pending()[-1]
    request = WebhookRequest({"x-hook-signature": signature}, body, NOW)

    source.adapter.verify(request)
    result = source.adapter.parse(request)

    assert ("model" in orjson.loads(body), "object_type" in orjson.loads(body)) == (version < (4, 5), version >= (4, 4))
    assert (result.records, result.fetch) == ((), (ref(EntityKind.ASSET, number),))
    await source.connection.aclose()


@pytest.mark.parametrize(
    ("object_type", "expected"),
    [(DEVICE, "asset:4"), (DEVICE_TYPE, "product:4"), (SITE, "site:4"), (LOCATION, "hub:location-4")],
)
def test_what_changed_is_named_by_its_kind(source, object_type, expected):
    result = source.adapter.parse(signed(said(object_type=object_type)))

    assert [str(one) for one in result.fetch] == [expected]


async def test_without_hubs_in_sites_locations_are_of_no_interest(world):
    source = Source(world, hub_tags=[])

    for event in ("updated", "deleted"):
        result = source.adapter.parse(signed(said(object_type=LOCATION, event=event)))
        assert (result.fetch, result.records) == ((), ())
    await source.connection.aclose()


def test_what_is_deleted_is_erased_at_the_time_of_the_webhook(source):
    result = source.adapter.parse(signed(said(object_type=SITE, event="deleted")))

    kinds = (EntityKind.SITE, EntityKind.HUB)
    assert result.records == tuple(Tombstone(ref=ref(kind, 4), updated_at=SENT) for kind in kinds)
    assert result.fetch == ()


@pytest.mark.parametrize(
    "changed",
    [
        {"object_type": REGION}, {"object_type": "ipam.vlan"}, {"event": "job_ended"}, {"event": None},
        {"object_type": None}, {"object_type": 7, "model": ["device"]},
    ],
)  # fmt: skip
def test_other_events_are_ignored(source, changed):
    result = source.adapter.parse(signed(said(**changed)))

    assert (result.records, result.fetch) == ((), ())


@pytest.mark.parametrize("data", [None, [], {}, {"id": "x"}, {"id": True}, {"id": ""}, {"id": -1}, {"id": "9" * 20}])
def test_a_webhook_that_does_not_name_its_object_is_invalid(source, data):
    with pytest.raises(Invalid, match="not which one"):
        source.adapter.parse(signed(said(data=data)))


async def test_the_record_that_a_webhook_leads_to_is_the_pulled_one_also_when_the_site_is_a_hub(world, source):
    (hub,) = [
        await source.adapter.fetch(one)
        for one in source.adapter.parse(signed(said(object_type=SITE, data={"id": world.graz}))).fetch
    ]

    assert hub == by_ref(await source.pull("places"))[ref(EntityKind.HUB, world.graz)]


def test_a_webhook_is_accepted_for_fifteen_minutes(source):
    source.adapter.verify(signed(said(), at=SENT + timedelta(minutes=14)))

    with pytest.raises(AuthError, match="more than 0:15:00 from now"):
        source.adapter.verify(signed(said(), at=SENT + timedelta(minutes=16)))


def test_a_body_template_without_time_is_refused_with_advice(source):
    with pytest.raises(AuthError, match="does not say when it was sent") as refused:
        source.adapter.verify(signed({"event": "created", "object_type": "dcim.device"}))

    assert refused.value.hint == "Leave the body template of the webhook in NetBox empty."


def test_a_flipped_byte_is_refused(source):
    request = signed(said())

    with pytest.raises(AuthError, match="does not match its body"):
        source.adapter.verify(WebhookRequest(request.headers, request.body.replace(b"dev", b"dew"), NOW))


async def test_without_a_secret_no_webhook_is_accepted(world):
    source = Source(world, webhook_secret=None)

    with pytest.raises(AuthError, match="a webhook came and the source has no webhook secret"):
        source.adapter.verify(signed(said()))
    await source.connection.aclose()
