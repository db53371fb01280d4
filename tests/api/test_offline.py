"""Work on paper over HTTP, and what was done recorded over GraphQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.access import ApiKey
from connector.api.schema.nodes import global_id
from connector.model.codes import code_of
from connector.model.principals import Principal
from connector.model.refs import EntityKind
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from tests.api.conftest import Hub, OpenHub
from tests.api.seed import seed
from tests.factories import NOW, make_hub

DOCUMENT = (Path(__file__).parents[2] / "graphql/operations/RecordOffline.graphql").read_text(encoding="utf-8")
TOKENS = {"tess": "the-token-of-tess-123", "vic": "the-token-of-vic-1234", "eva": "the-token-of-eva-1234"}
KEYS = [
    ApiKey.of(TOKENS["tess"], Principal("tess", frozenset({"technician"}))),
    ApiKey.of(TOKENS["vic"], Principal("vic", frozenset({"viewer"}))),
    ApiKey.of(TOKENS["eva"], Principal("eva", frozenset({"technician"}), frozenset({"EU"}))),
]


async def record(hub: Hub, who: str, *acts: dict[str, Any]) -> Any:
    body = {"query": DOCUMENT, "variables": {"acts": list(acts)}}
    headers = {"authorization": f"Bearer {TOKENS[who]}"}
    return (await hub.client.post("/graphql", json=body, headers=headers)).json()


def act(code: str, key: str, **values: Any) -> dict[str, Any]:
    given = {"act": "PICKED_UP", "at": NOW.isoformat(), "by": "lee"}
    return {**given, "code": code, "idempotencyKey": key, **values}


async def test_acts_are_recorded_by_whoever_handles_units_and_each_is_answered(open_hub: OpenHub):
    async with open_hub(keys=KEYS) as hub:
        unknown = act(code_of(EntityKind.RMA, 99), "1", act="RETURNED")

        first = await record(hub, "tess", unknown)
        again = await record(hub, "tess", unknown)
        misread = await record(hub, "tess", act("R-1-00", "2"))
        viewer, limited = await record(hub, "vic", unknown), await record(hub, "eva", unknown)
        async with reading(hub.engine) as tx:
            task = (await tx.execute(tables.task.select())).mappings().one()

    [result] = first["data"]["recordOffline"]["results"]
    assert result == again["data"]["recordOffline"]["results"][0]
    assert (result["idempotencyKey"], result["outcome"]) == ("1", "CONFLICT")
    assert result["text"] == "there is no return RMA-99"
    assert result["taskId"] == global_id("Task", task["id"])
    assert task["instructions"].startswith("lee (recorded by tess) has it as done at 2026-11-25 09:00Z.")
    [refusal] = misread["data"]["recordOffline"]["errors"]
    assert refusal["message"].startswith("1: code 'R-1-00' was misread")
    for refused in (viewer, limited):
        assert [item["code"] for item in refused["data"]["recordOffline"]["errors"]] == ["FORBIDDEN"]
        assert refused["data"]["recordOffline"]["results"] == []


async def test_the_work_of_a_hub_is_a_page_for_those_who_may_see_the_hub(open_hub: OpenHub, engine: AsyncEngine):
    await seed(engine)
    async with transaction(engine) as tx:
        await make_hub(tx, name="Far", code="FAR", region="US")
    async with open_hub(keys=KEYS) as hub:

        async def page(who: str | None, code: str) -> Any:
            headers = {"authorization": f"Bearer {TOKENS[who]}"} if who else {}
            return await hub.client.get(f"/worksheets/{code}", headers=headers)

        found, limited, hidden = await page("vic", "far"), await page("eva", "FAR"), await page("vic", "nowhere")
        closed = await page(None, "FAR")

    assert (found.status_code, limited.status_code, hidden.status_code, closed.status_code) == (200, 404, 404, 401)
    assert found.headers["content-type"] == "text/html; charset=utf-8"
    assert found.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert "<h1>Work at Far (FAR)</h1>" in found.text
