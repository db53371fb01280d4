"""What operators read at /metrics and /readyz, and who may."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.routing import Route

from connector import __version__
from connector.api import admission
from connector.api.counting import BELOW, ROUTES, route_of
from connector.api.rates import RateLimits, Rates
from connector.model.kinds import SourceState
from connector.model.refs import EntityKind
from connector.sdk import WebhookResult
from connector.storage import tables
from connector.storage.database.changes import NewChange, claim_reader, log_changes, move_reader, publish
from connector.storage.database.engine import transaction
from connector.telemetry import metrics
from connector.telemetry.tally import Tally
from tests.api.conftest import TOKEN, Hub, OpenHub
from tests.api.test_webhooks import SIGNED
from tests.conftest import MovableClock
from tests.factories import insert_row, make_source
from tests.ingest.adapters import scripted

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"


async def scraped(hub: Hub) -> dict[tuple[str, ...], float]:
    """Name and labels, by their names' order -> value."""
    response = await hub.client.get("/metrics")
    assert response.status_code == 200, response.text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


async def test_requests_are_told_by_route_and_code_with_the_time_they_took(hub: Hub):
    for _ in range(3):
        await hub.query("{ __typename }")
    await hub.client.get("/labels/17")
    await hub.client.get("/no-such-place/17")

    told = await scraped(hub)

    assert told["connector_http_requests_total", "200", "/graphql"] == 3
    assert told["connector_http_requests_total", "404", "/labels/{id}"] == 1
    assert told["connector_http_requests_total", "404", "other"] == 1
    assert told["connector_http_request_seconds_count", "/graphql"] == 3
    assert told["connector_http_request_seconds_bucket", "+Inf", "/graphql"] == 3
    assert 0 < told["connector_http_request_seconds_sum", "/graphql"] < 30
    assert told["connector_build_info", __version__] == 1
    assert (told["connector_processes",], told["connector_database_up",]) == (1, 1)


async def test_every_route_is_told_apart_and_nothing_else_is(hub: Hub):
    routes = {route.path for route in hub.app.routes if isinstance(route, Route)}

    def label(path: str) -> str:
        return route_of(re.sub(r"\{.*\}", "17", path))

    assert {label(path) for path in routes} == ROUTES | set(BELOW.values())
    assert all(label(path) == re.sub(":int", "", path) for path in routes)


async def test_all_metrics_are_told_of_and_described_as_the_documentation_has_them(hub: Hub):
    response = await hub.client.get("/metrics")

    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    told = {
        (f"{name}_total" if family.type == "counter" else name, family.type, family.documentation)
        for name, family in families.items()
    }
    assert told == {(metric.name, metric.kind, metric.meaning) for metric in metrics.ALL}
    rows = re.findall(r"^\| `(connector_\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", DOCUMENT.read_text(), re.MULTILINE)
    labels = {metric.name: ", ".join(f"`{label}`" for label in metric.labels) or "–" for metric in metrics.ALL}
    assert rows == [(metric.name, metric.kind, labels[metric.name], metric.meaning) for metric in metrics.ALL]


async def test_openmetrics_is_spoken_to_those_who_ask_for_it(hub: Hub):
    response = await hub.client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})

    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")


