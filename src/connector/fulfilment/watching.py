"""Parcels that heal themselves: one in trouble is noticed, and a second unit sent where that still helps.

Looked at once a minute, and at once when a courier reports trouble. What is done about a parcel is one transaction with
a row in `recovery`, which is unique for the ticket's line: killed at any instruction, there are never two second units.
What a person has taken in hand is left alone.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Final

from connector.fulfilment.keys import ACTOR
from connector.fulfilment.turning_up import Tracked, trouble_task
from connector.fulfilment.work import Work
from connector.model.errors import ConnectorError
from connector.model.geo import great_circle_km
from connector.model.kinds import TaskKind
from connector.model.lifecycle import RecoveryState, TaskState
from connector.rules.arrival.lanes import NO_LANES, SiteLanes, service_key
from connector.rules.events.parcels import SEVERITY, ParcelFacts, Verdict, silent_at, verdict
from connector.rules.facts.standing import Recovery
from connector.rules.policy.document import Policy
from connector.rules.policy.watching import Watching
from connector.storage.database.engine import Transaction, in_transaction, reading
from connector.storage.database.locks import lock_devices, lock_tickets
from connector.storage.facts.lanes import lanes_of_sites
from connector.storage.policies.active import PolicySource, policy_now
from connector.storage.shipments.parcels_under_way import (
    UnderWay,
    parcel_under_way,
    parcel_without_second,
    parcels_under_way,
)
from connector.storage.shipments.recoveries import (
    begin_recovery,
    ended_second,
    move_recovery,
    recovery_about,
    recovery_of_line,
    recovery_of_second,
)
from connector.storage.tables import LOAN_LINE
from connector.storage.tickets.decide import decide_and_reserve
from connector.storage.tickets.tasks import move_task, require_task, unfinished_tasks

log = logging.getLogger("connector.fulfilment")

PAGE: Final = 200
"""Parcels that are looked at with one statement."""
SLOWER: Final = 1.5
"""How much longer than usual a parcel may take before it is late, where its lane has no statistics of its own."""
LEAST_USUAL: Final = timedelta(hours=1)


class Watch:
    """Looks at parcels under way, and does what the policy says about those in trouble."""

    def __init__(self, work: Work, policy: PolicySource) -> None:
        self._work = work
        self._policy = policy

    async def look_at_all(self) -> int:
        """Look at every parcel under way; returns how many something was done about."""
        dealt, after = 0, 0
        while True:
            async with reading(self._work.database) as tx:
                policy = await policy_now(tx, self._policy)
                if policy.watching is None:
                    return dealt
                page = await parcels_under_way(tx, after=after, limit=PAGE)
                lanes = await lanes_of_sites(tx, {item.site.id for item in page if item.site is not None})
            for parcel in page:
                if self._is_wanted(parcel, policy, lanes):
                    dealt += await self._deal(parcel)
            if len(page) < PAGE:
                return dealt
            after = page[-1].shipment_id

    async def look(self, tx: Transaction, shipment_id: int) -> bool:
        """Do what the policy says about a parcel as it is now; whether it was dealt with, now or before.

        The device and the ticket are locked by the caller (see `connector.storage.database.locks`).
        """
        policy = await policy_now(tx, self._policy)
        parcel = await parcel_under_way(tx, shipment_id)
        if policy.watching is None:
            return False
        if parcel is None:
            return await recovery_about(tx, shipment_id=shipment_id, reservation_id=None) is not None
        lanes = await lanes_of_sites(tx, {parcel.site.id} if parcel.site else set())
        watching = policy.watching.of(self._service_class(parcel, policy))
        if watching.act == "nothing":
            return False
        if self._is_wanted(parcel, policy, lanes):
            found = verdict(self._facts(parcel, watching, policy, lanes), self._work.clock.now())
            await self._act(tx, parcel, watching, found)
        return True

    async def second_ended(self, tx: Transaction, reservation_id: int) -> None:
        """The claim of a second unit has ended before that left its hub.

        One that a dispatcher has moved is followed. Where it went to another ticket, or was not approved, a second unit
        is looked for again, or a person is asked. What a person took back, or was asked about, stays with them.
        """
        before = await recovery_of_second(tx, reservation_id)
        if before is None:
            return
        await lock_devices(tx, (before.ticket_id,))
        await lock_tickets(tx, (before.ticket_id,))
        before, ended = await recovery_of_second(tx, reservation_id), await ended_second(tx, reservation_id)
        if before is None or ended is None:
            return
        now = self._work.clock.now()
        if ended.heir is not None:
            await move_recovery(tx, before, before.state, actor=ACTOR, at=now, reservation_id=ended.heir)
            return
        parcel, policy = await parcel_without_second(tx, before.shipment_id), await policy_now(tx, self._policy)
        if parcel is None:
            return
        reason = f"The second unit (reservation {reservation_id}) is not sent: {ended.reason}."
        if not ended.is_lost or policy.watching is None:
            values = {"reservation_id": None, "decision_id": None, "reason": reason}
            await move_recovery(tx, before, RecoveryState.ASKED, actor=ACTOR, at=now, **values)
            return
        watching = policy.watching.of(self._service_class(parcel, policy))
        lanes = await lanes_of_sites(tx, {parcel.site.id} if parcel.site else set())
        found = verdict(self._facts(parcel, watching, policy, lanes), now)
        await self._act(tx, parcel, watching, replace(found, text=f"{reason} {found.text}"))

    async def _deal(self, parcel: UnderWay) -> bool:
        async def work(tx: Transaction) -> bool:
            await lock_devices(tx, (parcel.ticket_id,))
            await lock_tickets(tx, (parcel.ticket_id,))
            return await self.look(tx, parcel.shipment_id)

        try:
            return await in_transaction(self._work.database, work)  # what is reported locks the parcel first
        except ConnectorError as error:
            log.warning("%s could not be dealt with, it is looked at again: %s", parcel.name, error)
            return False

    def _is_wanted(self, parcel: UnderWay, policy: Policy, lanes: dict[int, SiteLanes]) -> bool:
        """Whether there is trouble, and worse than what a person was asked about already."""
        if policy.watching is None:
            return False
        watching = policy.watching.of(self._service_class(parcel, policy))
        if watching.act == "nothing":
            return False
        found = verdict(self._facts(parcel, watching, policy, lanes), self._work.clock.now())
        known = -1 if parcel.asked_about is None else SEVERITY[parcel.asked_about]
        return not found.is_fine and SEVERITY[found.trouble] > known

    def _service_class(self, parcel: UnderWay, policy: Policy) -> str | None:
        return parcel.service_class or policy.sourcing.default_service_class

    def _facts(self, parcel: UnderWay, watching: Watching, policy: Policy, lanes: dict[int, SiteLanes]) -> ParcelFacts:
        known = lanes.get(parcel.site.id, NO_LANES) if parcel.site else NO_LANES
        usual, slow, basis = _transit(parcel, watching, policy, known)
        try:
            silent = silent_at(parcel.seen_at, watching, parcel.site, policy)
        except ValueError:
            silent = parcel.seen_at + timedelta(hours=watching.silent_hours)
        return ParcelFacts(
            status=parcel.status,
            left_at=parcel.left_at,
            seen_at=parcel.seen_at,
            is_reported=parcel.is_reported,
            usual=usual,
            slow=slow,
            basis=basis,
            estimated_at=parcel.estimated_at,
            planned_at=parcel.planned_at,
            silent_at=silent,
            due_at=parcel.due_at,
        )

    async def _act(self, tx: Transaction, parcel: UnderWay, watching: Watching, found: Verdict) -> None:
        if parcel.is_second or parcel.is_rollout:
            known = "the second unit already: no third one is sent by itself."
            waits = "for a rollout, whose wave waits for it: report its line as failed if it does not come."
            await self._ask(tx, parcel, found, f" It is {known if parcel.is_second else waits}")
            return
        now = self._work.clock.now()
        tried = ""
        reservation_id = decision_id = None
        if watching.act == "source" and parcel.line != LOAN_LINE and not found.is_fine:
            recovery = Recovery(
                shipment_id=parcel.shipment_id,
                shipment=parcel.name,
                trouble=found.trouble,
                predicted_at=found.predicted_at,
                gain=timedelta(minutes=watching.gain_minutes),
                text=found.text,
                quantity=parcel.quantity,
            )
            sourced = await decide_and_reserve(
                tx, parcel.ticket_id, self._policy, now=now, line=parcel.line, recovery=recovery
            )
            decision_id = sourced.decision_id
            if sourced.reserved is not None and sourced.reserved.is_new:
                reservation_id = sourced.reserved.reservation.id
            elif sourced.decision is not None:
                tried = f" A second unit was looked for: {sourced.decision.text}"
        values = {
            "reservation_id": reservation_id,
            "decision_id": decision_id,
            "trouble": found.trouble,
            "reason": f"{found.text}{tried}",
            "predicted_at": found.predicted_at,
        }
        before = await recovery_of_line(tx, parcel.ticket_id, parcel.line)
        if before is None:
            where = {"ticket_id": parcel.ticket_id, "line": parcel.line, "shipment_id": parcel.shipment_id}
            await begin_recovery(tx, **where, **values, actor=ACTOR, at=now)  # type: ignore[arg-type]
        else:
            target = RecoveryState.ASKED if reservation_id is None else RecoveryState.SOURCED
            values["trouble"] = before.trouble if found.is_fine else found.trouble
            await move_recovery(tx, before, target, actor=ACTOR, at=now, **values)
        if reservation_id is None:
            await self._ask(tx, parcel, found, tried)
        else:
            await self._close(tx, parcel, "a second unit is on its way")

    async def _ask(self, tx: Transaction, parcel: UnderWay, found: Verdict, tried: str) -> None:
        """Ask a person, once: what the courier has reported may have made them ask already."""
        if await unfinished_tasks(tx, shipment_id=parcel.shipment_id, key_prefixes=[f"shipment:{parcel.shipment_id}:"]):
            return
        tracked = Tracked(parcel.shipment_id, parcel.name, parcel.ticket_id, parcel.reservation_id, parcel.hub_id)
        what = "second_unit_not_sent" if found.is_fine else found.trouble.value
        new = trouble_task(tracked, what, f"{found.text}{tried}")
        await require_task(tx, new, actor=ACTOR, cause=None, at=self._work.clock.now())

    async def _close(self, tx: Transaction, parcel: UnderWay, cause: str) -> None:
        items = await unfinished_tasks(
            tx,
            shipment_id=parcel.shipment_id,
            kind=TaskKind.REVIEW,
            key_prefixes=[f"shipment:{parcel.shipment_id}:"],
        )
        for item in items:
            await move_task(tx, item.id, TaskState.DONE, actor=ACTOR, cause=cause, at=self._work.clock.now())


def _transit(
    parcel: UnderWay, watching: Watching, policy: Policy, lanes: SiteLanes
) -> tuple[timedelta, timedelta, str]:
    """What the parcel's lane usually takes, what its slowest parcels take, and where that comes from, for people."""
    history = None
    if parcel.is_reported:
        service = service_key(parcel.carrier, parcel.service)
        history = lanes.history(parcel.hub_id, service, minimum=watching.minimum_deliveries)
    if history is not None:
        share = f"{watching.slow_share:.0%}"
        basis = f"within which {share} of {history.deliveries} deliveries came ({history.scope.value})"
        usual = timedelta(minutes=history.quantile(0.5))
        return usual, timedelta(minutes=history.quantile(watching.slow_share)), basis
    planned = (parcel.planned_at or parcel.left_at) - parcel.left_at
    usual = max(planned, _band(parcel, policy), LEAST_USUAL)
    return usual, SLOWER * usual, f"{SLOWER:g} times what was planned, for its lane has too few deliveries"


def _band(parcel: UnderWay, policy: Policy) -> timedelta:
    """What the policy takes for a courier's transit over that distance; nothing where that is not known."""
    site = parcel.site
    if not parcel.is_reported or parcel.hub_point is None or site is None or site.point is None:
        return timedelta(0)
    km = great_circle_km(parcel.hub_point, site.point)
    reaching = (band for band in policy.sourcing.courier.transit if band.within_km is None or km <= band.within_km)
    return timedelta(hours=next((band.hours for band in reaching), 0))
