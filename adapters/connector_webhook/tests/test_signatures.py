"""Signatures as Standard Webhooks and its libraries have them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connector.sdk import AuthError, WebhookRequest, hmac_base64, hmac_hex
from connector.sdk.connection import config_problems
from connector_webhook import Webhook
from connector_webhook.definition import SignatureFacts
from connector_webhook.sandbox import AcmeDeskSandbox
from connector_webhook.sandbox.system import DOCUMENT, SECRET, WRONG_SECRET
from connector_webhook.signatures import require_signature, secret_bytes, standard_headers

from .conftest import NOON, TICKET

# The vector and the cases that the libraries of Standard Webhooks share, libraries/*/test* of
# https://github.com/standard-webhooks/standard-webhooks
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
KEY = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
AT = datetime.fromtimestamp(1614265330, UTC)
PROOF = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OTHER = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
GOOD = {"webhook-id": ID, "webhook-timestamp": "1614265330", "webhook-signature": PROOF}
STANDARD = SignatureFacts()


def require(headers: dict[str, str], at: datetime = AT, body: bytes = BODY, *secrets: str) -> None:
    require_signature(WebhookRequest(headers, body, at), STANDARD, secrets or (KEY,))


def test_the_vector_is_signed_and_accepted():
    assert standard_headers(ID, AT, BODY, [KEY]) == GOOD
    assert standard_headers(ID, AT, BODY, [f"whsec_{KEY}"]) == GOOD
    require(GOOD)


def test_one_of_several_signatures_is_enough_and_others_versions_are_none():
    require(GOOD | {"webhook-signature": f"{OTHER} v2{PROOF[2:]} {PROOF} {OTHER}"})
    for proof in (f"{OTHER} v2{PROOF[2:]}", f"v1a{PROOF[2:]}", PROOF[3:], PROOF[:8], "v1,", ",", "v1", " "):
        with pytest.raises(AuthError):
            require(GOOD | {"webhook-signature": proof})


@pytest.mark.parametrize("name", list(GOOD))
def test_each_header_is_needed_and_covered(name: str):
    with pytest.raises(AuthError, match=f"has no header {name}"):
        require({key: text for key, text in GOOD.items() if key != name})
    with pytest.raises(AuthError):
        require(GOOD | {name: f"{GOOD[name]}1"})


@pytest.mark.parametrize(
    "stamp", ["hello", "-1614265330", "1614265330.0", "16142653300000000000", "１６１４２６５３３０"]
)
def test_a_time_stamp_is_a_number_of_seconds(stamp: str):
    with pytest.raises(AuthError, match="no number of seconds"):
        require(GOOD | {"webhook-timestamp": stamp})


def test_the_time_stamp_may_be_five_minutes_off():
    minutes = timedelta(minutes=5)
    require(GOOD, AT + minutes)
    require(GOOD, AT - minutes)
    for at in (AT + minutes + timedelta(seconds=1), AT - minutes - timedelta(seconds=1)):
        with pytest.raises(AuthError, match="from now"):
            require(GOOD, at)
    with pytest.raises(AuthError, match="from now"):
        require(GOOD | {"webhook-timestamp": "999999999999"})


def test_either_secret_vouches_while_one_is_replaced():
    require(GOOD, AT, BODY, SECRET, KEY)
    with pytest.raises(AuthError, match="none of the webhook's 1 signatures"):
        require(GOOD, AT, BODY, SECRET, WRONG_SECRET)


def test_headers_may_have_another_prefix():
    facts = SignatureFacts(prefix="Svix")
    headers = {name.replace("webhook", "svix"): text for name, text in GOOD.items()}

    require_signature(WebhookRequest(headers, BODY, AT), facts, [KEY])
    with pytest.raises(AuthError, match="has no header svix-id"):
        require_signature(WebhookRequest(GOOD, BODY, AT), facts, [KEY])


@pytest.mark.parametrize(
    ("facts", "proof"),
    [
        (SignatureFacts(kind="hmac", header="X-Acme"), hmac_hex("key", BODY)),
        (SignatureFacts(kind="hmac", header="X-Acme"), f"sha256={hmac_hex('key', BODY)}"),
        (
            SignatureFacts(kind="hmac", header="X-Acme", algorithm="sha512", encoding="base64"),
            hmac_base64("key", BODY, "sha512"),
        ),
    ],
)
def test_an_hmac_of_the_body_in_one_header_is_enough_where_the_document_says_so(facts: SignatureFacts, proof: str):
    require_signature(WebhookRequest({"x-acme": proof}, BODY, AT), facts, ["next", "key"])
    for headers, secrets in (({"x-acme": proof}, ["next"]), ({"x-acme": proof[1:]}, ["key"]), ({}, ["key"])):
        with pytest.raises(AuthError, match="header 'X-Acme' does not match"):
            require_signature(WebhookRequest(headers, BODY, AT), facts, secrets)


def test_the_adapter_knows_both_of_its_secrets(sandbox: AcmeDeskSandbox, webhook: Webhook):
    webhook.verify(sandbox.post(TICKET, NOON, WRONG_SECRET, SECRET))
    with pytest.raises(AuthError):
        webhook.verify(sandbox.post(TICKET, NOON, WRONG_SECRET))


def test_a_secret_that_is_none_is_said_when_settings_are_read():
    assert secret_bytes("whsec_YWFhYWFhYWFhYWFhYWFhYQ") == secret_bytes("YWFhYWFhYWFhYWFhYWFhYQ==") == b"a" * 16
    problems = config_problems("acme", Webhook, {"definition": str(DOCUMENT), "secret": "not base64!"})
    assert problems == (
        "sources.acme: Value error, secret is no secret of Standard Webhooks: expected whsec_ and Base64.",
    )
    good = {"definition": str(DOCUMENT), "secret": SECRET, "deliver_to": "https://a.test/"}
    problems = config_problems("acme", Webhook, good | {"deliver_secret": "whsec_YQ=="})
    assert [problem.split(" Example")[0] for problem in problems] == [
        "sources.acme.deliver_secret: Value error, has 1 bytes, expected 16 to 512."
    ]
    assert config_problems("acme", Webhook, good) == (
        "sources.acme: Value error, deliver_to needs `deliver_secret`: nobody could tell a post from a forgery.",
    )
