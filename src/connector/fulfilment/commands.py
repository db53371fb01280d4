"""What a dispatcher or technician does. Each command is one transaction and may be repeated under its key.

key: chosen by the caller; the same key again is answered with the first result and changes nothing. Refusals are
errors of `connector.model.errors`. The undoing that a release or cancellation sets off goes on by itself; the
result says how far it came within the time that the caller is willing to wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from connector.fulfilment.claims import refuse_loaners
from connector.fulfilment.durable import Durable
from connector.fulfilment.handover import leave_hub, take_in
from connector.fulfilment.keys import undo_id
from connector.fulfilment.loans import Loans, call_back
from connector.fulfilment.once import Do, once
from connector.fulfilment.pickups import Pickups
from connector.fulfilment.procurement import Procurements
from connector.fulfilment.react import Reactor
from connector.fulfilment.returns import Returns
from connector.fulfilment.reviews import (
    ABOUT_FULFILMENT,
    ABOUT_THE_DECISION,
    Review,
    close_reviews,
    review_of,
    settle_reviews,
)
from connector.fulfilment.rollouts import cancel_of_ticket
from connector.fulfilment.work import Work
from connector.fulfilment.workflows import Workflows
from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.kinds import Lane, TaskKind
from connector.model.lifecycle import RESERVATION_LIVE, ReservationState, TaskState
from connector.model.refs import EntityKind
from connector.rules.sourcing.authorisation import terms_of_draw
from connector.rules.sourcing.decision import Outcome
from connector.storage.approvals.approvals import Ask, request_approval
from connector.storage.database.engine import Transaction
from connector.storage.facts.facts import sourcing_facts
from connector.storage.facts.outstanding import ABOUT_THE_REST, units_missing
from connector.storage.policies.active import PolicySource, policy_now
from connector.storage.shipments.consignments import lock_reservation
from connector.storage.shipments.shipments import shipment_row
from connector.storage.stock.reservations import Claim, Reserved
from connector.storage.stock.reserve import locked_reservation, require_own_fate, reserve
from connector.storage.stock.stopping import order_stop
from connector.storage.tickets.decide import decide_and_reserve
from connector.storage.tickets.standing import ticket_standing
from connector.storage.tickets.tasks import task_row

PATIENCE: Final = timedelta(seconds=5)
"""How long a release waits for its undoing before it answers."""
HOLD: Final = timedelta(minutes=15)
"""How long a unit that a dispatcher chose is held until the workflow commits it."""


@dataclass(frozen=True, slots=True)
class ReserveResult:
    """outcome: `reserve`, `not_needed` or `review`, with its reason; reservation_ids: empty unless it is `reserve`.

    is_new: False when the ticket had its reservation already.
    """

    ticket_id: int
    outcome: str
    reason: str
    reservation_ids: tuple[int, ...]
    decision_id: int | None
    is_new: bool


@dataclass(frozen=True, slots=True)
class WithdrawResult:
    """reservation_ids: those that are being undone. is_finished: False while the undoing still goes on."""

    reservation_ids: tuple[int, ...]
    is_finished: bool


@dataclass(frozen=True, slots=True)
class PickupResult:
    """What left the hub. shipment_id: None when nothing was to be sent."""

    task_id: int
    reservation_id: int
    shipment_id: int | None


@dataclass(frozen=True, slots=True)
class ReceiveResult:
    """What arrived. asset_id: the device that is deployed now; None for counted products."""

    shipment_id: int
    reservation_id: int | None
    asset_id: int | None


class Commands:
    """The commands, on the hub's database and workflows."""

    def __init__(
        self, work: Work, durable: Durable, workflows: Workflows, reactor: Reactor, policy: PolicySource
    ) -> None:
        self._work = work
        self._durable = durable
        self._workflows = workflows
        self._reactor = reactor
        self._policy = policy
        self.procurements = Procurements(work)
        self.pickups = Pickups(work)
        self.loans = Loans(work.database, work.clock)
        self.returns = Returns(work.database, work.clock)

    async def reserve_for_ticket(
        self,
        ticket_id: int,
        *,
        key: str,
        actor: str,
        hub_id: int | None = None,
        product_id: int | None = None,
        lane: Lane = Lane.NORMAL,
        quantity: int | None = None,
    ) -> ReserveResult:
        """Reserve for a ticket what the rules choose, or units of the given hub whatever they would choose.

        product_id: another product than the one needed; lane: that it is taken from; quantity: how many of the units
        that the ticket lacks, all of them when None; only with a hub. Somebody is asked about those that are left.
        Break-glass stock waits for the approval that the policy wants for it.
        Raises NotKnown, InvalidInput, OutOfStock, IllegalTransition when the ticket is not open.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            standing = await ticket_standing(tx, ticket_id)
            if not standing.wants_hardware:
                raise IllegalTransition(
                    f"ticket {standing.number!r} is {standing.state.value}: nothing is reserved for it",
                    hint="Open the ticket again at its source first.",
                )
            rest: Review | None = None
            if hub_id is None:
                _require_hub(product_id, quantity)
                result, rest = await self._as_decided(tx, ticket_id, standing.number, actor=actor, at=at)
            else:
                what = _Chosen(hub_id, product_id, lane, quantity)
                reserved, left = await self._as_chosen(tx, ticket_id, what, actor=actor, at=at)
                result = _reserved(reserved, "chosen by a dispatcher", None)
                rest = _about_the_rest(standing.number, left) if left else None
            if result["reservation_ids"]:
                prefixes = (*ABOUT_THE_DECISION, *ABOUT_FULFILMENT)
                cause = "a unit was reserved"
                await close_reviews(
                    tx, ticket_id=ticket_id, target=TaskState.DONE, cause=cause, at=at, prefixes=prefixes, actor=actor
                )
            if rest is not None:
                await settle_reviews(tx, needed={ticket_id: rest}, done={}, at=at, actor=actor)
            return {"ticket_id": ticket_id, **result}

        result = await self._keyed("reserve", key, ticket_id, do)
        self._reactor.wake()
        return ReserveResult(**{**result, "reservation_ids": tuple(result["reservation_ids"])})

    async def release(
        self, reservation_id: int, *, reason: str, key: str, actor: str, patience: timedelta = PATIENCE
    ) -> WithdrawResult:
        """Give a reservation back and undo what was done for it, as long as its unit is still in the hub.

        Raises NotKnown, and IllegalTransition when the unit has left or the reservation has ended.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            state = await lock_reservation(tx, reservation_id)
            if state not in RESERVATION_LIVE:
                raise _not_live(reservation_id, state)
            require_own_fate(await locked_reservation(tx, reservation_id), "released")
            await order_stop(tx, reservation_id, reason=_given(reason), actor=actor, at=at)
            return {"reservation_ids": [reservation_id]}

        return await self._withdraw("release", key, reservation_id, do, patience)

    async def cancel(
        self, ticket_id: int, *, reason: str, key: str, actor: str, patience: timedelta = PATIENCE
    ) -> WithdrawResult:
        """Undo everything that was done for a ticket; what is under way is brought back.

        A ticket without anything to undo is fine. Raises NotKnown.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            standing = await ticket_standing(tx, ticket_id)
            if standing.has_rollout:
                await cancel_of_ticket(tx, ticket_id, reason=_given(reason), actor=actor, at=at)
            ids = [item.reservation_id for item in standing.holdings if item.is_live or item.is_under_way]
            if standing.loan is not None and standing.loan.is_live:
                ids.append(standing.loan.reservation_id)
            for reservation_id in ids:
                await lock_reservation(tx, reservation_id)
                await order_stop(tx, reservation_id, reason=_given(reason), actor=actor, at=at)
            if standing.is_lent:
                await call_back(tx, ticket_id, reason=_given(reason), actor=actor, at=at)
            if standing.fills_shelf:
                await self.procurements.give_up(tx, ticket_id, _given(reason), at)
            if standing.waits_for_rest:
                await self.procurements.give_up(tx, ticket_id, _given(reason), at)
                await close_reviews(tx, ticket_id=ticket_id, target=TaskState.CANCELLED, cause=reason, at=at)
            return {"reservation_ids": ids}

        return await self._withdraw("cancel", key, ticket_id, do, patience)

    async def confirm_pickup(self, task_id: int, *, key: str, actor: str) -> PickupResult:
        """The unit of a pickup task was picked and has left the hub.

        Raises NotKnown, InvalidInput for another kind of task, IllegalTransition when the task was cancelled or
        its reservation is being withdrawn.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            task = await task_row(tx, task_id)
            if task.kind is not TaskKind.PICKUP or task.reservation_id is None:
                raise InvalidInput(f"task {task_id} ({task.title!r}) is a {task.kind.value} task, nothing to pick up")
            if task.state is TaskState.CANCELLED:
                raise IllegalTransition(
                    f"task {task.title!r} was cancelled, so its unit must not leave the hub",
                    hint="Put the unit back on its shelf.",
                )
            shipment = await leave_hub(tx, task.reservation_id, actor=actor, cause=f"task {task_id}", at=at)
            return {
                "task_id": task_id,
                "reservation_id": task.reservation_id,
                "shipment_id": shipment.id if shipment else None,
            }

        return PickupResult(**await self._keyed("confirm-pickup", key, task_id, do))

    async def receive(self, shipment_id: int, *, key: str, actor: str) -> ReceiveResult:
        """A parcel was taken in: at its site, where its asset is deployed now, or at the hub whose shelf it fills up.

        A transfer that was returned is taken in at the hub that it left. Raises NotKnown, and IllegalTransition for
        another parcel that was returned, or one that was cancelled.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            shipment = await shipment_row(tx, shipment_id)
            asset_id = await take_in(tx, shipment, actor=actor, cause=shipment.name, at=at)
            return {"shipment_id": shipment_id, "reservation_id": shipment.reservation_id, "asset_id": asset_id}

        result = ReceiveResult(**await self._keyed("receive", key, shipment_id, do))
        self._reactor.wake()
        return result

    async def _as_decided(
        self, tx: Transaction, ticket_id: int, number: str, *, actor: str, at: datetime
    ) -> tuple[dict[str, Any], Review | None]:
        """What the rules reserve, and what a person is asked about the rest of the units."""
        sourced = await decide_and_reserve(tx, ticket_id, self._policy, now=at, actor=actor)
        decision = sourced.decision
        if sourced.reserved is not None:
            text = decision.text if decision else "reserved before"
            last = decision.parts[-1] if decision and decision.rest else None
            is_asked = last is not None and last.outcome is Outcome.REVIEW
            rest = review_of(number, last) if last is not None and is_asked else None
            return _reserved(sourced.reserved, text, sourced.decision_id), rest
        result: dict[str, Any] = {
            "outcome": decision.outcome.value if decision else "not_needed",
            "reason": decision.text if decision else "",
            "reservation_ids": [],
            "decision_id": sourced.decision_id,
            "is_new": False,
        }
        return result, None

    async def _as_chosen(
        self, tx: Transaction, ticket_id: int, what: _Chosen, *, actor: str, at: datetime
    ) -> tuple[Reserved, int]:
        """The units that somebody has chosen, and how many the ticket lacks beside them."""
        refuse_loaners(what.lane)
        needed = (await sourcing_facts(tx, ticket_id)).product
        chosen = what.product_id if what.product_id is not None else (needed.id if needed else None)
        if chosen is None:
            raise InvalidInput(
                f"nobody knows which product ticket {ticket_id} needs",
                hint="Name the product, or set the ticket's device at its source.",
            )
        missing, line = await units_missing(tx, ticket_id)
        quantity = missing if what.quantity is None else what.quantity
        if not 0 < quantity <= missing:
            raise InvalidInput(
                f"{quantity} units cannot be reserved for a ticket that lacks {missing}",
                hint=f"Give 1 to {missing}, or none for all of them.",
            )
        policy = await policy_now(tx, self._policy) if what.lane is Lane.BREAK_GLASS else None
        terms = terms_of_draw(policy, at) if policy is not None else None
        if terms is not None and quantity > 1:
            raise InvalidInput(
                f"{quantity} break-glass units cannot be chosen at once: each draw waits for an approval of its own",
                hint="Give a quantity of 1, once for each.",
            )
        claim = Claim(
            ticket_id=ticket_id,
            hub_id=what.hub_id,
            product_id=chosen,
            requested_product_id=needed.id if needed else chosen,
            lane=what.lane,
            quantity=quantity,
            line=line,
            expires_at=terms.deadline if terms else at + HOLD,
            approval=terms.name if terms else None,
        )
        reserved = await reserve(tx, claim, actor=actor, at=at, cause="dispatcher")
        if policy is not None and terms is not None and reserved.is_new:
            standing = await ticket_standing(tx, ticket_id)
            ask = Ask(
                name=terms.name,
                subject_kind=EntityKind.RESERVATION,
                subject_id=reserved.reservation.id,
                ticket_id=ticket_id,
                title=f"Approve break-glass stock for ticket {standing.number}, chosen by {actor}",
                requested_by=actor,
            )
            await request_approval(tx, ask, policy, actor=actor, at=at, cause="dispatcher")
        return reserved, missing - quantity if reserved.is_new else 0

    async def _withdraw(self, name: str, key: str, target: int, do: Do, patience: timedelta) -> WithdrawResult:
        ids = tuple((await self._keyed(name, key, target, do))["reservation_ids"])
        for reservation_id in ids:
            await self._workflows.start_undo(reservation_id)
        ends = [await self._durable.wait(undo_id(reservation_id), within=patience) for reservation_id in ids]
        return WithdrawResult(reservation_ids=ids, is_finished=all(ends))

    async def _keyed(self, name: str, key: str, target: int, do: Do) -> dict[str, Any]:
        return await once(self._work, name, key, target, do)


def _reserved(reserved: Reserved, reason: str, decision_id: int | None) -> dict[str, Any]:
    return {
        "outcome": "reserve",
        "reason": reason,
        "reservation_ids": [item.id for item in reserved.reservations],
        "decision_id": decision_id,
        "is_new": reserved.is_new,
    }


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What somebody takes for a ticket. quantity: None for all that it lacks."""

    hub_id: int
    product_id: int | None
    lane: Lane
    quantity: int | None


