"""Verification of webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.sdk import AuthError, Invalid, WebhookRequest, require_hmac, require_json, require_recent, require_secret

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
SECRET = "webhook-canary"


def request(body: bytes = b'{"a": 1}', **headers: str) -> WebhookRequest:
    return WebhookRequest({name.replace("_", "-"): value for name, value in headers.items()}, body, NOW)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("prefix", [True, False])
def test_a_good_signature_is_accepted_with_and_without_its_prefix(algorithm: str, prefix: bool):
    digest = hmac.new(SECRET.encode(), b'{"a": 1}', algorithm).hexdigest()
    proof = f"{algorithm}={digest}" if prefix else digest

    require_hmac(request(x_hook_signature=proof), header="X-Hook-Signature", secret=SECRET, algorithm=algorithm)


def test_a_signature_in_base64_is_accepted_where_it_is_expected():
    """The second example of RFC 4231, section 4.3."""
    body = b"what do ya want for nothing?"
    proof = base64.b64encode(bytes.fromhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")).decode()

    require_hmac(request(body, x_sig=proof), header="X-Sig", secret="Jefe", algorithm="sha256", encoding="base64")
    with pytest.raises(AuthError):
        require_hmac(request(body, x_sig=proof), header="X-Sig", secret="Jefe", algorithm="sha256")


@given(st.binary(max_size=50), st.text(max_size=80))
def test_any_other_signature_is_refused(body: bytes, proof: str):
    expected = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    if proof.strip().removeprefix("sha256=") == expected:
        return

    with pytest.raises(AuthError) as raised:
        require_hmac(request(body, x_sig=proof), header="x-sig", secret=SECRET, algorithm="sha256")

    assert SECRET not in str(raised.value)
    assert expected not in str(raised.value)


def test_a_missing_signature_is_refused_by_the_name_of_its_header():
    with pytest.raises(AuthError) as raised:
        require_hmac(request(), header="X-Sig", secret=SECRET, algorithm="sha256")

    assert raised.value.message == "the webhook's signature in header 'X-Sig' does not match its body"


def test_a_shared_secret_is_compared_whole():
    require_secret(request(x_event_id=SECRET), header="X-Event-Id", secret=SECRET)

    for given_secret in ("", SECRET[:-1], SECRET + "x", SECRET.upper()):
        with pytest.raises(AuthError):
            require_secret(request(x_event_id=given_secret), header="X-Event-Id", secret=SECRET)


def test_an_empty_configured_secret_accepts_nothing():
    with pytest.raises(AuthError):
        require_secret(request(), header="X-Event-Id", secret="")
    empty = hmac.new(b"", b'{"a": 1}', hashlib.sha256).hexdigest()
    with pytest.raises(AuthError):
        require_hmac(request(x_sig=empty), header="X-Sig", secret="", algorithm="sha256")


@pytest.mark.parametrize(("age", "accepted"), [(300, True), (301, False), (-300, True), (-301, False)])
def test_a_webhook_may_be_as_old_or_as_early_as_allowed(age: int, accepted: bool):
    sent_at = NOW - timedelta(seconds=age)

    if accepted:
        require_recent(sent_at, request(), within=timedelta(minutes=5))
        return
    with pytest.raises(AuthError, match="0:05:00 from now"):
        require_recent(sent_at, request(), within=timedelta(minutes=5))


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_is_invalid(body: bytes):
    with pytest.raises(Invalid, match="the webhook's body is not JSON"):
        require_json(request(body))
