"""A yard of two hubs with serialised switches and counted cables, and everything that may be done to it.

Every move is one transaction on the real functions of storage and ingest. A move that is refused for a reason that
the hub states (out of stock, an illegal move, lines that are taken) has done nothing, and that is fine.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.factories import BERLIN, MUNICH, NOW, make_asset, make_site, make_ticket
from tests.ingest import records
from tests.invariants.decisions import ACCESS, ZONE, breaches
from tests.invariants.truth import Scene, look

from connector.fulfilment.approvals import settle, time_out
from connector.ingest.apply import apply
from connector.model.errors import IllegalTransition, InvalidInput, OutOfStock, StaleWrite
from connector.model.geo import Point
from connector.model.kinds import Lane, Tracking
from connector.model.lifecycle import RESERVATION_LIVE, ApprovalState, AssetState
from connector.rules.policy.reading import Policy, default_policy, read_policy
from connector.rules.sourcing.decision import Decision
from connector.sdk import Batch, KitRecord, ProductKey, Record
from connector.storage import tables
from connector.storage.approvals.approvals import lock_approval
from connector.storage.database.engine import in_transaction, reading
from connector.storage.database.locks import lock_devices, lock_tickets
from connector.storage.sources.sources import register_source
from connector.storage.stock.book import Shelf
from connector.storage.stock.goods_in import take_into_stock
from connector.storage.stock.holds import extend_reservation
from connector.storage.stock.reservations import Claim, Reserved
from connector.storage.stock.reserve import (
    commit_reservation,
    expire_due,
    fulfil_reservation,
    release_reservation,
    reserve,
)
from connector.storage.stock.succession import move_reservation, split_reservation
from connector.storage.stock.units import ShelfKey
from connector.storage.tickets.decide import Sourced, decide_and_reserve, decide_and_reserve_many, explain_ticket

SWITCHES, CABLES, TICKETS, HUBS = 6, 9, 6, ("north", "south")
STATES = (AssetState.IN_STOCK, AssetState.QUARANTINED, AssetState.LOST, AssetState.RETIRED)
LINES = {"switch": 1, "cable": 10}
POLICY = default_policy()
TAKING = read_policy("""
name: taking
rules:
  - {name: any, when: "true", hardware: replace, preempt: {}}
sourcing: {courier: {transit: [{hours: 24}]}}
fairness: {preempted_at_most: 9}
""")
SOONEST = read_policy("""
name: soonest
rules: [{name: any, when: "true", hardware: replace, ranking: [arrival, cost]}]
sourcing: {courier: {transit: [{within_km: 300, hours: 14}, {hours: 24}]}}
""")
SENDING = read_policy("""
name: sending
rules:
  - {name: any, when: "true", hardware: replace, kit: swap, split: allowed, preempt: {}}
