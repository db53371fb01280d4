"""Webhooks as Zammad's documentation shows them."""

from __future__ import annotations

import pytest

from connector.sdk import AuthError, Invalid, WebhookRequest
from connector_zammad.mapping import ticket_ref

from .conftest import NOON, Hub

BODY = (
    b'{"ticket":{"id":81,"number":"10081","state":"open","group":{"id":3,"name":"Service Desk"}},"article":{"id":104}}'
)
PROOF = "sha1=3b53ee1cfe5b2e441b7e651cbe5efc785360e199"
"""By `openssl dgst -sha1 -hmac sandbox-webhook-secret-81c7`."""


def posted(body: bytes, proof: str = "") -> WebhookRequest:
    return WebhookRequest({"x-hub-signature": proof, "x-zammad-trigger": "connector"}, body, NOON)


def test_the_signature_is_that_of_openssl_and_the_ticket_is_read_again(hub: Hub) -> None:
    request = posted(BODY, PROOF)

    hub.adapter().verify(request)

    assert hub.adapter().parse(request).fetch == (ticket_ref(81),)


def test_without_a_secret_no_webhook_is_accepted(hub: Hub) -> None:
    with pytest.raises(AuthError, match="a webhook came and the source has no webhook secret"):
        hub.adapter(webhook_secret=None).verify(posted(BODY, PROOF))


@pytest.mark.parametrize("ticket", [b"null", b"[]", b"{}", b'{"id":"81"}', b'{"id":0}', b'{"id":true}', b'{"id":1e30}'])
def test_a_ticket_without_a_number_is_refused(hub: Hub, ticket: bytes) -> None:
    with pytest.raises(Invalid, match="the webhook cannot be read at /ticket"):
        hub.adapter().parse(posted(b'{"ticket":' + ticket + b"}"))