def _require_hub(product_id: int | None, quantity: int | None) -> None:
    what = "product" if product_id is not None else "quantity" if quantity is not None else None
    if what is not None:
        raise InvalidInput(
            f"a {what} can be chosen only together with a hub",
            hint="Give the hub as well, or leave the choice of both to the rules.",
        )


def _about_the_rest(number: str, left: int) -> Review:
    """What a person is asked who has chosen some of the units of a ticket."""
    units = "1 unit is" if left == 1 else f"{left} units are"
    text = (
        f"Somebody has chosen some of the units of ticket {number}: {units} missing. Choose the others, or reserve "
        "without a hub to have the rules do it; they look for them as well when stock comes."
    )
    return Review(number, f"{ABOUT_THE_REST}to_be_chosen", text)


def _given(reason: str) -> str:
    if not reason.strip():
        raise InvalidInput("a reason is needed: it is told to the ticket and kept", hint="Write why.")
    return reason.strip()


def _not_live(reservation_id: int, state: ReservationState) -> IllegalTransition:
    if state is ReservationState.FULFILLED:
        return IllegalTransition(
            f"reservation {reservation_id} cannot be released: its unit has left the hub",
            hint="Cancel the ticket's fulfilment to have it brought back.",
        )
    return IllegalTransition(f"reservation {reservation_id} cannot be released: it is {state.value} already")
