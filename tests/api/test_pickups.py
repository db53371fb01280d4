"""Drivers who are ordered to a hub: once, whatever answer is lost, and called off again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.access import ApiKey
from connector.api.commands import hub_commands
from connector.api.schema.nodes import global_id
from connector.fulfilment.pickups import NewOrder, Pickups
from connector.model.principals import Principal
from connector.sdk import (
    AdapterError,
    CancelPickup,
    Connection,
    Invalid,
    NotFound,
    OrderPickup,
    OutcomeUnknown,
    PickupReceipt,
    Receipt,
    Transient,
)
from connector.sdk.connection import connect
from connector.storage import tables
from connector.storage.database.engine import transaction
from tests.api.conftest import TOKEN, Hub, OpenHub
from tests.conftest import MovableClock
from tests.factories import make_hub
from tests.fulfilment.scene import Scene, make_engine, make_scene
from tests.fulfilment.world import World

DISPATCH = (Path(__file__).parents[2] / "graphql" / "operations" / "Dispatch.graphql").read_text(encoding="utf-8")
FROM, UNTIL = "2026-11-25T13:00:00Z", "2026-11-25T16:00:00Z"


@dataclass
class Depot:
    """A hub with a van of its own, and a person there."""

    hub: Hub
    scene: Scene
    courier: Any
    pickups: Pickups
    book: Path

    @property
    def noted(self) -> int:
        """Pickups that the van's book has, called off or not."""
        return len([path for path in self.book.glob("??/*.pickup-*.json") if not path.name.endswith(".void.json")])

    @property
    def called_off(self) -> int:
        """Those that were called off."""
        return len(list(self.book.glob("??/*.pickup-*.void.json")))

    async def do(self, name: str, **variables: Any) -> Any:
        """The payload of one of the published mutations."""
        return next(iter((await self.hub.query(DISPATCH, name, **variables)).values()))

    async def order(self, key: str = "p1", **variables: Any) -> Any:
        """Order a driver for this afternoon."""
        asked = {"hub": global_id("Hub", self.scene.hub_id), "earliest": FROM, "latest": UNTIL, **variables}
        return await self.do("OrderPickup", key=key, **asked)


class Killed(BaseException):
    """The process dies."""


Opening = Any


@pytest.fixture
def opening(engine: AsyncEngine, database: str, clock: MovableClock, open_hub: OpenHub, tmp_path: Path) -> Opening:
    @asynccontextmanager
    async def opening(*, parcels: int = 1, courier: str = "courier", **options: Any) -> AsyncIterator[Depot]:
        settings = {
            "book": str(tmp_path / "book"), "carrier": "Van", "currency": "EUR", "time_zone": "Europe/Berlin",
            "report_secret": "label-3f9c11d0a7b2", "report_address": "https://hub.example.com/webhooks/courier",
            "services": [{"name": "round", "base": "9", "per_km": "1", "transit_hours": 5}],
        }  # fmt: skip
        van = connect("courier", "manual_courier", settings, clock=clock)
        await van.adapter.check()
        world = World().connections(clock)
        silent = world["courier"]  # takes no orders of pickups
        other = Connection("other", silent.adapter_name, silent.adapter, silent.http)
        connections = {**world, "courier": van, "other": other}
        scene = await make_scene(engine, spares=max(parcels, 1))
        fulfilment = make_engine(engine, database, connections, clock, courier=courier)
        await fulfilment.launch()
        try:
            for number in range(parcels):
                await scene.open_ticket(f"47{number}")
            await scene.finished(parcels)
            commands = hub_commands(fulfilment.commands, engine, connections, clock)
            async with open_hub(commands=commands, **options) as hub:
                yield Depot(hub, scene, van.adapter, fulfilment.commands.pickups, tmp_path / "book")
        finally:
            await fulfilment.close()
            await van.aclose()

    return opening


async def test_a_driver_is_ordered_once_for_all_that_waits(opening: Opening):
    async with opening(parcels=2) as at:
        ordered = await at.order(note="Gate 2")
        again = await at.order(note="Gate 2")
        parcels = await at.scene.rows(tables.shipment)
        row = await at.scene.row(tables.pickup)
        changes = await at.scene.rows(tables.change, kind="pickup")

    numbers = [parcel["tracking_number"] for parcel in parcels]
    assert (ordered["errors"], again) == ([], ordered)
    assert [node["trackingNumber"] for node in ordered["pickup"]["shipments"]["nodes"]] == numbers
    assert {name: ordered["pickup"][name] for name in ("state", "carrier", "earliestAt", "latestAt", "cost")} == {
        "state": "ORDERED", "carrier": "Van", "earliestAt": FROM, "latestAt": UNTIL, "cost": None,
    }  # fmt: skip
    assert (row["note"], row["attempted_at"], len(row["external_id"].split())) == ("Gate 2", None, 2)
    assert at.noted == 2  # the van's book has one for each parcel
    assert [change["operation"] for change in changes] == ["created", "updated", "updated"]


