from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import (
    BERLIN,
    MUNICH,
    NOW,
    insert_row,
    make_asset,
    make_hub,
    make_product,
    make_site,
    make_source,
    make_spares,
    make_ticket,
)

from connector.model.errors import IllegalTransition, NotKnown
from connector.model.geo import Point
from connector.model.kinds import Lane
from connector.model.lifecycle import ReservationState, ShipmentStatus
from connector.rules.policy.document import Mode
from connector.rules.policy.reading import default_policy
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.shipments.consignments import consignment
from connector.storage.shipments.packed import KitLine
from connector.storage.shipments.shipments import (
    NewShipment,
    create_shipment,
    move_shipment,
    outbound_shipment,
    shipment_row,
    store_document,
)
from connector.storage.stock.moves import Moved, moves_of
from connector.storage.stock.reservations import Claim
from connector.storage.stock.reserve import reserve
from connector.storage.stock.succession import move_reservation
from connector.storage.stock.units import ShelfKey
from connector.storage.tickets.decide import decide_and_reserve


async def make_reservation(engine: AsyncEngine) -> int:
    async with transaction(engine) as tx:
        source_id = await make_source(tx)
        address = {"line1": "1 Main St", "city": "Hamburg", "postal_code": "20095", "country": "DE"}
        site_id = await make_site(tx, name="Hamburg Port", code="HAM", address=address, longitude=None)
        hub_id = await make_hub(tx, name="Berlin Depot", code="BER")
        product_id = await make_product(tx, model="SW-48", part_number="P-48", weight_g=4_500)
        bracket = await make_product(tx, model="Bracket", part_number="BR-1", tracking="counted")
        kit = await insert_row(tx, tables.kit, {"name": "swap", "product_id": product_id, "instructions": "Swap."})
        for part, quantity in ((product_id, 1), (bracket, 2)):
            await insert_row(tx, tables.kit_component, {"kit_id": kit, "product_id": part, "quantity": quantity})
        failed = await make_asset(tx, site_id=site_id, product_id=product_id)
        [spare] = await make_spares(tx, hub_id=hub_id, product_id=product_id, count=1, serial="SPARE1", asset_tag="T1")
        ticket_id = await make_ticket(tx, source_id=source_id, asset_id=failed, number="42", external_id="42")
        return await insert_row(
            tx,
            tables.reservation,
            {
                "ticket_id": ticket_id, "hub_id": hub_id, "product_id": product_id, "asset_id": spare,
                "requested_product_id": product_id, "state": "held", "created_at": NOW, "updated_at": NOW,
            },
        )  # fmt: skip


async def test_a_consignment_says_what_goes_from_where_to_whom(engine: AsyncEngine):
    reservation_id = await make_reservation(engine)

    async with reading(engine) as tx:
        found = await consignment(tx, reservation_id)

    assert found.state is ReservationState.HELD
    assert (found.ticket.number, found.ticket.source) == ("42", "itsm")
    assert (found.hub.label, found.hub.address.postal_code) == ("Berlin Depot (BER)", "10115")
    assert found.site is not None
    assert (found.site.label, found.site.address.line1) == ("Hamburg Port (HAM)", "1 Main St")
    assert (found.hub.point, found.site.point) == (Point(52.52, 13.405), None)
    assert (found.goods.label, found.goods.serial, found.goods.asset_tag) == ("Acme SW-48", "SPARE1", "T1")
    assert found.kit == (KitLine("Acme Bracket", "BR-1", 2),)
    assert found.kit_instructions == "Swap."
    assert (found.mode, found.departs_at, found.due_at) == (Mode.COURIER, None, None)


async def test_what_is_packed_along_is_counted_for_all_units(engine: AsyncEngine):
    reservation_id = await make_reservation(engine)
    async with transaction(engine) as tx:
        await tx.execute(update(tables.reservation).values(quantity=3, asset_id=None))

    async with reading(engine) as tx:
        assert (await consignment(tx, reservation_id)).kit == (KitLine("Acme Bracket", "BR-1", 6),)


async def test_an_unknown_reservation_has_no_consignment(engine: AsyncEngine):
    async with reading(engine) as tx:
        with pytest.raises(NotKnown, match="there is no reservation with id 7"):
            await consignment(tx, 7)


