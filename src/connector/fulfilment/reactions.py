"""What follows from a change: for a ticket, a parcel, and for tickets that wait for something that changed.

Steps of the caller's transaction; the reader of the log (`connector.fulfilment.react`) decides when.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from connector.fulfilment.handover import leave_hub
from connector.fulfilment.keys import ACTOR
from connector.fulfilment.procurement import Procurements
from connector.fulfilment.reviews import ABOUT_THE_TICKET, Review, close_reviews, require_review, settle_reviews
from connector.fulfilment.rollouts import cancel_of_ticket
from connector.fulfilment.turning_up import Tracked, TurningUp, trouble_task
from connector.fulfilment.watching import Watch
from connector.fulfilment.work import Work
from connector.model.kinds import LinkKind, ProcurementKind
from connector.model.lifecycle import (
    TICKET_OPEN,
    ProcurementState,
    ReservationState,
    ShipmentStatus,
    TaskState,
    TicketState,
)
from connector.model.refs import EntityKind
from connector.rules.events.following import followed
from connector.rules.policy.competition import in_line
from connector.rules.sourcing.decision import Outcome, Reason
from connector.storage.approvals.channels import open_channels, tickets_in
from connector.storage.database.changes import LoggedChange
from connector.storage.database.engine import Transaction, reading
from connector.storage.database.locks import lock_devices, lock_tickets
from connector.storage.facts.facts import sourcing_facts
from connector.storage.facts.linked_tickets import tickets_linked
from connector.storage.policies.active import PolicySource, policy_now
from connector.storage.shipments.consignments import lock_reservation
from connector.storage.shipments.shipments import ON_ITS_WAY, shipment_row, ticket_of_shipment
from connector.storage.stock.stopping import order_stop
from connector.storage.stock.succession import forfeit
from connector.storage.tickets.decide import decide_and_reserve_many
from connector.storage.tickets.incident_groups import members_waiting
from connector.storage.tickets.procurements import ProcurementRow
from connector.storage.tickets.standing import (
    Standing,
    products_on,
    ticket_that_lost,
    tickets_forfeited,
    tickets_of,
    tickets_relieved,
    tickets_standing,
    waiting_line,
    waiting_tickets,
)
from connector.storage.tickets.tasks import require_task, unfinished_tasks

DECIDING: Final = frozenset(
    {
        "priority", "state", "type", "title", "description", "category", "asset_id", "site_id", "product_id",
        "asset_hint", "site_hint", "product_hint", "sla_due_at", "quantity", "requester", "retired_at",
        "duplicate_of", "parent",
    }
)  # fmt: skip
"""Fields of a ticket that a decision looks at."""
TROUBLE: Final = frozenset({ShipmentStatus.EXCEPTION, ShipmentStatus.LOST, ShipmentStatus.RETURNED})
"""What a courier reports when a person has to ask."""
TURNS_UP: Final = frozenset({ShipmentStatus.DELIVERED, ShipmentStatus.RETURNED})
"""Where a parcel ends that was in trouble."""
IDENTIFYING: Final = frozenset({"asset_id", "product_id"})
"""Fields of a ticket that say which hardware it is about."""
LINKS: Final = {
    EntityKind.ASSET: frozenset({"product_id", "site_id"}),
    EntityKind.SITE: frozenset({"latitude", "longitude", "time_zone", "access_hours", "address", "country"}),
    EntityKind.STOCK: frozenset({"on_hand", "reserved"}),
    EntityKind.COMPATIBILITY: frozenset({"product_id", "substitute_id", "condition", "retired_at"}),
}
"""Fields of other things whose change may give a waiting ticket what it lacks."""


class Reactions:
    """What the rules and the fulfilment do about changes."""

    def __init__(self, work: Work, policy: PolicySource) -> None:
        self._work = work
        self._policy = policy
        self._watch = Watch(work, policy)
        self._turning_up = TurningUp(work, policy)
        self._procurements = Procurements(work)

    async def on_tickets(self, tx: Transaction, tickets: Mapping[int, Mapping[str, Any]]) -> Collection[int]:
        """Decide and reserve for open tickets, withdraw what tickets had that are over, by as many statements as one.

        tickets: by id, the fields that have changed. Returns the ids of those that do not exist.
        """
        standings = await tickets_standing(tx, tickets)
        deciding = [n for n, item in standings.items() if item.lacks_hardware]
        deciding = [n for n in deciding if not standings[n].has_rollout]  # what those get is said there
        if deciding:
            await self._decide(tx, {number: standings[number] for number in deciding})
        for ticket_id, standing in standings.items():
            if not standing.wants_hardware:
                await self._withdraw(tx, standing)
            elif standing.holdings and not standing.has_rollout:
                await self._compare(tx, standing, tickets[ticket_id])
        return tickets.keys() - standings.keys()

    async def on_taken_over(self, tx: Transaction, reservation_id: int) -> None:
        """Decide anew about the ticket whose units a reservation has taken over, if it was another one.

        What was held for a rollout is planned anew by that.
        """
        loser = await ticket_that_lost(tx, reservation_id)
        if loser is not None:
            await self.on_tickets(tx, {loser: {}})

    async def _decide(self, tx: Transaction, standings: Mapping[int, Standing]) -> None:
        now = self._work.clock.now()
        needed, done = {}, {}
        sourced = await decide_and_reserve_many(tx, standings, self._policy, now=now)
        for ticket_id, item in sourced.items():
            decision = item.decision
            if decision is not None and decision.reason is Reason.GROUPED:
                done[ticket_id] = "it belongs to an incident group"
            elif decision is not None and decision.outcome is Outcome.REVIEW:
                needed[ticket_id] = Review(standings[ticket_id].number, decision.reason.value, decision.text)
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

    async def on_procurement(self, tx: Transaction, change: LoggedChange) -> ProcurementRow:
        """Have a person do what a procurement asks for; decide anew about a ticket that lost it, or that it is for."""
        row = await self._procurements.on_change(tx, change)
        has_ended = "state" in change.fields and not row.is_open and row.kind is not ProcurementKind.BACKORDER
        if has_ended and (row.is_wanted or row.state is ProcurementState.REFUSED):
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
        if status in TROUBLE and not await self._watch.look(tx, shipment_id):
            await self._ask(tx, shipment_id, status)
        if status in TURNS_UP:
            await self._turning_up.turned_up(tx, shipment_id, status)

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

    async def tickets_first(self, changes: Sequence[LoggedChange]) -> list[int]:
        """Tickets of open red channels, which are decided before everything else that has changed.

        Those that have changed; of a channel that was opened or extended all that wait, however old. None, and a
        single look, when no channel is open.
        """
        now = self._work.clock.now()
        changed = {change.entity_id for change in changes if change.kind is EntityKind.TICKET}
        touched = {change.entity_id for change in changes if change.kind is EntityKind.RED_CHANNEL}
        if not changed and not touched:
            return []
        found: dict[int, None] = {}
        async with reading(self._work.database) as tx:
            for channel in await open_channels(tx):
                if channel.opened_at <= now < channel.ends_at:
                    only = None if channel.id in touched else changed
                    found |= dict.fromkeys(await tickets_in(tx, channel.id, only=only))
        return list(found)

    async def tickets_helped(self, changes: Sequence[LoggedChange]) -> Sequence[int]:
        """Tickets that may have got what they lacked, or whose device or master lost what was on its way for them.

        In the order in which they are served.
        """
        given_back = {change.entity_id for change in changes if _gives_back(change)}
        touched: dict[EntityKind, set[int]] = {kind: set() for kind in LINKS}
        for change in changes:
            if change.kind in LINKS and (LINKS[change.kind] & change.fields.keys()) and _may_help(change):
                touched[change.kind].add(change.entity_id)
        ended = {change.entity_id for change in changes if _frees_linked(change)}
        answered = {change.entity_id for change in changes if _answers_group(change)}
        if not given_back and not ended and not answered and not any(touched.values()):
            return []
        async with reading(self._work.database) as tx:
            relieved = await tickets_relieved(tx, given_back) if given_back else []
            relieved += await tickets_forfeited(tx, given_back) if given_back else []
            ended |= await tickets_of(tx, given_back) if given_back else set()
            relieved += [key for key in (await tickets_linked(tx, ended) if ended else []) if key not in relieved]
            relieved += await members_waiting(tx, answered) if answered else []
            if not any(touched.values()):
                return await self._in_line(tx, relieved)
            products = await products_on(
                tx, stock_ids=touched[EntityKind.STOCK], compatibility_ids=touched[EntityKind.COMPATIBILITY]
            )
            waiting = await waiting_tickets(
                tx, asset_ids=touched[EntityKind.ASSET], site_ids=touched[EntityKind.SITE], product_ids=products
            )
            return await self._in_line(tx, {*relieved, *waiting})

    async def _in_line(self, tx: Transaction, ticket_ids: Collection[int]) -> list[int]:
        policy, waiting = await policy_now(tx, self._policy), await waiting_line(tx, ticket_ids)
        return [item.ticket_id for item in in_line(waiting, policy.fairness, self._work.clock.now())]


def concerns_decision(change: LoggedChange) -> bool:
    """Whether a decision could come out differently.

    A move between open states does not count, nor a ticket that comes in closed.
    """
    fields = DECIDING & change.fields.keys()
    if change.operation == "created":
        return TicketState(change.fields["state"][1]) in TICKET_OPEN
    if fields != {"state"}:
        return bool(fields) or change.operation == "deleted"
    before, after = (TicketState(value) if value else None for value in change.fields["state"])
    return (before in TICKET_OPEN) != (after in TICKET_OPEN) or after is TicketState.CANCELLED


def _gives_back(change: LoggedChange) -> bool:
    """Whether a change ends a reservation without the unit having been sent."""
    state = change.fields.get("state") if change.kind is EntityKind.RESERVATION else None
    return state is not None and state[1] in (ReservationState.RELEASED, ReservationState.EXPIRED)


def _frees_linked(change: LoggedChange) -> bool:
    """Whether a ticket ends, or is a duplicate of another one than before, so that those linked to it decide anew."""
    if change.kind is not EntityKind.TICKET or change.operation == "created":
        return False
    before, after = change.fields.get("state") or (None, None)
    ends = before is not None and before in TICKET_OPEN and after not in TICKET_OPEN
    return ends or not {"retired_at", LinkKind.DUPLICATE_OF.value}.isdisjoint(change.fields)


def _answers_group(change: LoggedChange) -> bool:
    """Whether somebody has said what a group of tickets is, which they may have waited for."""
    return change.kind is EntityKind.INCIDENT_GROUP and change.operation == "updated" and "state" in change.fields


def _may_help(change: LoggedChange) -> bool:
    """Whether a change can give a waiting ticket what it lacks: of stock, only more of it."""
    if change.kind is not EntityKind.STOCK:
        return True
    more = [(change.fields.get(name) or [0, 0]) for name in ("on_hand", "reserved")]
    (held, holds), (claimed, claims) = more
    return (holds or 0) > (held or 0) or (claims or 0) < (claimed or 0)
