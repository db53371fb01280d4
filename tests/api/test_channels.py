"""Red channels over GraphQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from connector.api.schema.nodes import global_id
from connector.rules.policy.reading import default_policy
from tests.api.conftest import Hub

DOCUMENT = (Path(__file__).parents[2] / "graphql/operations/RedChannels.graphql").read_text(encoding="utf-8")
KIND, STATED = next(iter(default_policy().red_channels.items()))


async def test_a_channel_is_opened_extended_and_closed_with_its_report(hub: Hub):
    async def do(operation: str, **variables: Any) -> Any:
        body = {"query": DOCUMENT, "operationName": operation, "variables": variables}
        answer = (await hub.client.post("/graphql", json=body)).json()
        assert "errors" not in answer, answer
        return next(iter(answer["data"].values()))

    given = {"name": KIND, "reason": "advisory 7", "until": "2026-11-25T12:00:00Z", "regions": ["EU"]}
    opened = await do("OpenRedChannel", **given, key="1")
    again = await do("OpenRedChannel", **given, key="1")
    nowhere = await do("OpenRedChannel", **{**given, "regions": []}, key="2")
    channel = opened["channel"]["id"]
    extended = await do("ExtendRedChannel", channel=channel, reason="more", until="2026-11-25T13:00:00Z", key="3")
    closed = await do("CloseRedChannel", channel=channel, reason="over", key="4")
    late = await do("ExtendRedChannel", channel=channel, reason="more", until="2026-11-25T14:00:00Z", key="5")
    unknown = await do("CloseRedChannel", channel=global_id("RedChannel", 99), reason="over", key="6")
    [listed] = (await do("RedChannels"))["nodes"]

    assert opened["channel"] == again["channel"] == {"id": channel, "name": KIND, "endsAt": "2026-11-25T12:00:00Z"}
    assert extended["channel"]["endsAt"] == "2026-11-25T13:00:00Z"
    assert closed["channel"]["report"] == {"tickets": [], "units": [], "costCents": 0, "skippedApprovals": 0}
    assert [answer["errors"][0]["__typename"] for answer in (nowhere, late, unknown)] == [
        "InvalidInputRefusal", "IllegalTransitionRefusal", "NotFoundRefusal",
    ]  # fmt: skip
    assert (listed["openedBy"], listed["closedBy"], listed["scope"]["regions"]) == ("api", "api", ["EU"])
