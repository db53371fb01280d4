"""What suppliers say of orders: whose they are, how far they are, what is passed over."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import NOW, insert_row, make_product, make_site, make_source, make_ticket

from connector.ingest.apply import apply
from connector.model.kinds import ProcurementKind
from connector.model.lifecycle import ProcurementState
from connector.model.records import OrderRecord, Record, Tombstone
from connector.model.refs import EntityKind, SourceRef
from connector.sdk import Batch
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.tickets.supplier_orders import OrderKey

S = ProcurementState


class Shop:
    """A ticket with what was ordered for it, and two sources."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    async def open(self) -> Shop:
        async with transaction(self.engine) as tx:
            self.buyers = await make_source(tx, name="buyers")
            self.others = await make_source(tx, name="others")
            self.site = await make_site(tx, name="Hamburg")
            self.product = await make_product(tx, model="SW-48")
            self.ticket = await make_ticket(tx, source_id=self.buyers, number="1", external_id="1")
        return self

    async def ordered(self, **values: Any) -> int:
        row = {
            "kind": ProcurementKind.PURCHASE, "state": S.APPROVED, "ticket_id": self.ticket,
            "product_id": self.product, "quantity": 1, "supplier": f"s{len(values)}", "site_id": self.site,
            "via": "buyers", "is_wanted": True, "created_at": NOW, "updated_at": NOW,
        }  # fmt: skip
        async with transaction(self.engine) as tx:
            return await insert_row(tx, tables.procurement, row | values)

    async def say(self, *records: Record, source: int | None = None) -> None:
        async with transaction(self.engine) as tx:
            await apply(tx, source or self.buyers, "orders", Batch(records=records), actor="buyers", at=NOW)

    async def row(self, number: int) -> dict[str, Any]:
        async with reading(self.engine) as tx:
            statement = select(tables.procurement).where(tables.procurement.c.id == number)
            return dict((await tx.execute(statement)).mappings().one())

    async def refs(self) -> int:
        async with reading(self.engine) as tx:
            return len((await tx.execute(select(tables.source_ref.c.id))).all())


def told(external_id: str, state: ProcurementState, number: int | None = None, **values: Any) -> OrderRecord:
    key = None if number is None else OrderKey(number, NOW).text
    ref = SourceRef(kind=EntityKind.PROCUREMENT, external_id=external_id)
    return OrderRecord(ref=ref, updated_at=NOW, key=key, order_number=external_id, state=state, **values)


async def test_the_supplier_may_tell_of_an_order_before_the_answer_to_it_was_kept(engine: AsyncEngine):
    shop = await Shop(engine).open()
    number = await shop.ordered()

    await shop.say(told("41", S.CONFIRMED, number, expected_at=NOW))

    row = await shop.row(number)
    assert (row["state"], row["external_id"], row["order_number"]) == (S.CONFIRMED, "41", "41")
    assert (row["expected_at"], row["ordered_at"]) == (NOW, NOW)


async def test_orders_of_others_leave_nothing(engine: AsyncEngine):
    shop = await Shop(engine).open()
    number = await shop.ordered(state=S.ORDERED, external_id="41")
    by_hand = await shop.ordered(
        state=S.ORDERED, via=None, order_number="TEL-1", kind=ProcurementKind.VENDOR_REPLACEMENT
    )
    other_hub = told("44", S.CONFIRMED).model_copy(update={"key": f"order-{number}:20200101T000000.000000Z"})

    await shop.say(told("41", S.REFUSED, number), source=shop.others)
    await shop.say(told("42", S.REFUSED), told("43", S.REFUSED, number), told("45", S.REFUSED, by_hand), other_hub)

    assert [(await shop.row(each))["state"] for each in (number, by_hand)] == [S.ORDERED, S.ORDERED]
    assert await shop.refs() == 0


@pytest.mark.parametrize(
    ("before", "said", "after"),
    [
        (S.CONFIRMED, S.ORDERED, S.CONFIRMED),
        (S.SHIPPED, S.CANCELLED, S.SHIPPED),
        (S.CANCELLED, S.CONFIRMED, S.CANCELLED),
        (S.ORDERED, S.RECEIVED, S.SHIPPED),
        (S.ORDERED, S.REFUSED, S.REFUSED),
    ],
)
async def test_an_order_goes_forward_only_and_is_received_here(
    engine: AsyncEngine, before: ProcurementState, said: ProcurementState, after: ProcurementState
):
    shop = await Shop(engine).open()
    number = await shop.ordered(state=before, external_id="41")

    await shop.say(told("41", said, reason="ticket 41 is rejected" if said is S.REFUSED else None))

    row = await shop.row(number)
    assert row["state"] is after
    assert row["delivered_at"] == (NOW if said is S.RECEIVED else None)
    assert row["reason"] == ("ticket 41 is rejected" if said is S.REFUSED else None)


async def test_what_is_not_wanted_any_more_is_cancelled_by_a_rejection_and_a_deletion(engine: AsyncEngine):
    shop = await Shop(engine).open()
    unwanted = await shop.ordered(state=S.ORDERED, external_id="41", is_wanted=False, reason="ticket 1 is closed")
    deleted = await shop.ordered(state=S.ORDERED, external_id="42", supplier="other")

    await shop.say(told("41", S.REFUSED, reason="ticket 41 is rejected"), told("42", S.CONFIRMED))
    await shop.say(Tombstone(ref=SourceRef(kind=EntityKind.PROCUREMENT, external_id="42"), updated_at=NOW))

    assert (await shop.row(unwanted))["state"] is S.CANCELLED
    row = await shop.row(deleted)
    assert (row["state"], row["reason"]) == (S.REFUSED, "its supplier has it no more")
