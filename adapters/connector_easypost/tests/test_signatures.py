"""Webhooks' signatures, both kinds."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from connector.sdk import AuthError, WebhookRequest
from connector_easypost.signatures import require_v1, require_v2

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
BODY = b'{"description":"tracker.updated"}'
PATH = "/webhooks/parcels"


def signed(key: str, stamp: str, body: bytes = BODY, path: str = PATH) -> WebhookRequest:
    """As EasyPost's clients sign: the key as bytes that are given here, composed or not."""

    def proof(message: bytes) -> str:
        return "hmac-sha256-hex=" + hmac.new(key.encode(), message, hashlib.sha256).hexdigest()

    headers = {
        "x-hmac-signature": proof(body), "x-timestamp": stamp, "x-path": path,
        "x-hmac-signature-v2": proof(stamp.encode() + b"POST" + path.encode() + body),
    }  # fmt: skip
    return WebhookRequest(headers=headers, body=body, received_at=NOON)


@pytest.mark.parametrize("secret", ["s\u00e9cret", "se\u0301cret"])
def test_a_secret_counts_in_its_decomposed_form_however_it_was_typed(secret: str) -> None:
    request = signed("se\u0301cret", "Wed, 25 Nov 2026 12:00:00 -0000")

    require_v1(request, secret)
    require_v2(request, secret)
    for check in (require_v1, require_v2):
        with pytest.raises(AuthError):
            check(signed("s\u00e9cret", format_datetime(NOON)), secret)


@pytest.mark.parametrize("header", ["x-hmac-signature-v2", "x-timestamp", "x-path"])
def test_the_second_kind_covers_time_and_path_too(header: str) -> None:
    request = signed("secret", format_datetime(NOON))
    require_v2(request, "secret")

    for value in ("", request.headers[header].replace("0", "1", 1) + "x"):
        with pytest.raises(AuthError):
            require_v2(replace(request, headers={**request.headers, header: value}), "secret")
    with pytest.raises(AuthError):
        require_v2(replace(request, body=BODY + b" "), "secret")


@pytest.mark.parametrize("away", [timedelta(minutes=-5, seconds=-1), timedelta(minutes=5, seconds=1)])
def test_the_second_kind_is_good_for_five_minutes_on_any_clock(away: timedelta) -> None:
    require_v2(signed("secret", "Wed, 25 Nov 2026 07:00:00 -0500"), "secret")

    with pytest.raises(AuthError, match="more than 0:05:00 from now"):
        require_v2(signed("secret", format_datetime(NOON + away)), "secret")


def test_a_time_that_is_none_is_refused_even_when_it_was_signed() -> None:
    with pytest.raises(AuthError, match="which is no time"):
        require_v2(signed("secret", "yesterday"), "secret")


def test_an_empty_secret_or_a_proof_without_its_name_proves_nothing() -> None:
    with pytest.raises(AuthError):
        require_v1(signed("", format_datetime(NOON)), "")
    request = signed("secret", format_datetime(NOON))
    bare = request.headers["x-hmac-signature"].removeprefix("hmac-sha256-hex=")
    with pytest.raises(AuthError):
        require_v1(replace(request, headers={"x-hmac-signature": bare}), "secret")
