"""Units on loan over GraphQL: found, received, extended, refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.schema.nodes import global_id
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from tests.api.conftest import Hub, OpenHub
from tests.api.seed import Seeded, seed
from tests.api.test_keys import EVE, KEYS, bearer
from tests.factories import NOW, insert_row

OPERATIONS = (Path(__file__).parents[2] / "graphql" / "operations" / "Loans.graphql").read_text()
LOAN = global_id("Loan", 1)


@pytest.fixture
async def lent(engine: AsyncEngine) -> Seeded:
    """A unit of the pool is at its site, and should have been back an hour ago."""
    seeded = await seed(engine)
    async with transaction(engine) as tx:
        rows = (await tx.execute(select(tables.reservation))).mappings().one()
        values = {"state": "deployed", "hub_id": None, "site_id": seeded.site, "lane": "loaner"}
        await tx.execute(tables.asset.update().where(tables.asset.c.id == rows["asset_id"]).values(**values))
        await tx.execute(tables.reservation.update().values(line=0, state="fulfilled", lane="loaner"))
        due = NOW - timedelta(hours=1)
        await insert_row(
            tx, tables.loan,
            {"ticket_id": seeded.ticket, "reservation_id": seeded.reservation, "asset_id": rows["asset_id"],
             "product_id": seeded.product, "hub_id": seeded.hub, "site_id": seeded.site, "lane": "loaner",
             "holder": "grace", "state": "due_back", "due_back_at": due, "overdue_since": due, "return_days": 3,
             "lent_at": NOW - timedelta(days=5), "created_at": NOW, "updated_at": NOW},
        )  # fmt: skip
    return seeded


async def ask(hub: Hub, name: str, /, **variables: Any) -> Any:
    body = {"query": OPERATIONS, "operationName": name, "variables": variables}
    answer = (await hub.client.post("/graphql", json=body)).json()
    assert "errors" not in answer, answer
    (found,) = answer["data"].values()
    return found


async def test_what_is_overdue_is_one_filter_and_seen_from_ticket_asset_and_claim(hub: Hub, lent: Seeded):
    found = await ask(hub, "Loans", first=5)
    around = await hub.query(
        "query ($id: ID!) { ticket(id: $id) { loan { holder returnDays reservation { line loan { id } "
        "asset { loans { nodes { state } } } } } } }",
        id=lent.id("Ticket"),
    )

    assert found["totalCount"] == 1
    [loan] = found["nodes"]
    assert (loan["id"], loan["state"], loan["hub"]["code"], loan["ticket"]["number"]) == (
        LOAN, "DUE_BACK", "BER", "INC-1",
    )  # fmt: skip
    assert around["ticket"]["loan"] == {
        "holder": "grace", "returnDays": 3,
        "reservation": {"line": 0, "loan": {"id": LOAN}, "asset": {"loans": {"nodes": [{"state": "DUE_BACK"}]}}},
    }  # fmt: skip


async def test_a_unit_is_received_once_and_a_second_time_is_refused_as_data(hub: Hub, lent: Seeded):
    extended = await ask(
        hub, "ExtendLoan", loan=LOAN, until=(NOW + timedelta(days=2)).isoformat(), reason="still needed", key="e"
    )
    first = await ask(hub, "ReceiveLoan", loan=LOAN, key="k1")
    again = await ask(hub, "ReceiveLoan", loan=LOAN, key="k1")
    other = await ask(hub, "ReceiveLoan", loan=LOAN, key="k2")

    assert (extended["errors"], extended["loan"]["overdueSince"]) == ([], None)
    assert first == again
    assert (first["errors"], first["wentTo"], first["loan"]["returnedHub"]) == ([], "POOL", {"code": "BER"})
    assert first["loan"]["asset"] == {"state": "IN_STOCK", "lane": "LOANER", "hub": {"code": "BER"}}
    assert (other["loan"], other["errors"]) == (
        None,
        [{"__typename": "IllegalTransitionRefusal", "code": "ILLEGAL_TRANSITION",
          "message": "loan 1 is returned: its unit is back already, so it cannot be received", "hint": ""}],
    )  # fmt: skip
    async with reading(hub.engine) as tx:
        shelf = select(tables.stock.c.on_hand, tables.stock.c.reserved).where(tables.stock.c.lane == "loaner")
        assert [tuple(row) for row in await tx.execute(shelf)] == [(1, 0)]


async def test_a_hub_that_is_not_there_is_refused_and_nothing_changes(hub: Hub, lent: Seeded):
    answer = await ask(hub, "ReceiveLoan", loan=LOAN, hub=global_id("Hub", 99), key="k")

    assert [error["code"] for error in answer["errors"]] == ["NOT_FOUND"]
    assert (await ask(hub, "Loans", first=1))["totalCount"] == 1


async def test_who_only_looks_may_not_receive(open_hub: OpenHub, lent: Seeded):
    async with open_hub(keys=KEYS) as hub:
        hub.client.headers.update(bearer(EVE))
        answer = await ask(hub, "ReceiveLoan", loan=LOAN, key="k")

    assert answer["errors"][0]["code"] == "FORBIDDEN"
    assert "'technician'" in answer["errors"][0]["message"]
