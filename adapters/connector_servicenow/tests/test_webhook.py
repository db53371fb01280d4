"""What the business rule posts, and which of it is believed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector.sdk import AuthError, EntityKind, Invalid, SourceRef, Tombstone, WebhookResult, hmac_base64
from connector.sdk.testing import Connected, json_webhook
from connector_servicenow.sandbox import ServiceNowSandbox
from connector_servicenow.sandbox.system import SECRET

from .conftest import NOON, Opened

KEY = "9d385017c611228701d22104cc95c371"


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        ("incident", EntityKind.TICKET), ("sc_req_item", EntityKind.TICKET), ("cmn_location", EntityKind.SITE),
        ("alm_stockroom", EntityKind.HUB), ("alm_hardware", EntityKind.ASSET),
        ("cmdb_hardware_product_model", EntityKind.PRODUCT),
    ],
)  # fmt: skip
def test_what_changed_is_read_again_and_what_was_deleted_is_gone(
    source: Connected, sandbox: ServiceNowSandbox, table: str, kind: EntityKind
):
    ref = SourceRef(kind=kind, external_id=KEY)

    for operation in ("insert", "update"):
        assert source.adapter.parse(sandbox.post(table, operation, KEY, NOON)) == WebhookResult(fetch=(ref,))
    deleted = source.adapter.parse(sandbox.post(table, "delete", KEY, NOON))

    assert deleted == WebhookResult(records=(Tombstone(ref=ref, updated_at=NOON),))


def test_a_configuration_item_is_a_device_where_devices_are_configuration_items(
    opened: Opened, sandbox: ServiceNowSandbox
):
    request = sandbox.post("cmdb_ci_ip_switch", "update", KEY, NOON)

    assert opened().adapter.parse(request) == WebhookResult()
    assert opened(device_table="cmdb_ci_hardware").adapter.parse(request).fetch == (
        SourceRef(kind=EntityKind.ASSET, external_id=KEY),
    )


def test_a_row_that_is_none_is_invalid(source: Connected, sandbox: ServiceNowSandbox):
    with pytest.raises(Invalid, match="sys_id is '1\\^ORactive=true'") as raised:
        source.adapter.parse(sandbox.post("incident", "update", "1^ORactive=true", NOON))
    assert list(raised.value.fields) == ["sys_id"]


def test_without_a_secret_no_webhook_is_believed(opened: Opened, sandbox: ServiceNowSandbox):
    with pytest.raises(AuthError, match="the source has no webhook secret"):
        opened(webhook_secret=None).adapter.verify(sandbox.post("incident", "update", KEY, NOON))


@pytest.mark.parametrize(
    ("body", "minutes", "said"),
    [
        ({"table": "incident"}, 0, "does not say when it was sent"),
        ({"table": "incident", "timestamp": "2026-11-25 12:00:00"}, 0, "has no zone"),
        ({"table": "incident", "timestamp": "2026-11-25T12:00:00Z"}, 16, "more than 0:15:00 from now"),
    ],
)
def test_a_webhook_of_another_time_is_not_believed(source: Connected, body: object, minutes: int, said: str):
    at = NOON + timedelta(minutes=minutes)
    request = json_webhook(body, at, lambda content: {"x-connector-signature": hmac_base64(SECRET, content)})

    with pytest.raises(AuthError, match=said):
        source.adapter.verify(request)
