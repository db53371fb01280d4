"""Incident groups over GraphQL: read, answered, refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.schema.nodes import global_id
from connector.rules.policy.grouping import Grouping, SiteEvent
from connector.rules.policy.reading import default_policy
from connector.storage.database.engine import in_transaction, transaction
from connector.storage.tickets.decide import decide_and_reserve_many
from tests.api.conftest import Hub
from tests.conftest import MovableClock
from tests.factories import make_asset, make_product, make_site, make_source, make_ticket

OPERATIONS = (Path(__file__).parents[2] / "graphql" / "operations" / "IncidentGroups.graphql").read_text()
GROUP = global_id("IncidentGroup", 1)


@pytest.fixture
async def tickets(engine: AsyncEngine, clock: MovableClock) -> list[int]:
    """Three devices of one site have failed, and the third one made it an event."""
    policy = default_policy().model_copy(update={"grouping": Grouping(site_event=SiteEvent(devices=3))})
    async with transaction(engine) as tx:
        product, site = await make_product(tx), await make_site(tx, code="S1")
        source = await make_source(tx)
        made = [
            await make_ticket(
                tx, source_id=source, number=f"INC-{n}",
                asset_id=await make_asset(tx, product_id=product, site_id=site),
            )
            for n in range(3)
        ]  # fmt: skip
    await in_transaction(engine, lambda tx: decide_and_reserve_many(tx, made, policy, now=clock.now()))
    return made


async def ask(hub: Hub, name: str, **variables: Any) -> Any:
    body = {"query": OPERATIONS, "operationName": name, "variables": variables}
    answer = (await hub.client.post("/graphql", json=body)).json()
    assert "errors" not in answer, answer
    (found,) = answer["data"].values()
    return found


async def test_a_proposal_is_read_with_its_tickets_and_from_each_of_them(hub: Hub, tickets: list[int]):
    found = await ask(hub, "IncidentGroups", first=5)
    one = await hub.query(
        "query ($id: ID!) { ticket(id: $id) { groups { group { title } }"
        " decision { explanation { reason group { incidentGroupId standing } } } } }",
        id=global_id("Ticket", tickets[2]),
    )

    assert found["totalCount"] == 1
    [group] = found["nodes"]
    assert (group["id"], group["kind"], group["state"]) == (GROUP, "SITE_EVENT", "PROPOSED")
    assert [member["ticket"]["number"] for member in group["members"]] == ["INC-0", "INC-1", "INC-2"]
    assert group["statistics"] == {"window_minutes": 30, "tickets": 3, "required": 3, "devices": 3}
    assert one["ticket"]["groups"] == [{"group": {"title": "3 devices at S1 within 30 min"}}]
    assert one["ticket"]["decision"]["explanation"] == {
        "reason": "grouped", "group": {"incidentGroupId": GROUP, "standing": "held"},
    }  # fmt: skip


async def test_a_proposal_is_confirmed_once_and_the_same_request_is_answered_again(
    hub: Hub, tickets: list[int], clock: MovableClock
):
    asked = {"group": GROUP, "cause": "no power", "limit": 2, "key": "k1"}
    first = await ask(hub, "ConfirmIncidentGroup", **asked)
    clock.advance(timedelta(minutes=1))
    again = await ask(hub, "ConfirmIncidentGroup", **asked)

    assert first == again
    assert first["errors"] == []
    assert (first["group"]["state"], first["group"]["cause"], first["group"]["limitUnits"]) == (
        "CONFIRMED", "no power", 2,
    )  # fmt: skip


async def test_a_confirmed_event_is_closed_by_a_person(hub: Hub, tickets: list[int]):
    early = await ask(hub, "CloseIncidentGroup", group=GROUP, reason="power is back", key="k0")
    await ask(hub, "ConfirmIncidentGroup", group=GROUP, cause="no power", key="k1")
    done = await ask(hub, "CloseIncidentGroup", group=GROUP, reason="power is back", key="k2")
    again = await ask(hub, "CloseIncidentGroup", group=GROUP, reason="power is back", key="k2")

    assert early["errors"][0]["code"] == "ILLEGAL_TRANSITION"
    assert done == again
    assert (done["group"]["state"], done["group"]["cause"], done["group"]["closeReason"]) == (
        "CLOSED", "no power", "power is back",
    )  # fmt: skip


async def test_what_cannot_be_is_refused_as_an_answer(hub: Hub, tickets: list[int]):
    done = await ask(hub, "DismissIncidentGroup", group=GROUP, reason="a test", key="k1")
    late = await ask(hub, "ConfirmIncidentGroup", group=GROUP, cause="no power", key="k2")
    unknown = await ask(hub, "DismissIncidentGroup", group=global_id("IncidentGroup", 9), reason="x", key="k3")

    assert done["group"]["state"] == "DISMISSED"
    [error] = late["errors"]
    assert (late["group"], error["code"]) == (None, "ILLEGAL_TRANSITION")
    assert unknown["errors"][0]["message"] == "there is no incident_group with id 9"