async def test_a_parcel_moves_as_its_lifecycle_allows(engine: AsyncEngine):
    reservation_id = await make_reservation(engine)
    async with transaction(engine) as tx:
        found = await consignment(tx, reservation_id)
        label = await store_document(tx, name="label.pdf", media_type="application/pdf", content=b"%PDF", at=NOW)
        shipment_id = await create_shipment(
            tx,
            NewShipment(
                reservation_id=reservation_id, ticket_id=found.ticket.id, hub_id=found.hub.id, site_id=None,
                status=ShipmentStatus.LABEL_CREATED, carrier="dhl", tracking_number="JD1", label_document_id=label,
            ),
            actor="fulfilment",
            at=NOW,
        )  # fmt: skip

        assert await move_shipment(tx, shipment_id, ShipmentStatus.PICKED_UP, actor="ada", at=NOW) is True
        assert await move_shipment(tx, shipment_id, ShipmentStatus.PICKED_UP, actor="ada", at=NOW) is False
        with pytest.raises(IllegalTransition, match="shipment JD1 cannot go from picked_up to cancelled"):
            await move_shipment(tx, shipment_id, ShipmentStatus.CANCELLED, actor="ada", at=NOW)
        await move_shipment(tx, shipment_id, ShipmentStatus.DELIVERED, actor="courier", at=NOW)

        row = await shipment_row(tx, shipment_id)
        assert (row.status, row.delivered_at) == (ShipmentStatus.DELIVERED, NOW)
        assert await outbound_shipment(tx, reservation_id) == row
        digest = (await tx.execute(select(tables.document.c.sha256))).scalar_one()
    assert digest == "315d429b7714cedb6ad04ac31240145257692630457f3c88253c5beceac76027"


async def test_a_reservation_that_names_a_site_goes_there_and_not_to_the_site_of_its_ticket(engine: AsyncEngine):
    reservation_id = await make_reservation(engine)
    async with transaction(engine) as tx:
        other = await make_site(tx, name="Bremen Port", code="BRE")
        await tx.execute(update(tables.reservation).values(site_id=other))

    async with reading(engine) as tx:
        goods = await consignment(tx, reservation_id)

    assert goods.site is not None
    assert (goods.site.label, goods.rollout_line_id) == ("Bremen Port (BRE)", None)


async def test_a_claim_that_was_moved_to_another_hub_is_not_carried_as_its_decision_had_it(engine: AsyncEngine):
    due = NOW + timedelta(hours=2)
    async with transaction(engine) as tx:
        source_id, site_id = await make_source(tx), await make_site(tx, **BERLIN)
        near, far = await make_hub(tx, code="BER", **BERLIN), await make_hub(tx, code="MUC", **MUNICH)
        product_id = await make_product(tx)
        for hub_id in (near, far):
            await make_spares(tx, hub_id=hub_id, product_id=product_id, count=2)
        ticket_id = await make_ticket(
            tx, source_id=source_id, site_id=site_id, product_id=product_id, sla_due_at=due, category="hardware"
        )
        made = (await decide_and_reserve(tx, ticket_id, default_policy(), now=NOW)).reserved.reservation
    async with reading(engine) as tx:
        decided = await consignment(tx, made.id)

    async with transaction(engine) as tx:
        free = select(tables.asset.c.id).where(tables.asset.c.hub_id == near, tables.asset.c.state == "in_stock")
        other = (await tx.execute(free)).scalar_one()
        until = {"actor": "ann", "at": NOW, "expires_at": NOW + timedelta(hours=1)}
        beside = await move_reservation(tx, made.id, ShelfKey(near, product_id, Lane.NORMAL), asset_id=other, **until)
        near_by = await consignment(tx, beside.id)
        moved = await move_reservation(
            tx, beside.id, ShelfKey(far, product_id, Lane.NORMAL), reason="moved by ann: closer", **until
        )
        far_away, moves = await consignment(tx, moved.id), await moves_of(tx, made.decision_id)

    assert (made.hub_id, decided.mode, decided.due_at) == (near, Mode.DRIVE, due)
    assert (near_by.mode, near_by.departs_at, near_by.due_at) == (Mode.DRIVE, decided.departs_at, due)
    assert (far_away.mode, far_away.departs_at, far_away.due_at) == (Mode.COURIER, None, due)
    assert moved.decision_id == beside.decision_id == made.decision_id
    assert moves == [Moved(NOW, "BER", "MUC", "moved by ann: closer")], "the one within the hub was no person's move"


async def test_what_a_person_takes_from_an_engineers_car_is_brought_and_not_collected_by_a_courier(engine: AsyncEngine):
    async with transaction(engine) as tx:
        source_id, site_id = await make_source(tx), await make_site(tx, **BERLIN)
        depot, car = await make_hub(tx, **BERLIN), await make_hub(tx, is_mobile=True, courier_cut_offs=[], **MUNICH)
        product_id = await make_product(tx)
        modes = []
        for hub_id in (depot, car):
            await make_spares(tx, hub_id=hub_id, product_id=product_id, count=1)
            ticket_id = await make_ticket(tx, source_id=source_id, site_id=site_id)
            claim = Claim(ticket_id, hub_id, product_id, product_id, expires_at=NOW + timedelta(hours=1))
            made = (await reserve(tx, claim, actor="ann", at=NOW)).reservation
            modes.append((await consignment(tx, made.id)).mode)

    assert modes == [Mode.COURIER, Mode.DRIVE]