sourcing: {courier: {transit: [{hours: 24}]}}
fairness: {preempted_at_most: 9}
""")
ASKING = read_policy("""name: asking
approvals: {agreed: {roles: [approver], within_minutes: 5}}
rules: [{name: any, when: "true", hardware: replace, approval: agreed}]
sourcing: {courier: {transit: [{hours: 24}]}}
""")


@dataclass
class Yard:
    """Ids of what is there. name: marks what is this yard's in a database that others share."""

    engine: AsyncEngine
    name: str
    source_id: int
    hubs: dict[str, int]
    switch: int
    router: int
    cable: int
    tickets: list[int]
    versions: Iterator[int]
    now: datetime = NOW

    @property
    def products(self) -> tuple[int, ...]:
        return self.switch, self.router, self.cable

    async def scene(self) -> Scene:
        async with reading(self.engine) as tx:
            return await look(tx, self.products)

    async def numbers(self) -> list[int]:
        """Ids of all reservations of the yard's tickets."""
        table = tables.reservation
        async with reading(self.engine) as tx:
            statement = select(table.c.id).where(table.c.ticket_id.in_(self.tickets)).order_by(table.c.id)
            return list((await tx.execute(statement)).scalars())

    async def claim(
        self, *, kind: str, ticket: int, hub: str, quantity: int, lane: Lane = Lane.NORMAL, minutes: int = 30
    ) -> Reserved | None:
        """A dispatcher's choice; None when it was refused."""
        product = {"switch": self.switch, "cable": self.cable}[kind]
        wanted = Claim(
            ticket_id=self.tickets[ticket], hub_id=self.hubs[hub], product_id=product, requested_product_id=product,
            lane=lane, quantity=quantity, line=LINES[kind], expires_at=self.now + timedelta(minutes=minutes),
        )  # fmt: skip

        async def work(tx: AsyncConnection) -> Reserved:
            return await reserve(tx, wanted, actor="test", at=self.now)

        with suppress(OutOfStock, InvalidInput):
            return await in_transaction(self.engine, work)
        return None

    def kept(self, sourced: Sourced, approval: str | None = None) -> Sourced:
        """What was decided, which breaks no hard constraint."""
        assert breaches(sourced, {self.switch}, approval) == []
        return sourced

    async def foresee(self, *, ticket: int, policy: Policy = POLICY) -> Decision:
        """What would be decided now."""
        async with reading(self.engine) as tx:
            return await explain_ticket(tx, self.tickets[ticket], policy, self.now)

    async def decide(self, *, ticket: int) -> Sourced | None:
        """What the rules choose; None when others were quicker time and again."""

        async def work(tx: AsyncConnection) -> Sourced:
            return self.kept(await decide_and_reserve(tx, self.tickets[ticket], POLICY, now=self.now))

        with suppress(StaleWrite):
            return await in_transaction(self.engine, work)
        return None

    async def ask(self, *, ticket: int) -> Sourced | None:
        """What the rules choose when somebody has to say yes to it."""

        async def work(tx: AsyncConnection) -> Sourced:
            return self.kept(await decide_and_reserve(tx, self.tickets[ticket], ASKING, now=self.now), "agreed")

        with suppress(StaleWrite):
            return await in_transaction(self.engine, work)
        return None

    async def answer(self, *, ticket: int, yes: bool) -> None:
        """Somebody answers what is asked about a ticket; what nobody answered in time is settled."""
        table, verdict = tables.approval, ApprovalState.APPROVED if yes else ApprovalState.REJECTED

        async def work(tx: AsyncConnection) -> None:
            pending = select(table.c.id).where(
                table.c.ticket_id == self.tickets[ticket], table.c.state == ApprovalState.PENDING
            )
            for number in (await tx.execute(pending)).scalars().all():
                row = await lock_approval(tx, number)
                if row.state is ApprovalState.PENDING and not await time_out(tx, number, at=self.now):
                    await settle(tx, row, verdict, by="ada", reason="test", at=self.now)

        await in_transaction(self.engine, work)

    async def decide_many(self, *, tickets: Collection[int]) -> dict[int, Sourced]:
        """What the rules choose for several tickets in one transaction, by their numbers in the yard."""
        numbers = {self.tickets[ticket]: ticket for ticket in tickets}

        async def work(tx: AsyncConnection) -> dict[int, Sourced]:
            return await decide_and_reserve_many(tx, list(numbers), POLICY, now=self.now)

        with suppress(StaleWrite):
            return {numbers[key]: self.kept(value) for key, value in (await in_transaction(self.engine, work)).items()}
        return {}

    async def commit(self, number: int) -> None:
        await self._move(lambda tx: commit_reservation(tx, number, actor="test", at=self.now))

    async def fulfil(self, number: int) -> None:
        await self._move(lambda tx: fulfil_reservation(tx, number, actor="test", at=self.now))

    async def release(self, number: int) -> None:
        await self._move(lambda tx: release_reservation(tx, number, reason="test", actor="test", at=self.now))

    async def move(self, number: int, *, hub: str, kind: str) -> None:
        """A dispatcher takes the same from another hub, or something else."""
        product = {"switch": self.switch, "cable": self.cable}[kind]
        shelf = ShelfKey(self.hubs[hub], product, Lane.NORMAL)
        until = self.now + timedelta(minutes=30)
        await self._move(lambda tx: move_reservation(tx, number, shelf, actor="test", at=self.now, expires_at=until))

    async def split(self, number: int, *, quantity: int) -> None:
        until = self.now + timedelta(minutes=30)
        await self._move(
            lambda tx: split_reservation(tx, number, quantity, actor="test", at=self.now, expires_at=until)
        )

    async def extend(self, number: int, *, minutes: int) -> None:
        until, day = self.now + timedelta(minutes=minutes), timedelta(days=1)
        await self._move(lambda tx: extend_reservation(tx, number, until, longest=day, actor="test", at=self.now))

    async def send(self, *, ticket: int, units: int = 1, weak: int | None = None) -> Sourced | None:
        """The rules choose units with their kits. weak: a ticket that may lose what it has."""

        async def work(tx: AsyncConnection) -> Sourced:
            table, numbers = tables.ticket, [self.tickets[n] for n in (ticket, weak) if n is not None]
            if tx.dialect.name != "sqlite":  # in the order of everybody else: devices, then tickets
                await lock_devices(tx, numbers)
                await lock_tickets(tx, numbers)
            mine, other = table.c.id == numbers[0], table.c.id == numbers[-1]
            await tx.execute(update(table).where(mine).values(quantity=units))
            if weak is not None:
                await tx.execute(update(table).where(other).values(priority="P5"))
            sourced = self.kept(await decide_and_reserve(tx, self.tickets[ticket], SENDING, now=self.now))
            await tx.execute(update(table).where(mine).values(quantity=1))
            if weak is not None:
                await tx.execute(update(table).where(other).values(priority="P1"))
            return sourced

        with suppress(StaleWrite, InvalidInput):
            return await in_transaction(self.engine, work)
        return None

    async def weaken(self, *tickets: int) -> None:
        """From now on these tickets may lose what they have."""
        table, numbers = tables.ticket, [self.tickets[ticket] for ticket in tickets]
        weaker = update(table).where(table.c.id.in_(numbers)).values(priority="P5")
        await in_transaction(self.engine, lambda tx: tx.execute(weaker))

    async def take_over(self, *, ticket: int) -> None:
        """A ticket is decided about that may take what weaker ones have."""

        async def work(tx: AsyncConnection) -> Sourced:
            return self.kept(await decide_and_reserve(tx, self.tickets[ticket], TAKING, now=self.now))

        with suppress(StaleWrite):
            await in_transaction(self.engine, work)

    async def take(self, *, ticket: int, weak: int) -> Sourced | None:
        """One ticket is decided about while another is weaker and may lose what it has."""

        async def work(tx: AsyncConnection) -> Sourced:
            table = tables.ticket
            weaker = update(table).where(table.c.id == self.tickets[weak]).values(priority="P5")
            await tx.execute(weaker)
            sourced = self.kept(await decide_and_reserve(tx, self.tickets[ticket], TAKING, now=self.now))
            await tx.execute(update(table).where(table.c.id == self.tickets[weak]).values(priority="P1"))
            return sourced

        with suppress(StaleWrite):
            return await in_transaction(self.engine, work)
        return None

    async def cancel(self, *, ticket: int) -> None:
        """Give back everything that the ticket has."""
        table = tables.reservation

        async def work(tx: AsyncConnection) -> None:
            live = table.c.state.in_(RESERVATION_LIVE)
            mine = select(table.c.id).where(table.c.ticket_id == self.tickets[ticket], live).order_by(table.c.id)
            for number in (await tx.execute(mine)).scalars().all():
                with suppress(IllegalTransition):
                    await release_reservation(tx, number, reason="cancelled", actor="test", at=self.now)

        await in_transaction(self.engine, work)

    async def expire(self, *, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        await in_transaction(self.engine, lambda tx: expire_due(tx, at=self.now))

    async def state_unit(self, *, unit: int, hub: str, lane: Lane, state: AssetState, is_router: bool) -> None:
        """The source says where a unit is, how, and which of two products; one that it never spoke of is a new one."""
        key = _router(self.name) if is_router else _switch(self.name)
        await self.take_in(_unit(self.name, unit, hub, next(self.versions), lane=lane, state=state, product=key))

    async def drop_unit(self, *, unit: int) -> None:
        """The source has the unit no longer."""
        external_id = f"{self.name}-{unit}"
        await self.take_in(records.gone("asset", external_id, v=next(self.versions)))

    async def count(self, *, hub: str, quantity: int) -> None:
        """The source has counted the cables of a hub anew."""
        await self.take_in(_count(self.name, hub, next(self.versions), quantity))

    async def drop_count(self, *, hub: str) -> None:
        """The source keeps no cables in that hub any more."""
        await self.take_in(records.gone("stock", f"{self.name}-{hub}", v=next(self.versions)))

    async def goods_in(self, *, kind: str, hub: str, quantity: int) -> None:
        """New units come from a supplier: switches by serials that nobody knows yet, cables by their number."""
        is_switch = kind == "switch"
        serials = [f"{self.name}-bought-{next(self.versions)}" for _ in range(quantity if is_switch else 0)]
        shelf = Shelf(self.hubs[hub], self.switch if is_switch else self.cable, Lane.NORMAL)
        tracking = Tracking.SERIALISED if is_switch else Tracking.COUNTED

        async def work(tx: AsyncConnection) -> None:
            await take_into_stock(tx, shelf, quantity, serials, tracking, actor="test", cause="order", at=self.now)

        await in_transaction(self.engine, work)

    async def take_in(self, *batch: Record) -> None:
        async def work(tx: AsyncConnection) -> None:
            await apply(tx, self.source_id, "things", Batch(records=batch), actor="source", at=self.now)

        await in_transaction(self.engine, work)

    async def at_random(self, rng: random.Random) -> None:
        """One move, as the generator would have it."""
        ticket, hub = rng.randrange(TICKETS), rng.choice(HUBS)
        numbers = await self.numbers()
        number = rng.choice(numbers[-12:]) if numbers else None
        moves: list[Callable[[], Awaitable[Any]]] = [
            lambda: self.claim(
                kind=rng.choice(["switch", "cable"]), ticket=ticket, hub=hub, quantity=rng.randint(1, 3),
                minutes=rng.randint(0, 3),
            ),
            lambda: self.decide(ticket=ticket),
            lambda: self.decide_many(tickets=rng.sample(range(TICKETS), k=4)),
            lambda: self.ask(ticket=ticket),
            lambda: self.send(ticket=ticket, units=rng.randint(1, 2)),
            lambda: self.answer(ticket=ticket, yes=rng.random() < 0.5),
            lambda: self.take_over(ticket=ticket),
            lambda: self.goods_in(kind=rng.choice(["switch", "cable"]), hub=hub, quantity=1),
            lambda: self.cancel(ticket=ticket),
            lambda: self.expire(minutes=rng.randint(0, 2)),
            lambda: self.state_unit(
                unit=rng.randrange(SWITCHES + 3), hub=hub, lane=Lane.NORMAL, is_router=False,
                state=rng.choice(STATES[:1] * 3 + STATES),
            ),
            lambda: self.drop_unit(unit=rng.randrange(SWITCHES)),
            lambda: self.count(hub=hub, quantity=rng.randint(0, CABLES)),
        ]  # fmt: skip
        if number is not None:
            moves += [lambda: self.commit(number), lambda: self.fulfil(number), lambda: self.release(number)] * 2
            moves += [
                lambda: self.move(number, hub=hub, kind=rng.choice(["switch", "cable"])),
                lambda: self.split(number, quantity=1),
                lambda: self.extend(number, minutes=rng.randint(1, 90)),
            ]
        await rng.choice(moves)()

    async def _move(self, step: Callable[[AsyncConnection], Awaitable[object]]) -> None:
        with suppress(IllegalTransition, OutOfStock, InvalidInput):
            await in_transaction(self.engine, step)


async def make_yard(engine: AsyncEngine, name: str) -> Yard:
    """A yard as its source describes it, and tickets about a device in Berlin."""
    async with engine.begin() as tx:
        source_id = await register_source(tx, name=f"cmdb-{name}", adapter="test", at=NOW)
    yard = Yard(engine, name, source_id, {}, 0, 0, 0, [], itertools.count(100))
    places = {"north": BERLIN, "south": MUNICH}
    await yard.take_in(
        *(
            records.hub(
                f"{name}-{hub}", point=Point(places[hub]["latitude"], places[hub]["longitude"]),
                time_zone="Europe/Berlin", opening_hours="24x7", courier_cut_offs=("17:00",),
            )
            for hub in HUBS
        ),
        records.product(f"{name}-router", key=_router(name)),
        *(_unit(name, number, HUBS[number % 2], 1) for number in range(SWITCHES)),
        *(_count(name, hub, 1, CABLES) for hub in HUBS),
    )  # fmt: skip
    await yard.take_in(_kit(name))
    return await known_yard(engine, name)


async def known_yard(engine: AsyncEngine, name: str, *, first_version: int = 100) -> Yard:
    """The yard of that name, its tickets made with the first look at it."""
    hub, product, source, ticket = tables.hub, tables.product, tables.source, tables.ticket

    async def work(tx: AsyncConnection) -> Yard:
        async def number(column: Any, value: str) -> int:
            return int((await tx.execute(select(column.table.c.id).where(column == value))).scalar_one())

        source_id = await number(source.c.name, f"cmdb-{name}")
        switch, router, cable = [
            await number(product.c.model, key.model) for key in (_switch(name), _router(name), _cable(name))
        ]
        mine = select(ticket.c.id).where(ticket.c.source_id == source_id).order_by(ticket.c.id)
        tickets = list((await tx.execute(mine)).scalars())
        if not tickets:
            site = await make_site(tx, time_zone=ZONE, access_hours=ACCESS)
            failed = [await make_asset(tx, product_id=switch, site_id=site) for _ in range(TICKETS)]
            tickets = [await make_ticket(tx, source_id=source_id, asset_id=asset_id) for asset_id in failed]
        return Yard(
            engine, name, source_id,
            hubs={where: await number(hub.c.code, f"{name}-{where}".upper()) for where in HUBS},
            switch=switch, router=router, cable=cable, tickets=tickets, versions=itertools.count(first_version),
        )  # fmt: skip

    return await in_transaction(engine, work)


def _switch(name: str) -> ProductKey:
    return ProductKey(manufacturer="Cisco", model=f"Switch {name}")


def _router(name: str) -> ProductKey:
    return ProductKey(manufacturer="Cisco", model=f"Router {name}")


def _cable(name: str) -> ProductKey:
    return ProductKey(manufacturer="Cisco", model=f"Cable {name}")


def _unit(name: str, number: int, hub: str, version: int, **values: Any) -> Record:
    given = {"product": _switch(name), "place": records.ref("hub", f"{name}-{hub}"), "state": AssetState.IN_STOCK}
    return records.asset(f"{name}-{number}", v=version, **{**given, **values})


def _kit(name: str) -> Record:
    """What goes along with a switch: two cables."""
    return KitRecord.model_validate(
        {
            "ref": records.ref("kit", name), "name": f"Kit {name}", "product": _switch(name),
            "components": [{"product": _cable(name), "quantity": 2}],
        }
    )  # fmt: skip


def _count(name: str, hub: str, version: int, quantity: int) -> Record:
    code = f"{name}-{hub}".upper()
    return records.count(f"{name}-{hub}", v=version, quantity=quantity, hub=code, product=_cable(name))
