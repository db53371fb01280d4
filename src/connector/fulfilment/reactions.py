"""What follows from a change: for a ticket, a parcel, and for tickets that wait for something that changed.

Steps of the caller's transaction; the reader of the log (`connector.fulfilment.react`) decides when.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from connector.fulfilment.handover import leave_hub, receiving_task
from connector.fulfilment.keys import ACTOR
from connector.fulfilment.loans import call_back
from connector.fulfilment.procurement import Procurements
from connector.fulfilment.reviews import ABOUT_THE_TICKET, close_reviews, require_review, review_of, settle_reviews
from connector.fulfilment.rmas import Rmas
from connector.fulfilment.rollouts import cancel_of_ticket
from connector.fulfilment.turning_up import Tracked, TurningUp, trouble_task
from connector.fulfilment.watching import Watch
from connector.fulfilment.work import Work
from connector.model.kinds import LinkKind, ProcurementKind
from connector.model.lifecycle import (
    ProcurementState,
    ReservationState,
    ShipmentStatus,
    TaskState,
)
from connector.rules.events.following import followed
from connector.rules.sourcing.decision import Outcome, Reason
from connector.storage.database.changes import LoggedChange
from connector.storage.database.engine import Transaction
from connector.storage.database.locks import lock_devices, lock_tickets
from connector.storage.facts.facts import sourcing_facts
from connector.storage.policies.active import PolicySource, policy_now
from connector.storage.shipments.consignments import consignment, lock_reservation
from connector.storage.shipments.shipments import ON_ITS_WAY, shipment_row, ticket_of_shipment
from connector.storage.stock.loans import brings_replacement
from connector.storage.stock.stopping import order_stop
from connector.storage.stock.succession import forfeit
from connector.storage.tickets.decide import decide_and_reserve_many
from connector.storage.tickets.procurements import ProcurementRow
from connector.storage.tickets.standing import (
    Standing,
    ticket_that_lost,
    tickets_standing,
)
from connector.storage.tickets.tasks import require_task, unfinished_tasks
from connector.telemetry.metrics import DECISIONS

TROUBLE: Final = frozenset({ShipmentStatus.EXCEPTION, ShipmentStatus.LOST, ShipmentStatus.RETURNED})
"""What a courier reports when a person has to ask."""
TURNS_UP: Final = frozenset({ShipmentStatus.DELIVERED, ShipmentStatus.RETURNED})
"""Where a parcel ends that was in trouble."""
IDENTIFYING: Final = frozenset({"asset_id", "product_id"})
"""Fields of a ticket that say which hardware it is about."""


class Reactions:
    """What the rules and the fulfilment do about changes."""

    def __init__(self, work: Work, policy: PolicySource) -> None:
        self._work = work
        self._policy = policy
        self._watch = Watch(work, policy)
        self._turning_up = TurningUp(work, policy)
        self._procurements = Procurements(work)
        self._rmas = Rmas(work, policy)

    async def on_tickets(self, tx: Transaction, tickets: Mapping[int, Mapping[str, Any]]) -> Collection[int]:
        """Decide and reserve for open tickets, withdraw what tickets had that are over, by as many statements as one.

        tickets: by id, the fields that have changed. Returns the ids of those that do not exist.
        """
        standings = await tickets_standing(tx, tickets)
        deciding = [n for n, item in standings.items() if item.lacks_hardware]
        deciding = [n for n in deciding if not standings[n].is_planned_elsewhere]  # what those get is said there
        if deciding:
            await self._decide(tx, {number: standings[number] for number in deciding})
        for ticket_id, standing in standings.items():
            if not standing.wants_hardware:
                await self._withdraw(tx, standing)
            elif standing.holdings and not standing.is_planned_elsewhere and not standing.lacks_hardware:
                await self._compare(tx, standing, tickets[ticket_id])
        await self._rmas.named(tx, [number for number in standings if is_named(tickets[number])])
        return tickets.keys() - standings.keys()

    async def on_taken_over(self, tx: Transaction, reservation_id: int, decided: Collection[int]) -> None:
        """Decide anew about the ticket whose units a reservation has taken over, if it was another one.

        What was held for a rollout is planned anew by that. decided: tickets that were decided about since.
        """
        loser = await ticket_that_lost(tx, reservation_id)
        if loser is not None and loser not in decided:
            await self.on_tickets(tx, {loser: {}})

    async def on_second_ended(self, tx: Transaction, reservation_id: int) -> None:
        """See to a parcel in trouble whose second unit is not sent after all."""
        await self._watch.second_ended(tx, reservation_id)

    async def _decide(self, tx: Transaction, standings: Mapping[int, Standing]) -> None:
        now = self._work.clock.now()
        needed, done = {}, {}
        sourced = await decide_and_reserve_many(tx, standings, self._policy, now=now)
        for ticket_id, item in sourced.items():
            decision = item.decision.parts[-1] if item.decision is not None else None
            self._work.tally.count(DECISIONS, decision.outcome.value if decision is not None else "nothing_to_do")
            if decision is not None and decision.reason is Reason.GROUPED:
                done[ticket_id] = "it belongs to an incident group"
            elif decision is not None and decision.outcome is Outcome.REVIEW:
                needed[ticket_id] = review_of(standings[ticket_id].number, decision)
            else:
                on_order = "it is on order" if item.procurement_ids else "nothing is needed"
                done[ticket_id] = "a unit was reserved" if item.reserved else on_order
        await settle_reviews(tx, needed=needed, done=done, at=now)

    async def _withdraw(self, tx: Transaction, standing: Standing) -> None:
        now = self._work.clock.now()
        state = "deleted" if standing.is_deleted else standing.state.value.replace("_", " ")
        for reservation_id in standing.withdrawn:
            await order_stop(tx, reservation_id, reason=f"ticket {standing.number} is {state}", actor=ACTOR, at=now)
        if standing.has_rollout:
            reason = f"ticket {standing.number} is {state}"
            await cancel_of_ticket(tx, standing.ticket_id, reason=reason, actor=ACTOR, at=now)
        if standing.is_lent and not any(item.is_live or item.is_under_way for item in standing.holdings):
            await call_back(tx, standing.ticket_id, reason=f"ticket {standing.number} is {state}", actor=ACTOR, at=now)
        await self._procurements.give_up(tx, standing.ticket_id, f"ticket {standing.number} is {state}", now)
        await close_reviews(
            tx,
            ticket_id=standing.ticket_id,
            target=TaskState.CANCELLED,
            cause=f"the ticket is {state}",
            at=now,
            prefixes=ABOUT_THE_TICKET,
        )

    async def _compare(self, tx: Transaction, standing: Standing, fields: Mapping[str, Any]) -> None:
        """A ticket that has its hardware already gets no second one; what no longer fits is for a person to judge."""
        if LinkKind.DUPLICATE_OF.value in fields and await self._give_back_duplicate(tx, standing):
            return
        reopened = "state" in fields and fields["state"][0] is not None
        has_live = any(item.is_live for item in standing.holdings)
        fits = standing.product_id in {None, *(item.requested_product_id for item in standing.holdings)}
        code, reason = "", ""
        if IDENTIFYING & fields.keys() and not fits:
            code = "hardware_changed"
            reason = "The ticket is now about another product than the one that was reserved for it."
        elif reopened and not has_live:
            code = "reopened"
            reason = "The ticket was opened again after its replacement had been sent. Reserve another one, or none."
        elif "quantity" in fields and fields["quantity"][0] is not None:
            code = "quantity_changed"
            reason = "The ticket now asks for another number of units than what was reserved for it."
        if code:
            now = self._work.clock.now()
            await require_review(
                tx, ticket_id=standing.ticket_id, number=standing.number, code=code, reason=reason, at=now
            )

    async def _give_back_duplicate(self, tx: Transaction, standing: Standing) -> bool:
        """A ticket that has turned out to be a duplicate gives back what has not left, if its master has a unit."""
        facts = await sourcing_facts(tx, standing.ticket_id)
        policy = await policy_now(tx, self._policy)
        following = followed(standing.ticket_id, facts.links, policy.grouping.links)
        if following is None or following.relief is None:
            return False
        live = [item.reservation_id for item in standing.holdings if item.is_live]
        reason = (
            f"duplicate of ticket {following.number}, which has a unit (reservation {following.relief.reservation_id})"
        )
        for reservation_id in live:
            await order_stop(tx, reservation_id, reason=reason, actor=ACTOR, at=self._work.clock.now())
        return bool(live)

    async def on_procurement(self, tx: Transaction, change: LoggedChange, decided: Collection[int]) -> ProcurementRow:
        """Have a person do what a procurement asks for; decide anew about a ticket that lost it, or that it is for.

        decided: tickets that were decided about since.
        """
        row = await self._procurements.on_change(tx, change)
        is_at_site = row.state is ProcurementState.RECEIVED and row.hub_id is None and row.site_id is not None
        if "state" in change.fields and is_at_site and row.is_wanted:
            reason = f"the replacement from {row.supplier} was delivered"
            await call_back(tx, row.ticket_id, reason=reason, actor=ACTOR, at=self._work.clock.now())
            await self._rmas.supplied(tx, row)
        has_ended = "state" in change.fields and not row.is_open and row.kind is not ProcurementKind.BACKORDER
        is_lost = row.is_wanted or row.state is ProcurementState.REFUSED
        is_news = (has_ended and is_lost) or (row.is_open and row.is_wanted and comes_later(change))
        if is_news and row.ticket_id not in decided:
            await self.on_tickets(tx, {row.ticket_id: {}})
        return row

    async def on_shipment(self, tx: Transaction, shipment_id: int, status: ShipmentStatus) -> None:
        """Book what has left the hub, deal with trouble, and with a parcel that was in trouble and turns up."""
        ticket_id = await ticket_of_shipment(tx, shipment_id) if status in TROUBLE else None
        if ticket_id is not None:
            await lock_devices(tx, (ticket_id,))
            await lock_tickets(tx, (ticket_id,))
        if status in ON_ITS_WAY:
            await self._leave(tx, shipment_id)
        if status in ON_ITS_WAY | TURNS_UP and await self._expect(tx, shipment_id, status):
            return
        if status in TROUBLE and not await self._watch.look(tx, shipment_id):
            await self._ask(tx, shipment_id, status)
        if status is ShipmentStatus.DELIVERED:
            await self._procurements.delivered(tx, shipment_id)
        if status in TURNS_UP:
            await self._turning_up.turned_up(tx, shipment_id, status)
        if status is ShipmentStatus.DELIVERED:
            await self._replaced(tx, shipment_id)
            await self._rmas.delivered(tx, shipment_id)
        if status is ShipmentStatus.RETURNED:
            await self._rmas.not_delivered(tx, await shipment_row(tx, shipment_id))

    async def _expect(self, tx: Transaction, shipment_id: int, status: ShipmentStatus) -> bool:
        """Have a hub take in what another one has sent; whether there is nothing else to do about the parcel."""
        parcel = await shipment_row(tx, shipment_id)
        if parcel.to_hub_id is None or parcel.reservation_id is None:
            return False
        is_brought = status in ON_ITS_WAY and parcel.source_id is None  # by our own people: nobody reports the end
        if (is_brought or status in TURNS_UP) and parcel.received_at is None:
            new = receiving_task(parcel, await consignment(tx, parcel.reservation_id))
            await require_task(tx, new, actor=ACTOR, cause=parcel.name, at=self._work.clock.now())
        return status not in TROUBLE - TURNS_UP

    async def _replaced(self, tx: Transaction, shipment_id: int) -> None:
        """What a ticket was to get for good has come: a unit on loan is not needed any more."""
        parcel = await shipment_row(tx, shipment_id)
        if parcel.ticket_id is None or not await brings_replacement(tx, shipment_id):
            return
        reason = f"the replacement was delivered ({parcel.name})"
        await call_back(tx, parcel.ticket_id, reason=reason, actor=ACTOR, at=self._work.clock.now())

    async def _leave(self, tx: Transaction, shipment_id: int) -> None:
        """The courier has the parcel, so the unit has left the hub even if nobody there said so."""
        shipment = await shipment_row(tx, shipment_id)
        if shipment.reservation_id is None:
            return
        now, state = self._work.clock.now(), await lock_reservation(tx, shipment.reservation_id)
        if state is ReservationState.RELEASED:
            await forfeit(tx, shipment.reservation_id, parcel=shipment.name, actor=ACTOR, at=now)
        elif state is ReservationState.COMMITTED:
            cause = f"courier reports {shipment.status.value}"
            await leave_hub(tx, shipment.reservation_id, actor=ACTOR, cause=cause, at=now, was_seen=True)

    async def _ask(self, tx: Transaction, shipment_id: int, status: ShipmentStatus) -> None:
        """Ask a person about a parcel that nobody asks about yet."""
        if await unfinished_tasks(tx, shipment_id=shipment_id, key_prefixes=[f"shipment:{shipment_id}:"]):
            return
        parcel = await shipment_row(tx, shipment_id)
        tracked = Tracked(shipment_id, parcel.name, parcel.ticket_id, parcel.reservation_id, parcel.hub_id)
        new = trouble_task(tracked, status.value, "The courier reports trouble.")
        await require_task(tx, new, actor=ACTOR, cause=None, at=self._work.clock.now())


def is_named(fields: Mapping[str, Any]) -> bool:
    """Whether a change says which device a ticket is about that was there before."""
    is_new = "state" in fields and fields["state"][0] is None
    return not is_new and "asset_id" in fields and fields["asset_id"][1] is not None


def comes_later(change: LoggedChange) -> bool:
    """Whether something that is on order is expected later than it was before."""
    before, after = change.fields.get("expected_at") or (None, None)
    return before is not None and after is not None and datetime.fromisoformat(after) > datetime.fromisoformat(before)
