"""Plans of syncs, the history of pulls and pauses of sources over GraphQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.access import ApiKey
from connector.api.commands import hub_commands
from connector.api.schema.nodes import global_id
from connector.ingest.guard import Guard, Limit
from connector.model.principals import Principal
from connector.sdk import SiteRecord, Stream
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.sources.sources import register_source
from tests.api.conftest import Hub, OpenHub
from tests.conftest import MovableClock
from tests.fulfilment.scene import make_engine
from tests.ingest.adapters import Scripted, scripted
from tests.ingest.records import batch, rejected, site

OPERATIONS = Path(__file__).parents[2] / "graphql" / "operations"
PLANS = (OPERATIONS / "SyncPlans.graphql").read_text(encoding="utf-8")
PAGE = (OPERATIONS / "SyncPlanPage.graphql").read_text(encoding="utf-8")
RUNS = (OPERATIONS / "SyncRuns.graphql").read_text(encoding="utf-8")
OPERATE = (OPERATIONS / "Operate.graphql").read_text(encoding="utf-8")
SOURCE = global_id("Source", 1)


class Operator:
    """Somebody at a hub with one source."""

    def __init__(self, hub: Hub, adapter: Scripted) -> None:
        self.hub = hub
        self.adapter = adapter

    def says(self, *names: str, **values: Any) -> None:
        """Have the source hold sites of these names."""
        sites = (site(f"s{number}", name=name) for number, name in enumerate(names))
        self.adapter.scripts = {"sites": [batch(*sites, complete=True, **values)]}

    async def do(self, name: str, text: str = PLANS, /, **variables: Any) -> Any:
        """The one root field of one of the published operations."""
        answer = await self.hub.execute(text, name, **variables)
        assert "errors" not in answer, answer
        (value,) = answer["data"].values()
        return value


@asynccontextmanager
async def operator(
    engine: AsyncEngine, database: str, clock: MovableClock, open_hub: OpenHub, **options: Any
) -> AsyncIterator[Operator]:
    """An operator of a hub whose one source may change two sites at once."""
    adapter, connection = scripted(clock, Stream("sites", SiteRecord, "snapshot"))
    connections = {"cmdb": connection}
    async with transaction(engine) as tx:
        await register_source(tx, name="cmdb", adapter="scripted", at=clock.now())
    commands = hub_commands(
        make_engine(engine, database, {}, clock).commands, engine, connections, clock,
        guards={"cmdb": Guard(changed=Limit(0.1, 2))},
    )  # fmt: skip
    async with open_hub(commands=commands, **options) as hub:
        yield Operator(hub, adapter)


@pytest.fixture
async def at(engine: AsyncEngine, database: str, clock: MovableClock, open_hub: OpenHub) -> AsyncIterator[Operator]:
    async with operator(engine, database, clock, open_hub) as person:
        yield person


async def names(engine: AsyncEngine) -> list[str]:
    async with reading(engine) as tx:
        return [
            name for name in (await tx.execute(select(tables.site.c.name).order_by(tables.site.c.id))).scalars() if name
        ]


async def test_a_plan_is_made_read_approved_and_applied_once(engine: AsyncEngine, clock: MovableClock, at: Operator):
    at.says("Kiel", "Ulm", rejected=(rejected(b"x", "no name"),))

    made = await at.do("PlanSync", source=SOURCE, key="1")
    clock.advance(timedelta(seconds=5))
    again = await at.do("PlanSync", source=SOURCE, key="1")
    plan = made["plan"]["id"]
    page = await at.do("SyncPlanPage", PAGE, plan=plan)
    beyond = await at.do("SyncPlanPage", PAGE, plan=plan, number=2)
    early = await at.do("ApplySyncPlan", plan=plan, key="2")
    approved = [await at.do("ApproveSyncPlan", plan=plan, key="3") for _ in range(2)]
    applied = [await at.do("ApplySyncPlan", plan=plan, key="4") for _ in range(2)]
    late = await at.do("DiscardSyncPlan", plan=plan, key="5")

    assert made == again == {
        "plan": {
            "id": plan, "state": "PROPOSED", "streams": [{"name": "sites", "created": 2, "updated": 0, "retired": 0}],
        },
        "errors": [],
    }  # fmt: skip
    assert (page["number"], page["pageCount"]) == (1, 1)
    assert [(c["kind"], c["operation"], c["name"], c["externalRefs"]) for c in page["changes"]] == [
        ("SITE", "created", "Kiel", ["s0"]), ("SITE", "created", "Ulm", ["s1"]),
    ]  # fmt: skip
    assert {"name": "name", "before": None, "after": "Kiel"} in page["changes"][0]["fields"]
    assert page["quarantine"] == [{"externalRef": None, "reason": "no name", "path": "/serial"}]
    assert (beyond["pageCount"], beyond["changes"]) == (1, [])
    assert early["errors"][0]["__typename"] == "IllegalTransitionRefusal"
    assert approved == [{"plan": {"id": plan, "state": "APPROVED", "decidedBy": "api"}, "errors": []}] * 2
    assert [answer["plan"]["state"] for answer in applied] == ["APPLIED", "APPLIED"]
    assert late["errors"][0]["message"].endswith("only one that is proposed or approved becomes discarded")
    assert await names(engine) == ["Kiel", "Ulm"]
    runs = (await at.do("SyncRuns", RUNS, source="cmdb"))["nodes"]
    assert [(run["mode"], run["outcome"], run["created"], run["startedBy"]) for run in runs] == [
        ("PLAN", "PULLED", 2, "api")
    ]


async def test_what_the_guard_stopped_waits_as_a_plan_that_is_refused_when_the_source_has_drifted(
    engine: AsyncEngine, at: Operator
):
    at.says("a", "b", "c")
    await at.do("SyncSource", OPERATE, source=SOURCE, key="1")
    at.says("A", "B", "C")

    stopped = await at.do("SyncSource", OPERATE, source=SOURCE, key="2")

    assert (stopped["outcome"], stopped["state"]) == ("stopped", "PAUSED")
    (waiting,) = (await at.do("SyncPlans"))["nodes"]
    assert (waiting["createdBy"], waiting["exceedsLimit"], waiting["streams"][0]["updated"]) == ("guard", True, 3)
    assert waiting["source"]["pausedBy"] == "guard"
    await at.do("ApproveSyncPlan", plan=waiting["id"], key="3")
    at.says("A", "B", "other")
    refused = await at.do("ApplySyncPlan", plan=waiting["id"], key="4")
    assert refused["errors"][0]["__typename"] == "ConflictRefusal"
    assert await names(engine) == ["a", "b", "c"]
    assert (await at.do("SyncPlans"))["totalCount"] == 0


async def test_a_source_is_paused_and_resumed(engine: AsyncEngine, at: Operator):
    paused = [await at.do("PauseSource", source=SOURCE, reason="stocktaking", key="1") for _ in range(2)]
    nothing = await at.do("PauseSource", source=SOURCE, reason=" ", key="2")
    twice = await at.do("PauseSource", source=SOURCE, reason="me too", key="3")
    skipped = await at.do("SyncSource", OPERATE, source=SOURCE, key="4")
    resumed = [await at.do("ResumeSource", source=SOURCE, key=key) for key in ("5", "6", "5")]

    told = {"id": SOURCE, "state": "PAUSED", "pausedBy": "api", "pauseReason": "stocktaking"}
    assert paused == [{"source": told, "errors": []}] * 2
    assert [answer["errors"][0]["code"] for answer in (nothing, twice)] == ["INVALID_INPUT", "ILLEGAL_TRANSITION"]
    assert (skipped["outcome"], skipped["state"]) == ("skipped", "PAUSED")
    assert [answer["wasPaused"] for answer in resumed] == [True, False, True]
    assert at.adapter.asked == []


async def test_plans_are_for_those_with_the_role_and_show_what_they_may_read(
    engine: AsyncEngine, database: str, clock: MovableClock, open_hub: OpenHub
):
    people = {"mia": "machine", "pat": "planner", "eve": "viewer"}
    keys = tuple(
        ApiKey.of(f"{name}-has-a-token-of-her-own", Principal(name, frozenset({role}))) for name, role in people.items()
    )
    async with operator(engine, database, clock, open_hub, keys=keys) as at:

        async def as_(name: str, operation: str, **variables: Any) -> Any:
            at.hub.client.headers["authorization"] = f"Bearer {name}-has-a-token-of-her-own"
            return await at.do(operation, **variables)

        at.says("Kiel")
        plan = (await as_("mia", "PlanSync", source=SOURCE, key="1"))["plan"]["id"]
        refused = [
            await as_("mia", "ApproveSyncPlan", plan=plan, key="2"),
            await as_("eve", "DiscardSyncPlan", plan=plan, key="3"),
            await as_("eve", "PlanSync", source=SOURCE, key="4"),
            await as_("mia", "PauseSource", source=SOURCE, reason="no", key="5"),
        ]
        approved = await as_("pat", "ApproveSyncPlan", plan=plan, key="6")
        applied = await as_("mia", "ApplySyncPlan", plan=plan, key="7")

    assert [answer["errors"][0]["__typename"] for answer in refused] == ["ForbiddenRefusal"] * 4
    assert (approved["plan"]["decidedBy"], applied["plan"]["state"]) == ("pat", "APPLIED")
