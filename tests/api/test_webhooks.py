from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.sdk import WebhookResult
from connector.storage.database.engine import reading
from connector.storage.tables import inbox
from tests.api.conftest import TOKEN, OpenHub
from tests.conftest import MovableClock
from tests.fulfilment.world import World
from tests.ingest.adapters import SECRET, scripted

SIGNED = {"x-signature": SECRET}


async def bodies(engine: AsyncEngine) -> list[bytes]:
    async with reading(engine) as tx:
        return list((await tx.execute(select(inbox.c.body).order_by(inbox.c.id))).scalars())


async def test_a_webhook_is_kept_and_answered_at_once(engine: AsyncEngine, clock: MovableClock, open_hub: OpenHub):
    """Without the hub's token: the source's own signature is what counts."""
    _, connection = scripted(clock)
    heard: list[str] = []

    async def received() -> None:
        heard.append("webhook")

    async with open_hub(connections={"cmdb": connection}, webhook_received=received, token=TOKEN) as hub:
        first = await hub.client.post("/webhooks/cmdb", content=b'{"id": 1}', headers=SIGNED)
        second = await hub.client.post("/webhooks/cmdb", content=b'{"id": 1}', headers=SIGNED)

    assert (first.status_code, first.json()) == (202, {"accepted": True, "new": True})
    assert (second.status_code, second.json()) == (202, {"accepted": True, "new": False})
    assert await bodies(engine) == [b'{"id": 1}']
    assert heard == ["webhook", "webhook"]


async def test_a_challenge_is_answered(clock: MovableClock, open_hub: OpenHub):
    adapter, connection = scripted(clock)
    adapter.webhooks[b"challenge"] = WebhookResult(reply=b"response")

    async with open_hub(connections={"cmdb": connection}) as hub:
        answer = await hub.client.post("/webhooks/cmdb", content=b"challenge", headers=SIGNED)

    assert (answer.status_code, answer.content) == (200, b"response")


@pytest.mark.parametrize(
    ("path", "options", "status", "code", "message"),
    [
        ("cmdb", {"headers": {"x-signature": "forged"}}, 401, "SOURCE_AUTH", "the signature does not match"),
        ("cmdb", {}, 401, "SOURCE_AUTH", "the signature does not match"),
        ("nobody", {"headers": SIGNED}, 404, "NOT_FOUND", "there is no source 'nobody' that is connected"),
        ("itsm", {"headers": SIGNED}, 400, "INVALID_INPUT", "source 'itsm' takes no webhooks"),
        (
            "cmdb",
            {"headers": SIGNED, "content": b"x" * (1024 * 1024 + 1)},
            413,
            "TOO_LARGE",
            "the body is larger than the 1,048,576 bytes that are allowed",
        ),
    ],
)
async def test_what_is_no_webhook_of_a_source_is_refused_and_not_kept(
    engine: AsyncEngine,
    clock: MovableClock,
    open_hub: OpenHub,
    path: str,
    options: dict[str, Any],
    status: int,
    code: str,
    message: str,
):
    _, connection = scripted(clock)
    connections = {"cmdb": connection, "itsm": World().connections(clock)["itsm"]}

    async with open_hub(connections=connections) as hub:
        answer = await hub.client.post(f"/webhooks/{path}", **{"content": b"{}", **options})

    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["extensions"]["code"], error["message"]) == (status, code, message)
    assert SECRET not in answer.text
    assert await bodies(engine) == []


async def test_a_webhook_of_the_largest_size_is_taken(engine: AsyncEngine, clock: MovableClock, open_hub: OpenHub):
    _, connection = scripted(clock)
    largest = b"x" * (1024 * 1024)

    async with open_hub(connections={"cmdb": connection}) as hub:
        answer = await hub.client.post("/webhooks/cmdb", content=largest, headers=SIGNED)

    assert answer.status_code == 202
    assert await bodies(engine) == [largest]


async def test_a_webhook_is_posted_not_got(open_hub: OpenHub):
    async with open_hub() as hub:
        assert (await hub.client.get("/webhooks/cmdb")).status_code == 405
