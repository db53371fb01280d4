"""Returns of failed units by themselves: what begins one, what does not, what people may record. Without workflows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.factories import (
    MUNICH,
    NOW,
    insert_row,
    make_asset,
    make_hub,
    make_product,
)
from tests.fulfilment.scene import Scene, make_scene

from connector.fulfilment.options import FulfilmentOptions
from connector.fulfilment.returns import Returns
from connector.fulfilment.rmas import Rmas
from connector.fulfilment.work import Work
from connector.model.errors import IllegalTransition, InvalidInput, NotKnown, OutOfStock
from connector.model.kinds import Direction, TaskKind
from connector.model.lifecycle import AssetState, RmaState, ShipmentStatus, TaskState, TicketState
from connector.rules.policy.reading import read_policy
from connector.storage import tables
from connector.storage.database.engine import transaction
from connector.storage.shipments.shipments import shipment_row
from connector.storage.stock.reservations import Claim
from connector.storage.stock.reserve import reserve
from connector.storage.stock.stopping import order_stop
from connector.storage.tickets.procurements import procurement_row

POLICY = """
name: test
rules: [{name: any, when: "true", hardware: replace}]
sourcing: {courier: {transit: [{hours: 24, cost_cents: 3000}]}}
"""
DUE = NOW + timedelta(days=10)
TIMES = {"created_at": NOW, "updated_at": NOW}


@dataclass(frozen=True)
class Swap:
    """A scene whose parcels arrive when a test says so, and what follows from that."""

    scene: Scene
    rmas_of: Rmas
    returns: Returns

    async def sent(self, ticket_id: int, *, spare: int = 0, direction: str = "outbound", **claim: Any) -> int:
        """A parcel on its way to the site; its unit is one of the spares."""
        scene = self.scene
        asset_id = claim.pop("asset_id") if "asset_id" in claim else scene.spare_ids[spare]
        product_id = claim.get("product_id", scene.product_id)
        reservation = {
            "ticket_id": ticket_id, "line": 1, "hub_id": scene.hub_id, "product_id": product_id,
            "requested_product_id": product_id, "asset_id": asset_id, "state": "fulfilled", "quantity": 1,
            "lane": "normal", **TIMES, **claim,
        }  # fmt: skip
        async with transaction(scene.database) as tx:
            claimed = await insert_row(tx, tables.reservation, reservation)
            parcel = {"reservation_id": claimed, "ticket_id": ticket_id, "site_id": scene.site_id,
                      "direction": direction, "status": "in_transit", **TIMES}  # fmt: skip
            return await insert_row(tx, tables.shipment, parcel)

    async def reported(self, parcel: int, status: ShipmentStatus) -> None:
        """A parcel has arrived, or come back, and the reader of the log deals with it."""
        async with transaction(self.scene.database) as tx:
            await tx.execute(tables.shipment.update().where(tables.shipment.c.id == parcel).values(status=status))
            if status is ShipmentStatus.DELIVERED:
                await self.rmas_of.delivered(tx, parcel)
            else:
                await self.rmas_of.not_delivered(tx, await shipment_row(tx, parcel))

    async def delivered(self, ticket_id: int, **claim: Any) -> int:
        parcel = await self.sent(ticket_id, **claim)
        await self.reported(parcel, ShipmentStatus.DELIVERED)
        return parcel

    async def change(self, table: Any, row_id: int, **values: Any) -> None:
        async with transaction(self.scene.database) as tx:
            await tx.execute(table.update().where(table.c.id == row_id).values(**values))

    async def rmas(self) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.scene.rows(tables.rma)]

    async def rma(self) -> dict[str, Any]:
        return dict(await self.scene.row(tables.rma))

    async def device(self, asset_id: int | None = None) -> AssetState:
        state: AssetState = (await self.scene.row(tables.asset, id=asset_id or self.scene.failed_id))["state"]
        return state

    async def serial(self, asset_id: int) -> str:
        return str((await self.scene.row(tables.asset, id=asset_id))["serial"])

    async def unfinished(self) -> list[str]:
        rows = await self.scene.rows(tables.task, state=TaskState.OPEN)
        return sorted(row["key"].split(":", 2)[2] for row in rows)


async def swap(
    engine: AsyncEngine, clock: MovableClock, *, returns: str | None = "{due_days: 10}", spares: int = 3
) -> Swap:
    scene = await make_scene(engine, spares=spares)
    text = POLICY if returns is None else f"{POLICY}returns: {returns}\n"
    work = Work(engine, {}, clock, FulfilmentOptions())
    return Swap(scene, Rmas(work, read_policy(text)), Returns(engine, clock))


async def test_what_is_in_quarantine_is_no_free_stock(engine: AsyncEngine, clock: MovableClock):
    made = await swap(engine, clock, spares=0)
    scene = made.scene
    ticket_id = await scene.open_ticket()
    await made.delivered(ticket_id, asset_id=None)
    await made.returns.receive(
        (await made.rma())["id"], serial=await made.serial(scene.failed_id), key="b", actor="ada"
    )

    claim = Claim(
        ticket_id=ticket_id, hub_id=scene.hub_id, product_id=scene.product_id, requested_product_id=scene.product_id
    )
    async with engine.begin() as tx:
        with pytest.raises(OutOfStock):
            await reserve(tx, claim, actor="ada", at=NOW)

    assert await made.device() is AssetState.QUARANTINED
    assert await scene.shelf() == (0, 0)


@pytest.mark.parametrize(
    "returns", [None, "{return: none}", "{rules: [{when: \"product.asset_class == 'switch'\", return: none}]}"]
)
async def test_a_policy_says_what_stays_where_it_is(engine: AsyncEngine, clock: MovableClock, returns: str | None):
    made = await swap(engine, clock, returns=returns)

    await made.delivered(await made.scene.open_ticket())

    assert await made.rmas() == []
    assert await made.device() is AssetState.DEPLOYED


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        ({"state": AssetState.RETIRED}, "the device is retired already, and stays so"),
        ({"state": AssetState.LOST}, "the device is lost already, and stays so"),
        ({"retired_at": NOW}, "its source has deleted the device"),
    ],
    ids=["retired", "lost", "deleted"],
)
async def test_a_device_that_its_source_has_written_off_stays_so_and_the_return_says_it(
    engine: AsyncEngine, clock: MovableClock, gone: dict[str, Any], says: str
):
    made = await swap(engine, clock)
    ticket_id = await made.scene.open_ticket()
    await made.change(tables.asset, made.scene.failed_id, **gone)
    before = await made.device()

    await made.delivered(ticket_id)

    rma = await made.rma()
    assert (rma["asset_id"], rma["state"], rma["reason"]) == (made.scene.failed_id, RmaState.EXPECTED, says)
    assert await made.device() is before


async def test_whoever_receives_a_device_that_nobody_knew_names_it(engine: AsyncEngine, clock: MovableClock):
    made = await swap(engine, clock)
    scene = made.scene
    await made.delivered(await scene.open_ticket(asset_id=None, product_id=scene.product_id, site_id=scene.site_id))
    rma, receive = await made.rma(), made.returns.receive
    assert await made.unfinished() == ["device", "return"]
    await made.change(tables.asset, scene.spare_ids[0], state="deployed", hub_id=None, site_id=scene.site_id)

    with pytest.raises(InvalidInput, match="nobody knows yet which unit came back"):
        await receive(rma["id"], key="a", actor="ada")
    sent = await made.serial(scene.spare_ids[0])
    with pytest.raises(InvalidInput, match="is the unit that was sent for ticket 4711, not the one that it replaces"):
        await receive(rma["id"], serial=sent, key="b", actor="ada", accept_different=True)
    done = await receive(rma["id"], serial=await made.serial(scene.failed_id), key="c", actor="ada")

    assert (done.asset_id, done.is_different) == (scene.failed_id, False)
    assert (await made.rma())["asset_id"] == scene.failed_id
    assert await made.device() is AssetState.QUARANTINED
    assert await made.unfinished() == []


async def test_another_unit_is_refused_with_what_was_expected_and_taken_when_somebody_says_so(
    engine: AsyncEngine, clock: MovableClock
):
    made = await swap(engine, clock)
    scene = made.scene
    async with transaction(engine) as tx:
        other = await make_asset(tx, site_id=scene.site_id, product_id=scene.product_id)
    await made.delivered(await scene.open_ticket())
    rma, wrong, right = await made.rma(), await made.serial(other), await made.serial(scene.failed_id)
    receive = made.returns.receive

    with pytest.raises(InvalidInput) as refused:
        await receive(rma["id"], serial=wrong, key="a", actor="ada")
    with pytest.raises(InvalidInput, match=r"not NEVER-SEEN: that is no device that the hub knows"):
        await receive(rma["id"], serial="never-seen", key="b", actor="ada")
    assert f"RMA-{rma['id']} expects Acme SW-48 (serial {right}, " in refused.value.message
    assert f"from HAM, not {wrong}: that is Acme SW-48, deployed at Hamburg Port" in refused.value.message
    assert "acceptDifferent" in refused.value.hint
    assert (await made.rma())["state"] is RmaState.EXPECTED

    done = await receive(rma["id"], serial=wrong, key="c", actor="ada", accept_different=True)

    rma = await made.rma()
    assert (done.is_different, rma["asset_id"], rma["received_asset_id"]) == (True, scene.failed_id, other)
    assert rma["reason"].startswith(f"{wrong} came in place of serial {right}")
    assert (await made.device(), await made.device(other)) == (AssetState.DEPLOYED, AssetState.QUARANTINED)


async def test_a_unit_that_nobody_has_seen_is_recorded_when_it_is_accepted(engine: AsyncEngine, clock: MovableClock):
    made = await swap(engine, clock)
    await made.delivered(await made.scene.open_ticket())

    await made.returns.receive((await made.rma())["id"], serial="new-9", key="a", actor="ada", accept_different=True)

    unit = await made.scene.row(tables.asset, serial="NEW-9")
    assert (unit["state"], unit["hub_id"], unit["site_id"], unit["product_id"]) == (
        AssetState.QUARANTINED, made.scene.hub_id, None, made.scene.product_id,
    )  # fmt: skip


async def test_a_unit_of_another_return_is_not_taken_for_this_one(engine: AsyncEngine, clock: MovableClock):
    made = await swap(engine, clock)
    for number in range(2):
        await made.delivered(await made.scene.open_ticket(f"471{number + 1}"), spare=number)
    first, second = await made.rmas()

    with pytest.raises(InvalidInput, match=rf"is the device of RMA-{second['id']}, not of RMA-{first['id']}"):
        await made.returns.receive(
            first["id"], serial=await made.serial(second["asset_id"]), key="a", actor="ada", accept_different=True
        )


async def test_a_unit_that_is_promised_to_a_ticket_is_not_taken_for_the_one_that_failed(
    engine: AsyncEngine, clock: MovableClock
):
    made = await swap(engine, clock)
    await made.delivered(await made.scene.open_ticket())
    await made.change(tables.asset, made.scene.spare_ids[1], state="reserved")
    promised = await made.serial(made.scene.spare_ids[1])

    with pytest.raises(IllegalTransition, match="is on a shelf and promised to a ticket"):
        await made.returns.receive(
            (await made.rma())["id"], serial=promised, key="a", actor="ada", accept_different=True
        )
    assert (await made.rma())["state"] is RmaState.EXPECTED


async def test_a_ticket_that_gets_another_unit_has_one_return_for_its_device(engine: AsyncEngine, clock: MovableClock):
    made = await swap(engine, clock)
    ticket_id = await made.scene.open_ticket()
    parcel = await made.delivered(ticket_id)

    await made.reported(parcel, ShipmentStatus.DELIVERED)
    await made.delivered(ticket_id, spare=1, line=2)

    assert [row["asset_id"] for row in await made.rmas()] == [made.scene.failed_id]


async def test_a_replacement_that_fails_as_well_comes_back_by_a_return_of_its_own(
    engine: AsyncEngine, clock: MovableClock
):
    made = await swap(engine, clock)
    first, second, _ = made.scene.spare_ids
    ticket_id = await made.scene.open_ticket()
    await made.delivered(ticket_id)
    await made.change(tables.asset, first, state="deployed", hub_id=None, site_id=made.scene.site_id)
    await made.change(tables.ticket, ticket_id, asset_id=first)

    await made.delivered(ticket_id, asset_id=second)

    assert [row["asset_id"] for row in await made.rmas()] == [made.scene.failed_id, first]
    assert await made.device(first) is AssetState.RETURN_PENDING


async def test_two_tickets_about_one_device_have_one_return(engine: AsyncEngine, clock: MovableClock):
    made = await swap(engine, clock)
    await made.delivered(await made.scene.open_ticket())
    await made.delivered(await made.scene.open_ticket("4712", asset_id=made.scene.failed_id), spare=1)

    assert [row["asset_id"] for row in await made.rmas()] == [made.scene.failed_id]


async def test_the_same_delivery_in_two_transactions_at_once_begins_one_return(
    engine: AsyncEngine, clock: MovableClock
):
    made = await swap(engine, clock)
    parcel = await made.sent(await made.scene.open_ticket())

    await asyncio.gather(*(made.reported(parcel, ShipmentStatus.DELIVERED) for _ in range(4)))

    assert len(await made.rmas()) == 1
    assert await made.unfinished() == ["return"]


async def test_what_is_not_wanted_any_more_begins_no_return(engine: AsyncEngine, clock: MovableClock):
    made = await swap(engine, clock)
    cancelled = await made.scene.open_ticket(state=TicketState.CANCELLED)
    deleted = await made.scene.open_ticket("4712", retired_at=NOW)
    called_back = await made.sent(await made.scene.open_ticket("4713"), spare=2)
    claim = (await made.scene.row(tables.shipment, id=called_back))["reservation_id"]
    async with transaction(engine) as tx:
        await order_stop(tx, claim, reason="found it", actor="ada", at=NOW)

    await made.delivered(cancelled)
    await made.delivered(deleted, spare=1)
    await made.reported(called_back, ShipmentStatus.DELIVERED)

    assert await made.rmas() == []


async def test_parcels_that_replace_nothing_begin_no_return(engine: AsyncEngine, clock: MovableClock):
    made = await swap(engine, clock)
    ticket_id = await made.scene.open_ticket()

    lent = await made.delivered(ticket_id, line=0)
    await made.delivered(ticket_id, spare=1, direction=Direction.TRANSFER)
    device = (await made.scene.row(tables.shipment, id=lent))["reservation_id"]
    await made.delivered(ticket_id, spare=2, line=2, ships_with_id=device)

    assert await made.rmas() == []


async def test_counted_units_come_back_together_as_many_as_the_ticket_is_about(
    engine: AsyncEngine, clock: MovableClock
):
    made = await swap(engine, clock)
    scene = made.scene
    async with transaction(engine) as tx:
        docks = await make_product(tx, model="Dock", asset_class="dock", tracking="counted")
    ticket_id = await scene.open_ticket(asset_id=None, product_id=docks, site_id=scene.site_id, quantity=3)
    for line, quantity in enumerate((2, 2, 2), 1):
        await made.delivered(ticket_id, asset_id=None, product_id=docks, quantity=quantity, line=line)

    first, second = await made.rmas()
    assert [(row["quantity"], row["asset_id"]) for row in (first, second)] == [(2, None), (1, None)]
    assert await made.unfinished() == ["return", "return"]
    with pytest.raises(InvalidInput, match="2 × Acme Dock, which is counted and not known by serial"):
        await made.returns.receive(first["id"], serial="X1", key="a", actor="ada")
    done = await made.returns.receive(first["id"], key="b", actor="ada")

    assert (done.state, done.asset_id) == (RmaState.RECEIVED, None)
    assert await scene.rows(tables.stock, product_id=docks) == []


async def test_each_device_of_an_order_for_several_comes_back_by_itself(engine: AsyncEngine, clock: MovableClock):
    made = await swap(engine, clock)
    ticket_id = await made.scene.open_ticket(quantity=2)
    order = {
        "ticket_id": ticket_id, "product_id": made.scene.product_id, "kind": "purchase", "state": "received",
        "site_id": made.scene.site_id, "quantity": 2, "supplier": "acme", "is_wanted": True, **TIMES,
    }  # fmt: skip
    async with transaction(engine) as tx:
        number = await insert_row(tx, tables.procurement, order)
    for _ in range(2):
        async with transaction(engine) as tx:
            await made.rmas_of.supplied(tx, await procurement_row(tx, number))

    assert [(row["asset_id"], row["quantity"], row["line"], row["hub_id"]) for row in await made.rmas()] == [
        (made.scene.failed_id, 1, 1, made.scene.hub_id), (None, 1, 2, made.scene.hub_id),
    ]  # fmt: skip


async def test_when_one_of_two_units_goes_back_the_return_is_for_the_one_that_stays(
    engine: AsyncEngine, clock: MovableClock
):
    made = await swap(engine, clock)
    ticket_id = await made.scene.open_ticket()
    second = await made.delivered(ticket_id, spare=1)
    first = await made.delivered(ticket_id)
    claims = {row["id"]: row["reservation_id"] for row in await made.scene.rows(tables.shipment)}
    assert [row["reservation_id"] for row in await made.rmas()] == [claims[second]]

    await made.reported(second, ShipmentStatus.RETURNED)

    assert [(row["reservation_id"], row["state"]) for row in await made.rmas()] == [(claims[first], RmaState.EXPECTED)]
    assert await made.device() is AssetState.RETURN_PENDING


async def test_after_a_parcel_that_came_back_the_next_one_begins_a_return_again(
    engine: AsyncEngine, clock: MovableClock
):
    made = await swap(engine, clock)
    ticket_id = await made.scene.open_ticket()
    parcel = await made.delivered(ticket_id)
    await made.reported(parcel, ShipmentStatus.RETURNED)
    assert await made.device() is AssetState.DEPLOYED

    await made.delivered(ticket_id, spare=1)

    assert [row["state"] for row in await made.rmas()] == [RmaState.CANCELLED, RmaState.EXPECTED]
    assert await made.device() is AssetState.RETURN_PENDING


async def test_a_return_that_a_person_has_called_off_is_not_begun_again(engine: AsyncEngine, clock: MovableClock):
    made = await swap(engine, clock)
    ticket_id = await made.scene.open_ticket()
    await made.delivered(ticket_id)
    await made.returns.cancel((await made.rma())["id"], reason="it works again", key="c", actor="ada")

    await made.delivered(ticket_id, spare=1)

    assert [(row["state"], row["cancelled_by"]) for row in await made.rmas()] == [(RmaState.CANCELLED, "ada")]


async def test_a_return_that_is_late_is_told_once_for_each_date(engine: AsyncEngine, clock: MovableClock):
    made = await swap(engine, clock)
    await made.delivered(await made.scene.open_ticket())
    rma, returns = await made.rma(), made.returns

    assert await returns.tend() == 0
    clock.advance(timedelta(days=10))
    assert [await returns.tend(), await returns.tend()] == [1, 0]
    assert (await made.rma())["overdue_since"] == DUE
    assert await made.unfinished() == ["overdue", "return"]

    until = clock.now() + timedelta(days=3)
    with pytest.raises(InvalidInput, match="is over: give a time to come"):
        await returns.extend(rma["id"], until=NOW, reason="busy", key="x", actor="ada")
    with pytest.raises(InvalidInput, match="a reason is needed"):
        await returns.extend(rma["id"], until=until, reason=" ", key="y", actor="ada")
    await returns.extend(rma["id"], until=until, reason="still in use", key="e", actor="ada")
    assert (await made.rma())["overdue_since"] is None
    assert await made.unfinished() == ["return"]
    assert (await made.scene.row(tables.task, kind=TaskKind.RETURN))["due_at"] == until

    assert await returns.tend() == 0
    clock.advance(timedelta(days=3))
    assert [await returns.tend(), await returns.tend()] == [1, 0]
    assert await made.unfinished() == ["overdue~2", "return"]


async def test_a_return_that_is_cancelled_leaves_the_device_in_use_unless_it_has_left(
    engine: AsyncEngine, clock: MovableClock
):
    made = await swap(engine, clock)
    for number in range(2):
        await made.delivered(await made.scene.open_ticket(f"471{number + 1}"), spare=number)
    kept, sent = await made.rmas()
    returns = made.returns

    with pytest.raises(InvalidInput, match="a reason is needed"):
        await returns.cancel(kept["id"], reason="", key="a", actor="ada")
    with pytest.raises(NotKnown, match="there is no return RMA-99"):
        await returns.cancel(99, reason="stays", key="b", actor="ada")
    await returns.cancel(kept["id"], reason="it works again", key="c", actor="ada")
    await returns.send(sent["id"], key="d", actor="ada", carrier="dhl", tracking_number="1Z9")
    with pytest.raises(IllegalTransition, match="its unit has left the site already"):
        await returns.send(sent["id"], key="e", actor="ada")
    on_its_way = await made.device(sent["asset_id"])
    await returns.cancel(sent["id"], reason="the courier lost it", key="f", actor="ada")

    assert on_its_way is AssetState.IN_TRANSIT
    assert await made.device(kept["asset_id"]) is AssetState.DEPLOYED
    assert await made.device(sent["asset_id"]) is AssetState.IN_TRANSIT
    assert [(row["state"], row["cancelled_by"], row["reason"]) for row in await made.rmas()] == [
        (RmaState.CANCELLED, "ada", "it works again"), (RmaState.CANCELLED, "ada", "the courier lost it"),
    ]  # fmt: skip
    assert await made.unfinished() == []
    with pytest.raises(IllegalTransition, match=r"it was called off \(it works again\), so it cannot be received"):
        await returns.receive(kept["id"], serial="x", key="g", actor="ada")


async def test_a_return_on_its_way_is_received_at_another_hub(engine: AsyncEngine, clock: MovableClock):
    made = await swap(engine, clock)
    async with transaction(engine) as tx:
        munich = await make_hub(tx, code="MUC", **MUNICH)
    await made.delivered(await made.scene.open_ticket())
    rma = await made.rma()
    await made.returns.send(rma["id"], key="s", actor="ada")

    serial = await made.serial(made.scene.failed_id)
    done = await made.returns.receive(rma["id"], serial=serial, hub_id=munich, key="r", actor="ada")

    unit = await made.scene.row(tables.asset, id=made.scene.failed_id)
    assert (done.hub_id, unit["hub_id"], unit["state"]) == (munich, munich, AssetState.QUARANTINED)


async def test_received_by_several_at_the_same_time_a_unit_is_in_quarantine_once(
    engine: AsyncEngine, clock: MovableClock
):
    made = await swap(engine, clock)
    await made.delivered(await made.scene.open_ticket())
    rma, serial = await made.rma(), await made.serial(made.scene.failed_id)

    outcomes = await asyncio.gather(
        *(made.returns.receive(rma["id"], serial=serial, key=f"k{n}", actor="ada") for n in range(4)),
        return_exceptions=True,
    )

    assert sorted(isinstance(item, IllegalTransition) for item in outcomes) == [False, True, True, True]
    assert (await made.rma())["state"] is RmaState.RECEIVED


async def test_a_component_that_failed_is_not_taken_for_the_device_that_it_is_in(
    engine: AsyncEngine, clock: MovableClock
):
    made = await swap(engine, clock)
    async with transaction(engine) as tx:
        server = await make_product(tx, model="Server")
        device = await make_asset(tx, site_id=made.scene.site_id, product_id=server)

    await made.delivered(await made.scene.open_ticket(asset_id=device))

    rma = await made.rma()
    assert (rma["asset_id"], rma["product_id"]) == (None, made.scene.product_id)
    assert await made.device(device) is AssetState.DEPLOYED
