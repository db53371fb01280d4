"""Webhooks as PagerDuty's manual describes them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connector.sdk import AuthError, Invalid, WebhookRequest
from connector_pagerduty import PagerDuty
from connector_pagerduty.sandbox import PagerDutySandbox
from connector_pagerduty.sandbox.system import SECRET
from connector_pagerduty.shapes import incident_ref
from connector_pagerduty.webhook import SIGNATURE

from .conftest import NOON, Opened

REFERENCE = {"id": "PGR0VU2", "type": "incident_reference", "summary": "A little bump in the road"}


def posted(event_type: str, data: dict[str, Any]) -> WebhookRequest:
    event = {"id": "5ac64822", "event_type": event_type, "resource_type": "incident", "data": data}
    return WebhookRequest(headers={}, body=json.dumps({"event": event}).encode(), received_at=NOON)


@pytest.mark.parametrize(
    "secrets", [(SECRET,), ("the secret before", SECRET), (SECRET, "the next secret"), ("a", SECRET, "b")]
)
def test_one_of_several_signatures_is_enough_while_the_secret_is_replaced(
    sandbox: PagerDutySandbox, pagerduty: PagerDuty, secrets: tuple[str, ...]
) -> None:
    pagerduty.verify(sandbox.post({"event": {}}, NOON, *secrets))


def test_a_signature_by_none_of_our_secrets_is_refused(sandbox: PagerDutySandbox, pagerduty: PagerDuty) -> None:
    with pytest.raises(AuthError, match="none of the webhook's 2 signatures in header 'X-PagerDuty-Signature' fits"):
        pagerduty.verify(sandbox.post({"event": {}}, NOON, "the secret before", "another"))


@pytest.mark.parametrize("version", ["", "v0=", "v2=", "sha256="])
def test_a_signature_of_another_version_is_none(sandbox: PagerDutySandbox, pagerduty: PagerDuty, version: str) -> None:
    good = sandbox.post({"event": {}}, NOON)
    proof = good.headers[SIGNATURE].removeprefix("v1=")

    with pytest.raises(AuthError):
        pagerduty.verify(WebhookRequest({SIGNATURE: version + proof}, good.body, NOON))


async def test_without_a_secret_no_webhook_is_accepted(sandbox: PagerDutySandbox, opened: Opened) -> None:
    async with opened(webhook_secret=None) as adapter:
        with pytest.raises(AuthError, match="a webhook came and the source has no webhook secret"):
            adapter.verify(sandbox.post({"event": {}}, NOON))


@pytest.mark.parametrize(
    "event_type", ["triggered", "acknowledged", "unacknowledged", "resolved", "reopened", "priority_updated"]
)
def test_a_change_has_its_incident_read_again(pagerduty: PagerDuty, event_type: str) -> None:
    result = pagerduty.parse(posted(f"incident.{event_type}", {"id": "PGR0VU2", "type": "incident"}))

    assert (result.fetch, result.records) == ((incident_ref("PGR0VU2"),), ())


def test_what_belongs_to_an_incident_names_it(pagerduty: PagerDuty) -> None:
    data = {"id": "PVALUES", "type": "incident_field_values", "incident": REFERENCE}

    result = pagerduty.parse(posted("incident.custom_field_values.updated", data))

    assert result.fetch == (incident_ref("PGR0VU2"),)


@pytest.mark.parametrize(
    ("event_type", "data"),
    [
        ("incident.annotated", {"id": "P2LA89X", "type": "incident_note", "incident": REFERENCE}),
        ("incident.responder.added", {"type": "incident_responder", "incident": REFERENCE}),
        ("service.updated", {"id": "PF9KMXH", "type": "service"}),
        ("pagey.ping", {"message": "Hello from your friend Pagey!", "type": "ping"}),
    ],
)
def test_what_changes_no_record_is_passed_over(pagerduty: PagerDuty, event_type: str, data: dict[str, Any]) -> None:
    result = pagerduty.parse(posted(event_type, data))

    assert (result.fetch, result.records, result.reply) == ((), (), None)


def test_a_change_of_no_incident_is_refused(pagerduty: PagerDuty) -> None:
    with pytest.raises(Invalid, match="the webhook about 'incident_field_values' names no incident"):
        pagerduty.parse(posted("incident.resolved", {"id": "PX", "type": "incident_field_values"}))