@pytest.mark.parametrize(
    ("openness", "address", "headers", "status"),
    [
        ("guarded", "127.0.0.1", {}, 200),
        ("guarded", "::1", {"host": "[::1]:8000"}, 200),
        ("guarded", "127.0.0.1", {"x-forwarded-for": "198.51.100.7"}, 401),
        ("guarded", "127.0.0.1", {"forwarded": "for=198.51.100.7"}, 401),
        ("guarded", "127.0.0.1", {"host": "rebound.example.com"}, 401),
        ("guarded", "198.51.100.7", {}, 401),
        ("guarded", "198.51.100.7", {"authorization": "Bearer wrong"}, 401),
        ("guarded", "198.51.100.7", {"authorization": f"Bearer {TOKEN}"}, 200),
        ("open", "198.51.100.7", {}, 200),
        ("off", "127.0.0.1", {"authorization": f"Bearer {TOKEN}"}, 404),
    ],
)
async def test_who_reads_the_metrics(
    open_hub: OpenHub, openness: str, address: str, headers: Mapping[str, str], status: int
):
    async with open_hub(token=TOKEN, watching={"metrics": openness}) as hub:
        transport = httpx.ASGITransport(hub.app, client=(address, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            response = await client.get("/metrics", headers=headers)

    assert response.status_code == status


async def test_webhooks_are_told_by_what_was_said_to_them(clock: MovableClock, open_hub: OpenHub):
    adapter, connection = scripted(clock)
    adapter.webhooks[b"a"] = WebhookResult()

    async with open_hub(connections={"cmdb": connection}) as hub:
        for body, headers in ((b"a", SIGNED), (b"a", SIGNED), (b"b", SIGNED), (b"a", {})):
            await hub.client.post("/webhooks/cmdb", content=body, headers=headers)
        await hub.client.post("/webhooks/nobody", content=b"a")
        clock.advance(timedelta(seconds=90))

        told = await scraped(hub)

    outcomes = {labels[1]: n for labels, n in told.items() if labels[0] == "connector_webhooks_total"}
    assert outcomes == {"new": 2, "repeated": 1, "forged": 1}
    assert told["connector_http_requests_total", "202", "/webhooks/{source}"] == 3
    assert told["connector_webhooks_waiting", "cmdb"] == 2
    assert told["connector_webhooks_oldest_seconds", "cmdb"] == 90


async def test_what_the_database_knows_is_told_and_not_asked_for_at_every_scrape(
    hub: Hub, engine: AsyncEngine, clock: MovableClock
):
    async with transaction(engine) as tx:
        cmdb = await make_source(tx, "cmdb", state=SourceState.OK, last_success_at=clock.now())
        await make_source(tx, "itsm", state=SourceState.BACKING_OFF)
        seen = {"first_seen_at": clock.now(), "last_seen_at": clock.now()}
        for number, resolved in enumerate((None, None, clock.now())):
            await insert_row(
                tx, tables.quarantine,
                {"source_id": cmdb, "stream": "assets", "fingerprint": str(number), "reason": "odd", "raw": b"",
                 "resolved_at": resolved, **seen},
            )  # fmt: skip
        await claim_reader(tx, "rules")
        await log_changes(tx, [change(1), change(2)], actor="test", at=clock.now())
    await publish(engine)
    clock.advance(timedelta(seconds=30))
    async with transaction(engine) as tx:
        await log_changes(tx, [change(3)], actor="test", at=clock.now())

    told = await scraped(hub)

    assert told["connector_dead_letters", "cmdb"] == 2
    assert told["connector_dead_letters", "itsm"] == 0
    assert (told["connector_source_up", "cmdb"], told["connector_source_up", "itsm"]) == (1, 0)
    last = told["connector_source_last_success_timestamp_seconds", "cmdb"]
    assert last == (clock.now() - timedelta(seconds=30)).timestamp()
    assert ("connector_source_last_success_timestamp_seconds", "itsm") not in told
    assert told["connector_reader_lag_seconds", "rules"] == 30
    assert told["connector_reader_behind_changes", "rules"] == 3
    async with transaction(engine) as tx:
        await tx.execute(update(tables.source).values(state=SourceState.OK))
    assert (await scraped(hub))["connector_source_up", "itsm"] == 0


def change(number: int) -> NewChange:
    return NewChange(EntityKind.TICKET, number, "updated", {"summary": ["a", "b"]})


async def test_the_hub_is_not_ready_while_its_rules_are_far_behind(
    open_hub: OpenHub, engine: AsyncEngine, clock: MovableClock
):
    async with transaction(engine) as tx:
        await claim_reader(tx, "rules")
        await tx.execute(insert(tables.reader).values(name="outbound:portal", position=0))
        await log_changes(tx, [change(1)], actor="test", at=clock.now())
    await publish(engine)

    async with open_hub(watching={"ready_lag_s": 60.0}) as hub:
        clock.advance(timedelta(seconds=60))
        within = await hub.client.get("/readyz")
        clock.advance(timedelta(seconds=1))
        beyond = await hub.client.get("/readyz")
        async with transaction(engine) as tx:
            await move_reader(tx, "rules", 1)
        caught_up = await hub.client.get("/readyz")

    assert (within.status_code, within.json()["readers"]) == (200, {"outbound:portal": 60.0, "rules": 60.0})
    assert beyond.status_code == 503
    told: dict[str, Any] = beyond.json()
    assert told["errors"][0]["message"] == "the rules are 61 s behind the change log, more than 60 s"
    assert (told["database"], told["readers"]["rules"]) == (True, 61.0)
    assert (caught_up.status_code, caught_up.json()["readers"]) == (200, {"outbound:portal": 61.0, "rules": 0.0})


async def test_a_hub_that_is_about_to_stop_is_not_ready_and_answers_all_the_same(hub: Hub):
    hub.app.state.health.is_draining = True

    response = await hub.client.get("/readyz")

    assert (response.status_code, response.json()["draining"]) == (503, True)
    assert response.json()["errors"][0]["message"] == "the hub is about to stop"
    assert await hub.query("{ __typename }") == {"__typename": "Query"}


async def test_refused_requests_are_told_by_their_reason(open_hub: OpenHub, monkeypatch: pytest.MonkeyPatch):
    tally = Tally()
    async with open_hub(rates=Rates(RateLimits(per_address=1, burst_s=60)), watching={"tally": tally}) as hub:
        for status in (200, 429):
            assert (await hub.client.post("/graphql", json={"query": "{ __typename }"})).status_code == status
    monkeypatch.setattr(admission.Admission, "_expected_s", lambda _self: 61.0)
    async with open_hub(longest_wait_s=60.0, watching={"tally": tally}) as hub:
        assert (await hub.client.post("/graphql", json={"query": "{ __typename }"})).status_code == 503

    assert tally.counted().counts[metrics.REFUSED.name] == {("/graphql", "rate"): 1, ("/graphql", "overload"): 1}


async def test_counting_goes_on_where_the_hub_was_given_it(open_hub: OpenHub):
    tally = Tally()
    tally.count(metrics.DECISIONS, "source")

    async with open_hub(watching={"tally": tally}) as hub:
        told = await scraped(hub)

    assert told["connector_decisions_total", "source"] == 1
