"""Webhooks as GLPI 11 makes them."""

from __future__ import annotations

import pytest

from connector.sdk import AuthError, Invalid, WebhookRequest
from connector_glpi.mapping import asset_ref
from connector_glpi.tickets import ticket_ref

from .conftest import NOON, Opened

BODY = b'{"event":"update","item":{"id":7,"name":"No link"}}'
PROOF = "f53e86b7d8cec767e0eefa827a00da330b82b7e0f3dc2418280e023fad68b961"
"""By `printf %s BODY1782907200 | openssl dgst -sha256 -hmac sandbox-webhook-secret-81c7`."""


def posted(body: bytes = BODY, proof: str = PROOF, time: str = "1782907200", **query: str) -> WebhookRequest:
    return WebhookRequest({"x-glpi-signature": proof, "x-glpi-timestamp": time}, body, NOON, query)


def test_the_signature_is_that_of_openssl_and_the_ticket_is_read_again(opened: Opened) -> None:
    adapter = opened().adapter

    adapter.verify(posted())

    assert adapter.parse(posted()).fetch == (ticket_ref(7),)


def test_another_time_makes_the_signature_wrong(opened: Opened) -> None:
    with pytest.raises(AuthError, match="does not match its body and time"):
        opened().adapter.verify(posted(time="1782907201"))


def test_without_a_secret_no_webhook_is_accepted(opened: Opened) -> None:
    with pytest.raises(AuthError, match="a webhook came and the source has no webhook secret"):
        opened(webhook_secret=None).adapter.verify(posted())


def test_the_address_says_of_which_type_the_item_is(opened: Opened) -> None:
    adapter = opened().adapter

    assert adapter.parse(posted(itemtype="Computer")).fetch == (asset_ref("Computer", 7),)
    assert adapter.parse(posted(itemtype="Printer")).fetch == ()
    assert opened(roles=["cmdb"]).adapter.parse(posted(itemtype="Ticket")).fetch == ()
    assert opened(roles=["itsm"]).adapter.parse(posted(itemtype="Computer")).fetch == ()


@pytest.mark.parametrize("item", [b"null", b"[]", b"{}", b'{"id":"7"}', b'{"id":0}', b'{"id":true}'])
def test_an_item_without_a_number_is_refused(opened: Opened, item: bytes) -> None:
    with pytest.raises(Invalid, match="the webhook cannot be read at /item"):
        opened().adapter.parse(posted(b'{"event":"new","item":' + item + b"}"))
