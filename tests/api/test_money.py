"""Money over GraphQL: told exactly, and recorded in units or in hundredths."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.requests import Request
from connector.api.schema.nodes import global_id
from connector.fulfilment.procurement import Recorded, Report
from connector.model.errors import NotKnown
from tests.api.conftest import NO_COMMANDS, Hub, OpenHub
from tests.api.seed import seed

RECORD = """mutation ($id: ID!, $cost: Decimal, $cents: Int) {
  recordProcurement(input: {
    procurementId: $id, state: ORDERED, orderNumber: "4711", cost: $cost, costCents: $cents, idempotencyKey: "k"
  }) { errors { code message } }
}"""
PROCUREMENT = global_id("Procurement", 1)


async def test_amounts_are_told_in_units_beside_their_hundredths(hub: Hub):
    await seed(hub.engine)

    data = await hub.query(
        "{ shipments { nodes { costCents cost { amount currency } } } products { nodes { unitCost { amount } } } }"
    )

    assert data["shipments"]["nodes"] == [{"costCents": 1250, "cost": {"amount": "12.50", "currency": "EUR"}}]
    assert data["products"]["nodes"] == [{"unitCost": {"amount": "1800.00"}}] * 3


async def test_what_an_order_costs_is_recorded_in_units_or_in_hundredths(open_hub: OpenHub, engine: AsyncEngine):
    told: list[int | None] = []

    async def record(procurement_id: int, report: Report, _by: Request) -> Recorded:
        told.append(report.cost_cents)
        raise NotKnown(f"there is no procurement with id {procurement_id}")

    async with open_hub(commands=replace(NO_COMMANDS, record_procurement=record)) as hub:

        async def ask(**given: Any) -> Any:
            return (await hub.query(RECORD, id=PROCUREMENT, **given))["recordProcurement"]["errors"][0]

        for given in ({"cost": "12.5"}, {"cost": 12}, {"cents": 1250}, {}):
            assert (await ask(**given))["code"] == "NOT_FOUND"
        both = await ask(cost="12.50", cents=1250)
        fraction = await ask(cost="0.001")
        inexact = await hub.error(RECORD, id=PROCUREMENT, cost=12.5)

    assert told == [1250, 1200, 1250, None]
    assert (both["code"], both["message"]) == ("INVALID_INPUT", "both `cost` and `costCents` are given")
    assert fraction["message"] == "cost 0.001 cannot be kept"
    assert "12.5 is no exact number; write it as a text like '12.50'" in inexact["message"]
