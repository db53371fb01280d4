"""Clouds, and categories that are written."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from connector_intune import IntuneConfig

APP = {"tenant": "contoso.com", "client_id": "5f1c3a52-0d8e-4a5f-9a1b-6f3f1f1f7c11", "client_secret": "secret"}
WRITES = {"write_back": True, "in_use_category": "In use", "failed_category": "Replaced"}


@pytest.mark.parametrize(
    ("settings", "tokens"),
    [
        ({}, "https://login.microsoftonline.com"),
        ({"base_url": "https://dod-graph.microsoft.us"}, "https://login.microsoftonline.us"),
        ({"base_url": "https://microsoftgraph.chinacloudapi.cn/"}, "https://login.chinacloudapi.cn"),
        ({"login_url": "https://login.partner.microsoftonline.cn/"}, "https://login.partner.microsoftonline.cn"),
    ],
)
def test_tokens_come_from_the_cloud_that_the_tenant_is_in(settings: dict[str, str], tokens: str):
    assert IntuneConfig.model_validate(APP | settings).token_url() == f"{tokens}/contoso.com/oauth2/v2.0/token"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"base_url": "https://graph.example.com"}, "is no cloud of Microsoft's that is known"),
        ({"tenant": "contoso/../common"}, "String should match pattern"),
        ({"tenant": "common"}, "String should match pattern"),
        ({"retire_failed": True}, "retire_failed needs write_back"),
        (
            {**WRITES, "retire_failed": True, "management_state": False},
            "retire_failed needs management_state",
        ),
        ({**WRITES, "in_use_category": " "}, "write_back needs in_use_category"),
        (WRITES, "failed_category 'Replaced' means deployed: say in `categories`"),
        (
            {**WRITES, "categories": {"replaced ": "repair"}, "hub_categories": {"in use": "Depot"}},
            "in_use_category 'In use' means in_stock, not deployed",
        ),
        ({"points": {"HQ": [148.1, 11.5]}}, "latitude and longitude are wanted"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(settings: dict[str, object], said: str):
    with pytest.raises(ValidationError) as refused:
        IntuneConfig.model_validate(APP | settings)

    assert said in str(refused.value)
