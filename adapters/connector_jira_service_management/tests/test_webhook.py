"""What webhooks say, and which are believed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector.sdk import AuthError, Invalid, Tombstone, WebhookRequest, WebhookResult
from connector_jira_service_management.links import ticket_ref

from .conftest import NOON, Desk


def test_the_example_of_the_vendors_page_is_believed(desk: Desk) -> None:
    adapter = desk.adapter(webhook_secret="It's a Secret to Everybody")
    proof = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"

    adapter.verify(WebhookRequest(headers={"x-hub-signature": proof}, body=b"Hello World!", received_at=NOON))
    with pytest.raises(AuthError, match="signature in header 'X-Hub-Signature' does not match"):
        adapter.verify(WebhookRequest(headers={"x-hub-signature": proof}, body=b"Hello World?", received_at=NOON))


def test_without_a_secret_no_webhook_is_believed(desk: Desk) -> None:
    request = desk.sandbox.webhook(at=NOON).request

    with pytest.raises(AuthError, match="the source has no webhook secret"):
        desk.adapter(webhook_secret=None).verify(request)


def test_an_issue_that_was_made_or_changed_is_read(desk: Desk) -> None:
    issue = desk.site.create(NOON)

    for event in ("jira:issue_created", "jira:issue_updated"):
        result = desk.adapter().parse(desk.sandbox.request(desk.sandbox.payload(event, issue, NOON), NOON))
        assert result == WebhookResult(fetch=(ticket_ref(issue.id),))


def test_a_deleted_issue_is_gone_as_of_when_jira_said_so(desk: Desk) -> None:
    issue = desk.site.create(NOON)
    at = NOON + timedelta(milliseconds=250)

    result = desk.adapter().parse(desk.sandbox.request(desk.sandbox.payload("jira:issue_deleted", issue, at), at))

    assert result == WebhookResult(records=(Tombstone(ref=ticket_ref(issue.id), updated_at=at),))


def test_a_comment_has_nothing_read_unless_something_changed_with_it(desk: Desk) -> None:
    payload = desk.sandbox.payload("jira:issue_updated", desk.site.create(NOON), NOON)
    comment = payload | {"issue_event_type_name": "issue_commented"}
    with_change = comment | {"changelog": {"id": "1", "items": [{"field": "status"}]}}

    assert desk.adapter().parse(desk.sandbox.request(comment, NOON)).fetch == ()
    assert len(desk.adapter().parse(desk.sandbox.request(with_change, NOON)).fetch) == 1


def test_a_link_has_both_its_issues_read(desk: Desk) -> None:
    link = {"id": 1, "sourceIssueId": 10001, "destinationIssueId": 10002, "issueLinkType": {"name": "Duplicate"}}
    body = {"timestamp": 1, "webhookEvent": "issuelink_created", "issueLink": link}

    result = desk.adapter().parse(desk.sandbox.request(body, NOON))

    assert result.fetch == (ticket_ref("10001"), ticket_ref("10002"))


def test_a_deletion_that_does_not_say_when_is_invalid(desk: Desk) -> None:
    payload = desk.sandbox.payload("jira:issue_deleted", desk.site.create(NOON), NOON) | {"timestamp": "soon"}

    with pytest.raises(Invalid, match="the webhook cannot be read at /timestamp") as refused:
        desk.adapter().parse(desk.sandbox.request(payload, NOON))
    assert list(refused.value.fields) == ["/timestamp"]
