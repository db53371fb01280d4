"""Approvals over GraphQL: answered by those who hold the role, under their own names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import select

from connector.api.access import ApiKey
from connector.api.schema.nodes import global_id
from connector.model.principals import Principal
from connector.storage import tables
from connector.storage.database.engine import reading
from tests.api.conftest import OpenHub
from tests.fulfilment.test_approvals import asked

DOCUMENT = (Path(__file__).parents[2] / "graphql/operations/Approvals.graphql").read_text(encoding="utf-8")
TOKENS = {"ada": "the-token-of-ada-1234", "ben": "the-token-of-ben-1234", "eve": "the-token-of-eve-1234"}
ROLES = {"ada": {"approver"}, "ben": {"approver"}, "eve": {"viewer"}}
KEYS = [ApiKey.of(token, Principal(name, frozenset(ROLES[name]))) for name, token in TOKENS.items()]


async def test_two_people_approve_one_of_them_by_a_delegate_and_the_log_names_them(open_hub: OpenHub):
    async with open_hub(keys=KEYS) as hub:
        request = global_id("Approval", await asked(hub.engine, "within_minutes: 60\n    count: 2"))

        async def do(who: str, operation: str, **variables: Any) -> Any:
            body = {"query": DOCUMENT, "operationName": operation, "variables": variables}
            headers = {"authorization": f"Bearer {TOKENS[who]}"}
            answer = (await hub.client.post("/graphql", json=body, headers=headers)).json()
            assert "errors" not in answer, answer
            return next(value for name, value in answer["data"].items() if name != "me")

        refused = await do("eve", "Approve", approval=request, key="1")
        asked_for = {"delegate": "eve", "until": "2026-11-25T12:00:00Z", "reason": "on a plane", "key": "d1"}
        delegated = await do("ben", "DelegateApprovals", **asked_for)
        once_more = await do("ben", "DelegateApprovals", **asked_for)
        first = await do("eve", "Approve", approval=request, key="2")
        again = await do("eve", "Approve", approval=request, key="2")
        second = await do("ada", "Approve", approval=request, reason="fine", key="3")
        late = await do("ben", "Reject", approval=request, reason="no", key="4")
        end = {"delegation": delegated["delegation"]["id"], "key": "e1"}
        ended, ended_again = await do("ben", "EndDelegation", **end), await do("ben", "EndDelegation", **end)
        over = await do("ben", "EndDelegation", **{**end, "key": "e2"})
        listed = await do("eve", "Approvals")
        async with reading(hub.engine) as tx:
            log = tables.change
            rows = (await tx.execute(select(log).where(log.c.kind == "approval").order_by(log.c.id))).mappings().all()

    assert refused["errors"][0]["__typename"] == "ForbiddenRefusal"
    assert delegated["delegation"]["roles"] == ["approver"]
    assert (first["given"], first["approval"]["state"], again["given"]) == (1, "PENDING", 1)
    assert (second["given"], second["approval"]["state"]) == (2, "APPROVED")
    assert second["approval"]["decidedBy"] == "eve for ben, ada"
    assert late["errors"][0]["__typename"] == "IllegalTransitionRefusal"
    assert once_more == delegated
    assert ended["delegation"]["endedBy"] == "ben"
    assert ended_again == ended
    assert over["errors"][0]["__typename"] == "IllegalTransitionRefusal"
    assert listed == {"nodes": []}
    assert [(row["actor"], row["fields"].get("vote", [None, {}])[1].get("on_behalf_of")) for row in rows] == [
        ("rules", None), ("eve", "ben"), ("ada", "ada"), ("eve for ben, ada", None),
    ]  # fmt: skip