async def test_one_that_is_called_off_leaves_its_parcels_for_another(opening: Opening):
    async with opening() as at:
        ordered = await at.order()
        pickup = ordered["pickup"]["id"]
        more = await at.order("p2")
        off = await at.do("CancelPickup", pickup=pickup, key="c1")
        again = await at.do("CancelPickup", pickup=pickup, key="c1")
        twice = await at.do("CancelPickup", pickup=pickup, key="c2")
        anew = await at.order("p3")

    number = (await at.scene.rows(tables.pickup))[0]["id"]
    assert [(error["code"], error["message"]) for error in more["errors"]] == [
        (
            "INVALID_INPUT",
            f"every parcel of source 'courier' at Berlin Depot waits for a driver already: pickup {number}",
        )
    ]
    assert (off["errors"], off["pickup"]["state"], again) == ([], "CANCELLED", off)
    assert [(error["code"], error["message"]) for error in twice["errors"]] == [
        ("ILLEGAL_TRANSITION", f"pickup {number} is cancelled already")
    ]
    assert (anew["errors"], anew["pickup"]["state"], at.noted, at.called_off) == ([], "ORDERED", 2, 1)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"earliest": UNTIL, "latest": FROM}, "nobody can come between 2026-11-25 16:00Z and 2026-11-25 13:00Z"),
        (
            {"earliest": "2026-11-25T07:00:00Z", "latest": "2026-11-25T08:30:00Z"},
            "2026-11-25 08:30Z is over: give a time to come",
        ),
        (
            {"earliest": "2026-11-25T22:00:00Z", "latest": "2026-11-25T23:30:00Z"},
            "a driver comes within one day, not from 2026-11-25 23:00 to 2026-11-26 00:30 (Europe/Berlin)",
        ),
        ({"carrier": "dhl"}, "no parcel at Berlin Depot has a label of dhl by source 'courier' and waits for a driver"),
        ({"shipments": []}, "`shipmentIds` names no parcel"),
        ({"note": "x" * 501}, "the note has 501 characters, 500 are allowed"),
    ],
)
async def test_what_cannot_be_ordered_is_refused_with_the_reason(
    opening: Opening, variables: dict[str, str], message: str
):
    async with opening() as at:
        refused = await at.order(**variables)

        assert [(error["code"], error["message"]) for error in refused["errors"]] == [("INVALID_INPUT", message)]
        assert (refused["pickup"], await at.scene.rows(tables.pickup), at.noted) == (None, [], 0)


async def test_a_hub_without_an_address_and_a_parcel_that_has_left_are_named(opening: Opening, engine: AsyncEngine):
    async with opening(parcels=2) as at:
        first, second = await at.scene.rows(tables.shipment)
        task = await at.scene.row(tables.task, kind="pickup", reservation_id=first["reservation_id"])
        await at.do("ConfirmPickup", task=global_id("Task", task["id"]), key="t1")
        ids = [global_id("Shipment", parcel["id"]) for parcel in (first, second)]
        left = await at.order(shipments=ids)
        async with transaction(engine) as tx:
            await tx.execute(update(tables.hub).values(address={"country": "DE"}))
        lost = await at.order("p2")
        async with transaction(engine) as tx:
            empty = await make_hub(tx, name="Empty")
        none = await at.order("p3", hub=global_id("Hub", empty))

    assert [error["message"] for error in left["errors"]] == [
        f"nobody can come for them: parcel {first['tracking_number']} is picked up"
    ]
    assert [error["message"] for error in lost["errors"]] == [
        "hub 'Berlin Depot (BER)' has no line1, city in its address, so no driver would find it"
    ]
    assert [error["message"] for error in none["errors"]] == [
        "no parcel at Empty has a label of source 'courier' and waits for a driver"
    ]


async def test_a_courier_without_the_capability_is_refused_with_what_to_do_instead(opening: Opening):
    async with opening(courier="other") as at:
        refused = await at.order()

    assert refused["errors"] == [
        {
            "__typename": "SourceRefusal",
            "code": "SOURCE_NOT_OFFERED",
            "message": "source 'other' takes no orders of pickups: its adapter 'world' does not do that",
            "hint": "Call the courier, or hand the parcels over as usual: `confirmPickup` records that.",
        }
    ]


