"""Webhooks as Zendesk's documentation shows them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector.sdk import AuthError, Invalid, WebhookRequest
from connector_zendesk.mapping import ticket_ref

from .conftest import NOON, Hub

BODY = b'{"ticket_id": "35436"}'
PROOF = "ClB7HGpQmap9Hopcd8HnwvgMIBxzBtWlYZ9JQTtk4m8="
"""By `printf '%s%s' 2026-11-25T12:00:00Z BODY | openssl dgst -sha256 -hmac SECRET -binary | base64`."""


def posted(body: bytes, proof: str = "", at: str = "2026-11-25T12:00:00Z") -> WebhookRequest:
    headers = {"x-zendesk-webhook-signature": proof, "x-zendesk-webhook-signature-timestamp": at}
    return WebhookRequest(headers, body, NOON)


def test_the_signature_is_that_of_openssl_over_time_and_body(hub: Hub) -> None:
    request = posted(BODY, PROOF)

    hub.adapter().verify(request)

    assert hub.adapter().parse(request).fetch == (ticket_ref(35436),)


def test_a_later_time_needs_a_signature_of_its_own(hub: Hub) -> None:
    with pytest.raises(AuthError, match="does not match"):
        hub.adapter().verify(posted(BODY, PROOF, at="2026-11-25T12:00:01Z"))


def test_the_tolerance_is_a_setting(hub: Hub) -> None:
    late = hub.sandbox.post({"ticket_id": 1}, NOON)
    late = WebhookRequest(late.headers, late.body, NOON + timedelta(minutes=9))

    hub.adapter(webhook_tolerance="PT10M").verify(late)
    with pytest.raises(AuthError):
        hub.adapter().verify(late)


def test_without_a_secret_no_webhook_is_accepted(hub: Hub) -> None:
    with pytest.raises(AuthError, match="the source has no webhook secret"):
        hub.adapter(webhook_secret=None).verify(posted(BODY, PROOF))


@pytest.mark.parametrize(
    ("kind", "is_read"),
    [
        ("ticket.status_changed", True), ("ticket.soft_deleted", True), ("ticket.created", True),
        ("ticket.comment_added", False), ("ticket.attachment_linked_to_comment", False), ("user.created", False),
    ],
)  # fmt: skip
def test_a_ticket_is_read_again_after_what_a_record_shows(hub: Hub, kind: str, is_read: bool) -> None:
    body = b'{"type":"zen:event-type:%s","detail":{"id":"7"},"subject":"zen:ticket:7"}' % kind.encode()

    assert hub.adapter().parse(posted(body)).fetch == ((ticket_ref(7),) if is_read else ())


@pytest.mark.parametrize("body", [b"{}", b'{"ticket_id":"{{ticket.id}}"}', b'{"ticket_id":0}', b"[]"])
def test_a_ticket_without_a_number_is_refused(hub: Hub, body: bytes) -> None:
    with pytest.raises(Invalid):
        hub.adapter().parse(posted(body))
