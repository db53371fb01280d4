"""Whatever is done in whatever order: books, units and reservations tell the same story, and it never goes back."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Coroutine
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.invariants.decisions import said
from tests.invariants.moves import CABLES, HUBS, SOONEST, STATES, SWITCHES, TICKETS, Yard, make_yard
from tests.invariants.truth import Scene, broken_histories, broken_moves, lies, look

from connector.model.kinds import Lane
from connector.model.lifecycle import ReservationState
from connector.storage.database.engine import open_engine, reading
from connector.storage.stock.book import Shelf

KINDS = st.sampled_from(["switch", "cable"])
TICKET = st.integers(0, TICKETS - 1)
HUB = st.sampled_from(HUBS)
UNIT = st.integers(0, SWITCHES + 1)
QUANTITY = st.integers(1, 3)
WHICH = st.integers(0, 50)
_names = itertools.count(1)
WORKERS = 16


def machine_on(engine: AsyncEngine, runner: asyncio.Runner) -> type[RuleBasedStateMachine]:
    class Reservations(RuleBasedStateMachine):
        """Every move there is, beside a look at everything before and after."""

        def __init__(self) -> None:
            super().__init__()
            self.yard: Yard = self.run(make_yard(engine, f"y{next(_names)}"))
            self.seen: Scene = self.run(self.yard.scene())

        def run(self, work: Coroutine[Any, Any, Any]) -> Any:
            return runner.run(work)

        def reservation(self, which: int) -> int:
            """One of them: the newest is 0."""
            numbers = sorted(self.seen.claims, reverse=True)
            return numbers[which % len(numbers)]

        @rule(kind=KINDS, ticket=TICKET, hub=HUB, quantity=QUANTITY, minutes=st.integers(0, 60))
        def claim(self, kind: str, ticket: int, hub: str, quantity: int, minutes: int) -> None:
            product = {"switch": self.yard.switch, "cable": self.yard.cable}[kind]
            shelf = Shelf(self.yard.hubs[hub], product, Lane.NORMAL)
            on_hand, reserved = self.seen.shelves.get(shelf, (0, 0))

            reserved_now = self.run(
                self.yard.claim(kind=kind, ticket=ticket, hub=hub, quantity=quantity, minutes=minutes)
            )

            after = self.run(self.yard.scene()).shelves
            taken = quantity if reserved_now is not None and reserved_now.is_new else 0
            assert on_hand - reserved >= taken
            assert after == self.seen.shelves | ({shelf: (on_hand, reserved + taken)} if taken else {})

        @rule(ticket=TICKET)
        def decide(self, ticket: int) -> None:
            foreseen = [self.run(self.yard.foresee(ticket=ticket)) for _ in range(2)]
            sourced = self.run(self.yard.decide(ticket=ticket))
            assert sourced is not None
            assert said(foreseen[0]) == said(foreseen[1]) == said(sourced.decision or foreseen[0])
            allowed = [
                book.free
                for shelf, book in self.seen.books.items()
                if (shelf.product_id, shelf.lane) == (self.yard.switch, Lane.NORMAL)
            ]
            assert (sourced.reserved is not None) or not any(allowed)

        @rule(ticket=TICKET)
        def ask(self, ticket: int) -> None:
            self.run(self.yard.ask(ticket=ticket))

        @rule(ticket=TICKET, yes=st.booleans())
        def answer(self, ticket: int, yes: bool) -> None:
            self.run(self.yard.answer(ticket=ticket, yes=yes))

        @rule(kind=KINDS, hub=HUB, quantity=QUANTITY, ticket=TICKET)
        def goods_in(self, kind: str, hub: str, quantity: int, ticket: int) -> None:
            product = {"switch": self.yard.switch, "cable": self.yard.cable}[kind]
            shelf = Shelf(self.yard.hubs[hub], product, Lane.NORMAL)
            on_hand, reserved = self.seen.shelves.get(shelf, (0, 0))

            before = self.run(self.yard.foresee(ticket=ticket, policy=SOONEST)).chosen
            self.run(self.yard.goods_in(kind=kind, hub=hub, quantity=quantity))

            after = self.run(self.yard.foresee(ticket=ticket, policy=SOONEST)).chosen
            assert before is None or (after is not None and after.arrives_at <= before.arrives_at)
            assert self.run(self.yard.scene()).shelves[shelf] == (on_hand + quantity, reserved)

        @rule(tickets=st.sets(TICKET, min_size=2))
        def decide_many(self, tickets: set[int]) -> None:
            sourced = self.run(self.yard.decide_many(tickets=tickets))
            assert sourced.keys() == tickets
            new = [
                item
                for found in sourced.values()
                if found.reserved and found.reserved.is_new
                for item in found.reserved.reservations
            ]
            after = self.run(self.yard.scene())
            assert len(after.claims) == len(self.seen.claims) + len(new)
            left = [
                book.free
                for shelf, book in after.books.items()
                if (shelf.product_id, shelf.lane) == (self.yard.switch, Lane.NORMAL)
            ]
            assert all(found.reserved for found in sourced.values()) or not any(left)

        @precondition(lambda self: self.seen.claims)
        @rule(which=WHICH, hub=HUB, kind=KINDS)
        def move(self, which: int, hub: str, kind: str) -> None:
            self.run(self.yard.move(self.reservation(which), hub=hub, kind=kind))
            after = self.run(self.yard.scene())
            assert sum(claim.quantity for claim in after.claims.values() if claim.is_live) == self.live_units()

        @precondition(lambda self: self.seen.claims)
        @rule(which=WHICH, quantity=QUANTITY, minutes=st.integers(1, 90))
        def split_and_extend(self, which: int, quantity: int, minutes: int) -> None:
            number = self.reservation(which)
            self.run(self.yard.split(number, quantity=quantity))
            self.run(self.yard.extend(number, minutes=minutes))
            after = self.run(self.yard.scene())
            assert (after.books, after.units) == (self.seen.books, self.seen.units)

        @rule(ticket=TICKET, weak=TICKET)
        def take(self, ticket: int, weak: int) -> None:
            sourced = self.run(self.yard.take(ticket=ticket, weak=weak))
            after = self.run(self.yard.scene())
            gives_back = any(claim.kit and claim.is_live for claim in self.seen.claims.values())
            if sourced.decision is not None and sourced.decision.taken_from and not gives_back:
                assert (after.books, after.units) == (self.seen.books, self.seen.units)

        @rule(ticket=TICKET, units=st.integers(1, 3), weak=st.none() | TICKET)
        def send_with_kits(self, ticket: int, units: int, weak: int | None) -> None:
            sourced = self.run(self.yard.send(ticket=ticket, units=units, weak=weak))
            if sourced is None or sourced.reserved is None or not sourced.reserved.is_new:
                return
            after = self.run(self.yard.scene())
            for device in sourced.reserved.reservations:
                cables = [c.quantity for c in after.claims.values() if c.ships_with == device.id]
                assert sum(cables) == 2 * device.quantity

        def live_units(self) -> int:
            return sum(claim.quantity for claim in self.seen.claims.values() if claim.is_live)

        @rule(kind=KINDS, hub=HUB, quantity=QUANTITY, ticket=TICKET)
        def claim_and_let_go(self, kind: str, hub: str, quantity: int, ticket: int) -> None:
            reserved = self.run(self.yard.claim(kind=kind, ticket=ticket, hub=hub, quantity=quantity))
            if reserved is None or not reserved.is_new:
                return
            for item in reserved.reservations:
                self.run(self.yard.release(item.id))
            after = self.run(self.yard.scene())
            assert (after.books, after.units) == (self.seen.books, self.seen.units)

        @precondition(lambda self: self.seen.claims)
        @rule(which=WHICH)
        def commit(self, which: int) -> None:
            self.run(self.yard.commit(self.reservation(which)))
            after = self.run(self.yard.scene())
            assert (after.books, after.units) == (self.seen.books, self.seen.units)

        @precondition(lambda self: self.seen.claims)
        @rule(which=WHICH)
        def commit_and_fulfil(self, which: int) -> None:
            number = self.reservation(which)
            self.run(self.yard.commit(number))
            claim = self.run(self.yard.scene()).claims[number]
            is_committed = claim.state is ReservationState.COMMITTED and claim.ships_with is None
            self.run(self.yard.fulfil(number))
            self.gave_back(number, was_live=is_committed, leaves=True)

        @precondition(lambda self: self.seen.claims)
        @rule(which=WHICH)
        def release(self, which: int) -> None:
            number = self.reservation(which)
            was_live = self.seen.claims[number].is_live and self.seen.claims[number].ships_with is None
            self.run(self.yard.release(number))
            self.gave_back(number, was_live=was_live, leaves=False)

        def gave_back(self, number: int, *, was_live: bool, leaves: bool) -> None:
            """What was claimed, with its kit, is off the books, and nothing else is different anywhere."""
            expected = dict(self.seen.shelves)
            for claim in (c for n, c in self.seen.claims.items() if number in (n, c.ships_with) and was_live):
                on_hand, reserved = expected[claim.shelf]
                n = claim.quantity if claim.is_live else 0
                expected[claim.shelf] = (on_hand - n * leaves, reserved - n)
            assert self.run(self.yard.scene()).shelves == expected

        @rule(ticket=TICKET)
        def cancel(self, ticket: int) -> None:
            self.run(self.yard.cancel(ticket=ticket))
            mine = self.yard.tickets[ticket]
            after = self.run(self.yard.scene())
            assert not [claim for claim in after.claims.values() if claim.ticket_id == mine and claim.is_live]

        @rule(seeds=st.lists(st.integers(0, 10_000), min_size=WORKERS, max_size=WORKERS))
        def sixteen_move_at_once(self, seeds: list[int]) -> None:
            async def all_of_them() -> None:
                async with asyncio.timeout(60):
                    await asyncio.gather(*(self.yard.at_random(random.Random(seed)) for seed in seeds))  # noqa: S311

            self.run(all_of_them())

        @rule(minutes=st.integers(1, 45))
        def time_passes(self, minutes: int) -> None:
            self.run(self.yard.expire(minutes=minutes))

        @rule(
            unit=UNIT, hub=HUB, lane=st.sampled_from(Lane), state=st.sampled_from(STATES),
            is_router=st.sampled_from([False, False, False, True]),
        )  # fmt: skip
        def source_states_a_unit(self, **statement: Any) -> None:
            self.run(self.yard.state_unit(**statement))

        @rule(unit=UNIT)
        def source_drops_a_unit(self, unit: int) -> None:
            self.run(self.yard.drop_unit(unit=unit))

        @rule(hub=HUB, quantity=st.integers(0, CABLES + 3))
        def source_counts(self, hub: str, quantity: int) -> None:
            self.run(self.yard.count(hub=hub, quantity=quantity))

        @rule(hub=HUB)
        def source_drops_a_count(self, hub: str) -> None:
            self.run(self.yard.drop_count(hub=hub))

        @invariant()
        def the_story_is_one_and_goes_on(self) -> None:
            scene = self.run(self.yard.scene())
            assert lies(scene) == []
            assert broken_moves(self.seen, scene) == []
            self.seen = scene

        def teardown(self) -> None:
            async def histories() -> list[str]:
                async with reading(engine) as tx:
                    return await broken_histories(tx, await look(tx, self.yard.products))

            assert self.run(histories()) == []

    return Reservations


def test_books_units_and_reservations_always_agree(database: str):
    engine = open_engine(database, pool_size=WORKERS)
    with asyncio.Runner() as runner:
        try:
            run_state_machine_as_test(
                machine_on(engine, runner), settings=settings(max_examples=10, stateful_step_count=25, deadline=None)
            )
        finally:
            runner.run(engine.dispose())