def losing(at: Depot, monkeypatch: pytest.MonkeyPatch, error: BaseException, *, times: int = 1) -> None:
    """Answers of the courier are lost after it has taken the order, so many times."""
    left, order = [None] * times, at.courier.order_pickup

    async def order_pickup(op: OrderPickup) -> PickupReceipt:
        receipt: PickupReceipt = await order(op)
        if left:
            left.pop()
            raise error
        return receipt

    monkeypatch.setattr(at.courier, "order_pickup", order_pickup)


async def test_an_answer_that_is_lost_after_the_effect_is_fetched_again(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
):
    async with opening() as at:
        losing(at, monkeypatch, OutcomeUnknown("the connection was reset", operation="order pickup"))
        ordered = await at.order()

        assert (ordered["errors"], ordered["pickup"]["state"], at.noted) == ([], "ORDERED", 1)


async def test_a_lost_answer_and_then_no_way_to_the_courier_is_no_order_that_never_was(
    opening: Opening, monkeypatch: pytest.MonkeyPatch, clock: MovableClock
):
    async with opening() as at:
        with monkeypatch.context() as patched:
            losing(at, patched, OutcomeUnknown("the connection was reset", operation="order pickup"))
            lost = at.courier.order_pickup
            asked: list[OrderPickup] = []

            async def order_pickup(op: OrderPickup) -> PickupReceipt:
                asked.append(op)
                if len(asked) > 1:
                    raise Transient("no route to the courier")
                receipt: PickupReceipt = await lost(op)
                return receipt

            patched.setattr(at.courier, "order_pickup", order_pickup)
            failed = await at.order()
            clock.advance(timedelta(minutes=10))
            still = await at.order()
        pickup = global_id("Pickup", (await at.scene.row(tables.pickup))["id"])
        soon = await at.do("CancelPickup", pickup=pickup, key="c1")
        clock.advance(timedelta(minutes=10))
        off = await at.do("CancelPickup", pickup=pickup, key="c1")

        assert [error["code"] for error in (*failed["errors"], *still["errors"], *soon["errors"])] == [
            "SOURCE_OUTCOME_UNKNOWN", "SOURCE_UNAVAILABLE", "SOURCE_OUTCOME_UNKNOWN",
        ]  # fmt: skip
        assert (off["errors"], off["pickup"]["state"], at.noted, at.called_off) == ([], "CANCELLED", 1, 1)


async def test_a_process_that_dies_after_the_effect_leaves_one_pickup_to_be_found(
    opening: Opening, monkeypatch: pytest.MonkeyPatch, clock: MovableClock
):
    async with opening() as at:
        losing(at, monkeypatch, Killed())
        new = NewOrder(at.scene.hub_id, datetime.fromisoformat(FROM), datetime.fromisoformat(UNTIL))
        with pytest.raises(Killed):
            await at.pickups.order(new, key="p1", actor="ada")
        number = (await at.scene.row(tables.pickup))["id"]
        soon = await at.order()
        clock.advance(timedelta(minutes=10))
        later = await at.order()

        assert [(error["code"], error["message"]) for error in soon["errors"]] == [
            ("SOURCE_OUTCOME_UNKNOWN", f"courier was asked about pickup {number} at 09:00Z and has not answered")
        ]
        assert (later["errors"], later["pickup"]["state"], at.noted) == ([], "ORDERED", 1)


