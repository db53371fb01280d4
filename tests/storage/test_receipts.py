from __future__ import annotations

import asyncio

from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import NOW

from connector.storage.database.engine import reading, transaction
from connector.storage.database.receipts import find_receipt, find_receipts, record_receipt


async def test_the_first_receipt_of_a_key_stays(engine: AsyncEngine):
    async with transaction(engine) as tx:
        assert await record_receipt(tx, "fulfil-1:label", {"number": "A"}, at=NOW) is True
        assert await record_receipt(tx, "fulfil-1:label", {"number": "B"}, at=NOW) is False

    async with reading(engine) as tx:
        assert await find_receipt(tx, "fulfil-1:label") == {"number": "A"}
        assert await find_receipt(tx, "fulfil-1:note") is None
        assert await find_receipts(tx, ["fulfil-1:label", "fulfil-1:note"]) == {"fulfil-1:label": {"number": "A"}}


async def test_of_two_that_record_at_once_one_wins(engine: AsyncEngine):
    async def record(who: int) -> bool:
        async with transaction(engine) as tx:
            return await record_receipt(tx, "fulfil-1:label", {"who": who}, at=NOW)

    won = await asyncio.gather(*(record(who) for who in range(4)))

    assert sorted(won) == [False, False, False, True]


async def test_a_rolled_back_receipt_was_never_there(engine: AsyncEngine):
    async with engine.connect() as tx:
        await tx.begin()
        await record_receipt(tx, "k", {}, at=NOW)
        await tx.rollback()

    async with transaction(engine) as tx:
        assert await record_receipt(tx, "k", {}, at=NOW) is True
