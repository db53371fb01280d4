"""Settings of a source: every problem at once, and a live adapter in the end."""

from __future__ import annotations

import httpx
import pytest

from connector.sdk import ConfigError, connect
from connector.sdk.connection import read_config
from connector.sdk.registry import load_adapter
from tests.conftest import MovableClock

GOOD = {"base_url": "http://acme.test", "token": "acme-0123456789", "webhook_secret": "a long secret"}


def test_every_problem_of_the_settings_is_told_at_once_with_an_example():
    settings = {"base_url": "acme", "webhook_secret": "very secret text", "page_size": "many", "colour": "red"}

    with pytest.raises(ConfigError) as raised:
        read_config("itsm_eu", load_adapter("acme"), settings)

    assert raised.value.message.splitlines() == [
        "settings of source 'itsm_eu' cannot be used:",
        "  sources.itsm_eu.base_url: Input should be a valid URL, relative URL without a base. "
        "Example: 'https://cmdb.example.com'.",
        "  sources.itsm_eu.token: Field required. Example: 'acme-0123456789'.",
        "  sources.itsm_eu.page_size: Input should be a valid integer, unable to parse string as an integer. "
        "Example: 100.",
        "  sources.itsm_eu.colour: Extra inputs are not permitted.",
    ]
    assert "very secret text" not in str(raised.value)


def test_a_secret_of_the_wrong_kind_is_not_repeated():
    with pytest.raises(ConfigError) as raised:
        read_config("itsm", load_adapter("acme"), {**GOOD, "token": ["canary-in-a-list"]})

    assert "canary-in-a-list" not in str(raised.value)
    assert raised.value.__context__ is None or raised.value.__suppress_context__


async def test_a_connection_speaks_through_one_client_with_the_configured_headers(clock: MovableClock):
    asked: list[httpx.Request] = []

    class System(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            asked.append(request)
            return httpx.Response(200, json={"version": "2.1"})

    connection = connect("itsm_eu", "acme", GOOD, clock=clock, transport=System())
    health = await connection.adapter.check()
    await connection.aclose()

    assert (connection.name, connection.adapter_name, health.version) == ("itsm_eu", "acme", "2.1")
    assert asked[0].headers["authorization"] == "Bearer acme-0123456789"
    assert str(asked[0].url) == "http://acme.test/api/version"


def test_an_adapter_that_is_not_installed_is_a_configuration_error(clock: MovableClock):
    with pytest.raises(ConfigError, match="adapter 'nobody' is not installed"):
        connect("itsm_eu", "nobody", GOOD, clock=clock)
