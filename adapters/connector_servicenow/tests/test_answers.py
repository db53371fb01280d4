"""Answers that mean something else than their status says, and ways to prove who asks."""

from __future__ import annotations

import json

import httpx
import pytest

from connector.sdk import (
    AdapterError,
    AddNote,
    AuthError,
    ConfigError,
    Invalid,
    OutcomeUnknown,
    RateLimited,
    SetTicketFields,
    Transient,
    UnexpectedResponse,
)
from connector.sdk.testing import Connected
from connector_servicenow import ServiceNowConfig
from connector_servicenow.sandbox import ServiceNowSandbox
from connector_servicenow.sandbox.system import API_KEY, CLIENT, PASSWORD, USER

from .conftest import Opened

CANCELLED = {
    "message": "Transaction cancelled: maximum execution time exceeded",
    "detail": "Transaction cancelled: maximum execution time exceeded Check logs for error trace",
}
MANDATORY = "Data Policy Exception: The following fields are mandatory: U Site"
SLEEPING = "<html><head><title>Instance Hibernating page</title></head><body>Your instance is hibernating</body></html>"


def answer(status: int, body: object, kind: str = "application/json") -> httpx.Response:
    text = body if isinstance(body, str) else json.dumps(body)
    return httpx.Response(status, headers={"content-type": kind}, text=text)


def failure(message: str, detail: str | None = None) -> dict[str, object]:
    return {"error": {"message": message, "detail": detail}, "status": "failure"}


@pytest.mark.parametrize(
    ("given", "expected", "said"),
    [
        (answer(200, SLEEPING, "text/html;charset=UTF-8"), Transient, "the instance is hibernating"),
        (answer(200, {"result": [], "error": CANCELLED, "status": "failure"}), Transient, "cancelled the transaction"),
        (answer(200, '{"result":[{"sys_id":"a"},' + json.dumps({"error": CANCELLED})), Transient, "it took too long"),
        (answer(200, '{"result":[{"sys_id":"a"},'), UnexpectedResponse, "is not JSON"),
        (answer(200, {"result": {}}), UnexpectedResponse, "is no list of objects"),
        (answer(200, failure("Something new")), UnexpectedResponse, "answers 200 with an error"),
        (answer(400, failure("Invalid table incidents")), ConfigError, "Invalid table incidents"),
        (answer(404, failure("Requested URI does not represent any resource")), ConfigError, "any resource"),
        (answer(403, failure("User Not Authorized", "Failed API level ACL Validation")), AuthError, "answered 403"),
        (httpx.Response(429, headers={"retry-after": "1800"}, json=failure("Rate limit exceeded")), RateLimited, "429"),
    ],
)
async def test_a_read_that_fails_is_of_the_class_that_says_what_to_do(
    source: Connected, given: httpx.Response, expected: type[AdapterError], said: str
):
    source.wire.change = lambda _: given

    with pytest.raises(AdapterError, match=said) as raised:
        await source.pull("hardware")

    assert type(raised.value) is expected


@pytest.mark.parametrize(
    ("given", "expected", "said"),
    [
        (answer(200, SLEEPING, "text/html"), Transient, "the instance is hibernating"),
        (answer(200, {"error": CANCELLED, "status": "failure"}), OutcomeUnknown, "cancelled the transaction"),
        (
            answer(403, failure("Operation Failed", "ACL Exception Update Failed due to security constraints")),
            AuthError,
            "answered 403",
        ),
        (
            answer(
                403, failure("Operation Failed", "Data Policy Exception: The following fields are mandatory: U Site")
            ),
            Invalid,
            "fields are mandatory: U Site",
        ),
        (answer(400, failure("Exception while reading request")), Invalid, "Exception while reading request"),
    ],
)
async def test_a_write_that_fails_is_of_the_class_that_says_what_to_do(
    source: Connected, sandbox: ServiceNowSandbox, given: httpx.Response, expected: type[AdapterError], said: str
):
    operation = SetTicketFields("k", sandbox.new_ticket(), {"u_tracking_number": "1"})
    source.wire.change = lambda request: given if request.method == "PATCH" else None

    with pytest.raises(AdapterError, match=said) as raised:
        await source.adapter.push(operation)

    assert type(raised.value) is expected
    if isinstance(raised.value, Invalid):
        assert list(raised.value.fields) == ["u_tracking_number"]


async def test_a_user_who_sees_none_of_the_rows_is_told_at_the_check(source: Connected, sandbox: ServiceNowSandbox):
    ref = sandbox.new_ticket()
    assert (await source.adapter.check()).detail == "0 rows in alm_hardware, 1 rows in incident"
    sandbox.instance.hidden.add(ref.external_id)

    with pytest.raises(AuthError, match="incident has 1 rows, and the user sees none"):
        await source.adapter.check()


async def test_a_token_is_asked_for_once_and_once_more_when_it_is_refused(opened: Opened, sandbox: ServiceNowSandbox):
    source = opened(username=None, password=None, client_id=CLIENT[0], client_secret=CLIENT[1])
    ticket = sandbox.new_ticket()

    await source.pull("tickets")
    await source.adapter.push(AddNote("k", ticket, "On its way."))
    assert source.wire.count("/oauth_token.do") == 1
    sandbox.server.tokens.append("another-one-00000")  # the one that was given out is revoked
    await source.pull("tickets")
    assert source.wire.count("/oauth_token.do") == 2

    sandbox.server.tokens.clear()
    source.wire.change = lambda request: (
        httpx.Response(401, json={"error": "access_denied"}) if request.url.path == "/oauth_token.do" else None
    )
    with pytest.raises(AuthError, match="ask for a token"):
        await source.pull("tickets")


async def test_a_key_goes_in_its_own_header(opened: Opened, sandbox: ServiceNowSandbox):
    source = opened(username=None, password=None, api_key=API_KEY)

    await source.adapter.check()

    assert {request.headers.get("x-sn-apikey") for request in source.requests} == {API_KEY}
    assert not any("authorization" in request.headers for request in source.requests)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"password": None}, "username goes with password"),
        ({"api_key": API_KEY}, "give one of"),
        ({"username": None, "password": None}, "give one of"),
        ({"write_through": "reconcile"}, "needs device_table"),
        ({"device_query": "a=1^NQb=2"}, "is no encoded query of conditions alone"),
        ({"write_back": True, "failed_status": "1"}, "failed_status '1' must mean one of"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(changes: dict[str, object], said: str):
    settings = {"base_url": "https://x.example", "username": USER, "password": PASSWORD} | changes

    with pytest.raises(ValueError, match=said):
        ServiceNowConfig.model_validate({name: value for name, value in settings.items() if value is not None})