async def test_a_courier_that_cannot_be_asked_again_is_not_sent_a_second_order(
    opening: Opening, monkeypatch: pytest.MonkeyPatch, clock: MovableClock
):
    async with opening() as at:
        monkeypatch.setattr(at.courier, "is_pickup_found_again", lambda _: False)
        losing(at, monkeypatch, OutcomeUnknown("the connection was reset", operation="order pickup"))
        first = await at.order()
        clock.advance(timedelta(minutes=10))
        second = await at.order()
        number = (await at.scene.row(tables.pickup))["id"]
        off = await at.do("CancelPickup", pickup=global_id("Pickup", number), key="c1")

        unknown = f"nobody knows whether courier sends a driver for pickup {number}: its answer was lost"
        assert [error["message"] for error in (*first["errors"], *second["errors"])] == [unknown, unknown]
        assert (at.noted, off["pickup"]["state"], off["pickup"]["reason"]) == (
            1, "CANCELLED",
            "Nobody knows whether courier has it, since its answer was lost: tell it by telephone.",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("then", "state", "codes"),
    [
        (None, "CANCELLED", []),
        (NotFound("there is no such pickup"), "CANCELLED", []),
        (Invalid("the driver is under way"), "ORDERED", ["SOURCE_REFUSED"]),
    ],
    ids=("done-already", "unknown", "refused"),
)
async def test_a_process_that_dies_after_calling_off_is_followed_by_one_that_believes_the_courier(
    opening: Opening, monkeypatch: pytest.MonkeyPatch, then: AdapterError | None, state: str, codes: list[str]
):
    async with opening() as at:
        await at.order()
        number = (await at.scene.row(tables.pickup))["id"]
        cancel, answers = at.courier.cancel_pickup, [Killed(), then]

        async def cancel_pickup(op: CancelPickup) -> Receipt:
            receipt: Receipt = await cancel(op)
            answer = answers.pop(0)
            if answer is not None:
                raise answer
            return receipt

        monkeypatch.setattr(at.courier, "cancel_pickup", cancel_pickup)
        with pytest.raises(Killed):
            await at.pickups.cancel(number, key="c1", actor="ada")
        assert (await at.scene.row(tables.pickup))["state"].value == "ordered"
        again = await at.do("CancelPickup", pickup=global_id("Pickup", number), key="c1")

        assert [error["code"] for error in again["errors"]] == codes
        assert (await at.scene.row(tables.pickup))["state"].name == state
        assert at.called_off == 1


async def test_a_courier_that_sends_nobody_says_why_and_leaves_the_parcels(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
):
    async with opening() as at:
        with monkeypatch.context() as patched:
            losing(at, patched, Invalid("nobody comes on holidays", hint="Choose another day."))
            refused = await at.order()
        again = await at.order()
        anew = await at.order("p2")

        assert [(error["code"], error["message"]) for error in refused["errors"]] == [
            ("SOURCE_REFUSED", "courier: nobody comes on holidays")
        ]
        assert [(error["code"], error["message"]) for error in again["errors"]] == [
            ("SOURCE_REFUSED", "courier: nobody comes on holidays. Choose another day.")
        ]
        assert (anew["errors"], anew["pickup"]["state"]) == ([], "ORDERED")
        assert [row["state"].value for row in await at.scene.rows(tables.pickup)] == ["refused", "ordered"]


async def test_a_courier_that_is_not_reached_is_asked_again_under_the_same_key(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
):
    async with opening() as at:
        with monkeypatch.context() as patched:
            losing(at, patched, Transient("no route to the courier"))
            failed = await at.order()
        row = await at.scene.row(tables.pickup)
        again = await at.order()

        assert [error["code"] for error in failed["errors"]] == ["SOURCE_UNAVAILABLE"]
        assert (row["state"].value, row["attempted_at"]) == ("ordering", None)
        assert (again["errors"], again["pickup"]["state"]) == ([], "ORDERED")


async def test_two_at_once_order_one_driver(opening: Opening):
    async with opening(parcels=2) as at:
        answers = await asyncio.gather(at.order("a"), at.order("b"))

        assert sorted(len(answer["errors"]) for answer in answers) == [0, 1]
        assert (len(await at.scene.rows(tables.pickup)), at.noted) == (1, 2)


@pytest.mark.parametrize(("role", "region", "code"), [
    ("technician", "EU", None), ("technician", "US", "NOT_FOUND"), ("viewer", "EU", "FORBIDDEN"),
])  # fmt: skip
async def test_whoever_works_at_hubs_of_the_region_orders_drivers(
    opening: Opening, role: str, region: str, code: str | None
):
    key = ApiKey.of(TOKEN, Principal("ada", frozenset({role}), frozenset({region})))
    async with opening(keys=[key]) as at:
        at.hub.client.headers["authorization"] = f"Bearer {TOKEN}"
        answer = await at.order()

        assert [error["code"] for error in answer["errors"]] == ([code] if code else [])
        assert at.noted == (0 if code else 1)


async def test_what_is_over_is_not_called_off(opening: Opening, clock: MovableClock):
    async with opening() as at:
        ordered = await at.order()
        clock.at = datetime(2026, 11, 25, 16, tzinfo=UTC)
        refused = await at.do("CancelPickup", pickup=ordered["pickup"]["id"], key="c1")
        tomorrow = await at.order("p2", earliest="2026-11-26T13:00:00Z", latest="2026-11-26T16:00:00Z")

    assert [error["code"] for error in refused["errors"]] == ["ILLEGAL_TRANSITION"]
    assert (tomorrow["errors"], tomorrow["pickup"]["state"]) == ([], "ORDERED")
